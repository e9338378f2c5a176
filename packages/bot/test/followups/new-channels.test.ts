import { afterEach, describe, expect, it } from 'vitest'
import { restFromOpeningMs } from '../../src/followups/delivery-decision.ts'
import { activeControls } from '../../src/followups/controls-store.ts'
import { ScriptedPlatform } from '../support/scripted-platform.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

const SETTINGS = {
  FOLLOW_UP_CONSENT: 'opt_out',
  FOLLOW_UP_QUIET_HOURS: 'off',
  FOLLOW_UP_PER_MINUTE: '1000',
  FOLLOW_UP_MAX_LATE_HOURS: '720',
}
const HOUR_MS = 3_600_000
const NEW_PEOPLE = ['Ada', 'Bo', 'Cy', 'Dee', 'Eve', 'Flo', 'Gus']

describe.each(['PGlite', 'PostgreSQL'] as const)('people the bot has no channel with yet, on %s', engine => {
  let test: TestApp
  let platform: ScriptedPlatform
  afterEach(() => test.close())

  async function begin(): Promise<void> {
    platform = new ScriptedPlatform()
    test = await createTestApp(engine, SETTINGS, { platforms: [platform] })
  }
  /** Somebody talks, in a channel that others read or alone with the bot. */
  async function talk(who: string, { isPrivate = false } = {}): Promise<void> {
    const userId = `discord:${who.toLowerCase()}`
    const person = { platform: 'discord', conversationId: `discord:of-${who}`, userId, displayName: who } as const
    for (const text of [`hi, I am ${who}`, 'I play the cello', 'my recital is on Friday']) {
      await test.app.chat.handle({ ...person, messageId: `${who} ${text}`, isAdmin: false, isPrivate, text })
    }
  }
  const told = () => platform.journal.map(each => each.userId.replace('discord:', ''))
  const deferred = () =>
    test.rows<{ user_id: string; reason: string; rule: number; wait: number }>(
      `select user_id, reason, rule, (extract(epoch from until - decided_at) / 60)::int as wait from follow_up_decisions
       where verdict = 'defer' order by decision_id`,
    )

  it('five in an hour; the sixth waits, and it is known why and until when; who has one goes on', async () => {
    await begin()
    for (const who of NEW_PEOPLE) await talk(who)
    await talk('Zoe', { isPrivate: true })
    await test.pass('48h 1m')
    expect(told()).toHaveLength(6)
    expect(told()).toContain('zoe')
    const waiting = NEW_PEOPLE.map(who => who.toLowerCase()).filter(who => !told().includes(who))
    const decisions = await deferred()
    // Asked once, and again when their time has come: not as often as a pace for everybody would have it.
    expect(decisions).toHaveLength(waiting.length)
    expect(new Set(decisions.map(each => each.user_id))).toEqual(new Set(waiting.map(who => `discord:${who}`)))
    for (const { reason, rule, wait } of decisions) {
      expect([reason, rule]).toEqual(['pacing', 14])
      expect(wait).toBeGreaterThanOrEqual(60)
      expect(wait).toBeLessThanOrEqual(120)
    }
    await test.pass('3h')
    expect(told()).toHaveLength(8)
  })

  it('forty in a day', async () => {
    await begin()
    for (let n = 0; n < 45; n += 1) await talk(`Person${n}`)
    await test.pass('48h 1m')
    await test.pass('23h')
    expect(told()).toHaveLength(40)
    await test.pass('24h')
    expect(told()).toHaveLength(45)
  })

  it('one that was opened for somebody once is known from then on', async () => {
    await begin()
    await talk('Ada')
    await test.pass('49h')
    expect(await test.rows('select private_conversation_id as known from user_profiles')).toEqual([
      { known: 'discord:of-Ada' },
    ])
    expect(await test.rows('select channel_opened_at is not null as opened from follow_up_history')).toEqual([
      { opened: true },
    ])
    const person = { platform: 'discord', conversationId: 'discord:hall', userId: 'discord:ada' } as const
    for (const text of ['it went well', 'I played the swan', 'my mother cried'])
      await test.app.chat.handle({ ...person, displayName: 'Ada', messageId: text, isAdmin: false, text })
    await test.pass('20d')
    expect(platform.asked.at(-1)).toMatchObject({
      conversationId: 'discord:hall',
      privateConversationId: 'discord:of-Ada',
    })
    expect(
      await test.rows('select channel_opened_at is not null as opened from follow_up_history order by id'),
    ).toEqual([{ opened: true }, { opened: false }])
  })

  it('the platform says "too fast": no new ones for an hour, then two, and those there are go on', async () => {
    await begin()
    await talk('Ada')
    const tooFast = { do: 'refuse', failure: 'no_new', code: 'opening_dms_too_fast' } as const
    platform.faults.push(tooFast)
    await test.pass('48h 1m')
    expect(told()).toEqual([])
    const resting = async () => {
      const [control] = await activeControls(test.database, test.clock.now().toISOString())
      return control?.until && (control.until.getTime() - control.setAt.getTime()) / HOUR_MS
    }
    expect(await activeControls(test.database, test.clock.now().toISOString())).toMatchObject([
      { name: 'new_channels', reason: 'opening_dms_too_fast', setBy: 'discord' },
    ])
    expect(await resting()).toBe(1)
    expect((await test.say('Admin', '!job_status', { admin: true })).text).toContain('opening_dms_too_fast')
    await talk('Zoe', { isPrivate: true })
    platform.faults.push(tooFast)
    await test.pass('1h 1m')
    expect(await resting()).toBe(2)
    await talk('Cy')
    await test.app.scheduleFollowUpMessage({ userId: 'discord:cy', delayHours: 0.001 })
    await test.pass('1h')
    expect((await deferred()).map(each => [each.user_id, each.reason])).toContainEqual(['discord:cy', 'breaker_open'])
    await test.pass('2h 1m')
    expect(told().toSorted()).toEqual(['ada', 'cy'])
    await test.pass('46h')
    expect(told()).toContain('zoe')
  })
})

