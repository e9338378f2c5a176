import fc from 'fast-check'
import { TestClock } from 'belfry/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import {
  BURST,
  CommandPace,
  isNeverHeldUp,
  REFILL_MS,
  takeOne,
  TOO_FAST,
  type Bucket,
  type Pace,
} from '../../src/platforms/discord/command-pace.ts'
import { readable } from '../support/fake-discord/readable.ts'
import { startDiscordBot, type DiscordBot } from '../support/discord-bot.ts'

/** What becomes of commands at these times. */
function paces(times: readonly number[]): Pace[] {
  let bucket: Bucket | undefined
  return times.map(at => {
    const taken = takeOne(bucket, at)
    bucket = taken.bucket
    return taken.pace
  })
}

const times = fc
  .array(fc.integer({ min: 0, max: 6_000 }), { minLength: 1, maxLength: 60 })
  .map(gaps => gaps.map((_, index) => gaps.slice(0, index + 1).reduce((sum, gap) => sum + gap, 0)))

describe('the pace of commands', () => {
  it('lets five through at once and one per two seconds after that, and tells once', () => {
    const flood = paces(Array.from({ length: 100 }, (_, n) => n * 100))
    expect(flood.filter(each => each === 'pass')).toHaveLength(BURST + 4)
    expect(flood.slice(0, 7)).toEqual(['pass', 'pass', 'pass', 'pass', 'pass', 'tell', 'drop'])
    expect(flood.filter(each => each === 'tell')).toHaveLength(1)
  })

  it('in any window lets through no more than the burst and what has grown; never holds up who keeps to it', () => {
    fc.assert(
      fc.property(times, asked => {
        const told = paces(asked)
        const passed = asked.filter((_, index) => told[index] === 'pass')
        for (const [from, start] of passed.entries())
          for (const [more, end] of passed.slice(from).entries())
            expect(more + 1).toBeLessThanOrEqual(BURST + (end - start) / REFILL_MS + 1e-6)
        expect(told.slice(0, BURST).every(each => each === 'pass')).toBe(true)
      }),
    )
    fc.assert(
      fc.property(fc.array(fc.integer({ min: REFILL_MS, max: 60_000 }), { maxLength: 50 }), gaps => {
        const asked = gaps.map((_, index) => gaps.slice(0, index + 1).reduce((sum, gap) => sum + gap, 0))
        expect(paces(asked).every(each => each === 'pass')).toBe(true)
      }),
    )
  })

  it('tells at most once between two times at which the bucket was full', () => {
    fc.assert(
      fc.property(times, asked => {
        let isTold = false
        let bucket: Bucket | undefined
        for (const at of asked) {
          const isFull = !bucket || bucket.tokens + (at - bucket.at) / REFILL_MS >= BURST
          if (isFull) isTold = false
          const taken = takeOne(bucket, at)
          expect(taken.pace === 'pass' || taken.pace === (isTold ? 'drop' : 'tell')).toBe(true)
          if (taken.pace === 'tell') isTold = true
          bucket = taken.bucket
        }
      }),
    )
  })

  it('remembers a bounded number of people, each on their own', () => {
    const pace = new CommandPace(new TestClock('2027-03-01T12:00:00Z'))
    for (let n = 0; n < 25_000; n += 1) pace.take(`discord:${n}`)
    expect(pace.size).toBe(10_000)
    for (let n = 0; n < BURST; n += 1) expect(pace.take('discord:ada')).toBe('pass')
    expect(pace.take('discord:ada')).toBe('tell')
    expect(pace.take('discord:bo')).toBe('pass')
  })

  it.each([
    '!followup_settings off',
    '!followup settings  OFF',
    '!FollowUp_Settings disable',
    '! followup_settings off',
  ])('never holds up %j', text => expect(isNeverHeldUp(text, '!')).toBe(true))
  it.each(['!followup_settings', '!followup_settings on', '!followup_settings offer', '!help off'])(
    'may hold up %j',
    text => expect(isNeverHeldUp(text, '!')).toBe(false),
  )
})

describe('somebody who floods', () => {
  let bot: DiscordBot
  afterEach(() => bot.close())

  it('is told once, then not answered; a no always is, and others are', async () => {
    // An owner is a person too.
    const clock = new TestClock(new Date())
    bot = await startDiscordBot({ clock, settings: ({ ada }) => ({ ADMIN_USER_IDS: ada.id }) })
    await bot.connected()
    await until('commands are registered', async () => bot.fake.interactions.commandsOf(undefined).length > 0)
    for (let n = 0; n < 30; n += 1) bot.fake.say(bot.ada, bot.channel, '!privacy')
    await until('they are told', async () => bot.fake.sentTo(bot.channel).includes(TOO_FAST))
    await until('five are answered', async () => bot.fake.sentTo(bot.channel).length >= BURST + 1)
    const use = (name: string, more: { subcommand?: string; userId?: string } = {}) =>
      bot.fake.interactions.use({ userId: bot.ada.id, channelId: bot.channel.id, name, ...more })
    const dropped = use('privacy')
    expect((await use('followup_settings', { subcommand: 'off' }).answered).content).toContain('Follow-ups are off')
    expect((await use('privacy', { userId: bot.bo.id }).answered).content).toContain('is a program')
    expect(dropped.acknowledged).toBeUndefined()
    const [stopped] = await bot.ask(bot.ada, bot.dm, 'stop')
    expect(stopped).toContain('Follow-ups are off')
    const [off] = await bot.ask(bot.ada, bot.dm, '!followup_settings off')
    expect(off).toContain('off')
    expect(bot.fake.sentTo(bot.channel).filter(each => each === TOO_FAST)).toHaveLength(1)
    clock.advance('10s')
    expect(readable(await use('privacy').answered)).toContain('is a program')
  })

  it('of slash commands is told alone', async () => {
    bot = await startDiscordBot({ clock: new TestClock(new Date()) })
    await bot.connected()
    await until('commands are registered', async () => bot.fake.interactions.commandsOf(undefined).length > 0)
    const uses = Array.from({ length: 12 }, () =>
      bot.fake.interactions.use({ userId: bot.ada.id, channelId: bot.channel.id, name: 'privacy' }),
    )
    expect(await uses[BURST]?.answered).toMatchObject({ content: TOO_FAST, ephemeral: true })
    for (const each of uses.slice(0, BURST)) expect((await each.answered).content).toContain('is a program')
    expect(uses.slice(BURST + 1).every(each => each.acknowledged === undefined)).toBe(true)
  })
})
