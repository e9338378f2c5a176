import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProgram, type Program } from '../../../../test-support/child-process.ts'
import { createTestDatabase, type TestDatabase } from '../../../../test-support/test-database.ts'
import { until } from '../../../../test-support/until.ts'
import { FakeDiscord, type Fault } from '../support/fake-discord/fake-discord.ts'
import type { FakeChannel, FakeUser } from '../support/fake-discord/world.ts'

const CREATE = 'POST /channels/:channel/messages'

describe('a follow-up on Discord, by the program itself', () => {
  let database: TestDatabase
  let fake: FakeDiscord
  let ada: FakeUser
  let dm: FakeChannel
  let bots: Program[] = []

  beforeEach(async () => {
    database = await createTestDatabase()
    fake = await FakeDiscord.start()
    ada = fake.person('ada', fake.guild().guild)
    dm = fake.world.dmWith(ada.id)
  })
  afterEach(async () => {
    for (const bot of bots) bot.kill('SIGKILL')
    await Promise.all(bots.map(bot => bot.exited))
    bots = []
    await fake.stop()
    await database.drop()
  })

  const rows = async <Row>(sql: string) => (await database.pool.query(sql)).rows as Row[]

  /** A second of silence, so that the story is short. */
  async function start(env: Record<string, string> = {}): Promise<Program> {
    const { identifies } = fake.gateway
    const bot = startProgram('packages/bot/dist/main.js', {
      cwd: '/',
      env: {
        DISCORD_TOKEN: fake.application.token,
        DISCORD_API_BASE_URL: fake.apiUrl,
        DATABASE_URL: database.url,
        PORT: '0',
        FOLLOW_UP_DEFAULT_DELAY_HOURS: '0.0006',
        FOLLOW_UP_QUIET_HOURS: 'off',
        FOLLOW_UP_CONSENT: 'opt_out',
        ...env,
      },
    })
    bots.push(bot)
    await bot.shows(/open\s+http/)
    await until('it is logged in', async () => fake.gateway.identifies > identifies)
    return bot
  }

  async function talk(texts = ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']): Promise<void> {
    for (const text of texts) {
      const already = fake.sentTo(dm).length
      fake.say(ada, dm, text)
      await until('an answer', async () => fake.sentTo(dm).length > already)
    }
  }

  const followUps = () => fake.journal.filter(each => each.customIds.some(id => id.startsWith('fu:')))
  const settled = () =>
    until('it is known to be sent', async () => {
      const sent = await rows<{ id: string }>(
        "select platform_message_id as id from follow_up_history where state = 'sent'",
      )
      return sent.length === 1 && sent[0]
    })

  it('comes into direct messages with buttons that work after a restart', async () => {
    await start()
    await talk()
    await settled()
    const [sent] = followUps()
    expect(sent).toMatchObject({ channelId: dm.id, content: expect.stringContaining('recital'), pings: [] })
    bots[0]?.kill('SIGKILL')
    await bots[0]?.exited
    await start()
    const customId = sent?.customIds.find(id => id.startsWith('fu:stop:')) ?? ''
    const press = fake.interactions.press({ userId: ada.id, messageId: sent?.messageId ?? '', customId })
    expect(await press.answered).toMatchObject({
      ephemeral: true,
      content: expect.stringContaining('Follow-ups are off'),
    })
    const stranger = fake.person('bo', ...fake.world.guilds.values())
    const other = fake.interactions.press({ userId: stranger.id, messageId: sent?.messageId ?? '', customId })
    expect((await other.answered).content).toContain('no message I sent to you')
    expect(await rows("select user_id from consent_events where kind = 'revoked'")).toEqual([
      { user_id: `discord:${ada.id}` },
    ])
  })

  it.each<[string, Fault, number]>([
    ['before Discord took it', { kind: 'hang', when: 'before' }, 0],
    ['after Discord took it and before the answer', { kind: 'hang' }, 1],
  ])('is there once when the program is killed %s', async (_, fault, there) => {
    const bot = await start()
    await talk()
    const before = fake.requests.filter(each => each.route === CREATE).length
    fake.faults.add(CREATE, fault)
    await until(
      'the message is under way',
      async () => fake.requests.filter(each => each.route === CREATE).length > before,
    )
    bot.kill('SIGKILL')
    await bot.exited
    expect(followUps()).toHaveLength(there)
    await database.pool.query("update belfry_runners set lease_until = '-infinity'")
    await start()
    await settled()
    expect(followUps()).toHaveLength(1)
  })

  it('is there once when the answer is lost, and known by the gateway', async () => {
    await start()
    await talk()
    fake.faults.add(CREATE, { kind: 'cut', when: 'after' })
    expect((await settled()).id).toBe(followUps()[0]?.messageId)
    expect(followUps()).toHaveLength(1)
  })

  it('is not sent to somebody whose "stop" was lost on the way: it is looked for first', async () => {
    await start()
    await talk()
    fake.gateway.lose('MESSAGE_CREATE')
    fake.say(ada, dm, 'stop')
    await until('the stop is answered', async () => fake.sentTo(dm).some(text => text.includes('Follow-ups are off')))
    await until('the job has ended', async () => {
      const [job] = await rows<{ status: string }>(
        "select status from scheduled_jobs where job_type = 'follow_up_message' order by created_at desc",
      )
      return job?.status === 'cancelled' || job?.status === 'completed'
    })
    expect(followUps()).toEqual([])
  })

  it('is never tried again where direct messages are closed', async () => {
    await start()
    await talk()
    ada.dmsClosed = true
    await until('it is suppressed', async () => {
      const [profile] = await rows<{ suppressed: string | null }>('select suppressed from user_profiles')
      return profile?.suppressed === 'dm_closed'
    })
    expect(followUps()).toEqual([])
  })

  it('is not sent to somebody who has not said yes; the bot asks once, after a good talk, and takes the answer', async () => {
    await start({ FOLLOW_UP_CONSENT: 'auto' })
    await talk(['hi, I am Ada', 'I play the cello', 'my recital is on Friday', 'I am nervous', 'it is my first'])
    const asked = await until('the question', async () =>
      fake.journal.find(each => each.customIds.some(id => id.startsWith('consent:'))),
    )
    expect(followUps()).toEqual([])
    const yes = asked.customIds.find(id => id.startsWith('consent:yes')) ?? ''
    await fake.interactions.press({ userId: ada.id, messageId: asked.messageId, customId: yes }).answered
    await talk(['thank you, let us see'])
    await settled()
    expect(followUps()).toHaveLength(1)
    expect(await rows('select kind, source from consent_events')).toEqual([{ kind: 'granted', source: 'button' }])
  })
})