describe('two processes', () => {
  it('do not open more than five together', async () => {
    const platform = new ScriptedPlatform()
    const test = await createTestApp('PostgreSQL', SETTINGS, { platforms: [platform] })
    const other = await test.another()
    for (let n = 0; n < 12; n += 1) {
      const person = { platform: 'discord', conversationId: `discord:${n}`, userId: `discord:p${n}` } as const
      for (const text of ['hi', 'I play the cello', 'my recital is on Friday'])
        await test.app.chat.handle({ ...person, displayName: 'P', messageId: `${n} ${text}`, isAdmin: false, text })
    }
    test.clock.advance('48h 1s')
    await Promise.all([test.app.scheduler?.runDueJobs(), other.scheduler?.runDueJobs()])
    expect(platform.journal).toHaveLength(5)
    await test.close()
  })
})

describe('how long no channel is opened to anybody new', () => {
  it.each<[string, { lastedMs: number; endedAgoMs: number } | undefined, number | undefined]>([
    ['the first time', undefined, 1],
    ['while it holds already', { lastedMs: HOUR_MS, endedAgoMs: -1 }, undefined],
    ['again at once', { lastedMs: HOUR_MS, endedAgoMs: 0 }, 2],
    ['again within the day', { lastedMs: 2 * HOUR_MS, endedAgoMs: 24 * HOUR_MS - 1 }, 4],
    ['never above a day', { lastedMs: 16 * HOUR_MS, endedAgoMs: 1 }, 24],
    ['a day, again', { lastedMs: 24 * HOUR_MS, endedAgoMs: 1 }, 24],
    ['after a day of quiet', { lastedMs: 8 * HOUR_MS, endedAgoMs: 24 * HOUR_MS }, 1],
  ])('%s', (_, last, hours) => {
    expect(restFromOpeningMs(last)).toBe(hours === undefined ? undefined : hours * HOUR_MS)
  })
})
