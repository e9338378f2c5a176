import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProgram, type Program } from '../../../../test-support/child-process.ts'
import { createTestDatabase, type TestDatabase } from '../../../../test-support/test-database.ts'
import { until } from '../../../../test-support/until.ts'
import { FakeDiscord } from '../support/fake-discord/fake-discord.ts'
import { startFakeLlm, type FakeLlm } from '../support/fake-llm.ts'
import type { FakeChannel, FakeUser } from '../support/fake-discord/world.ts'

/** Follow-ups that somebody asked for. */
const MANUAL = "select from scheduled_jobs where job_type = 'follow_up_message' and payload->>'automatic' = 'false'"
const CREATE = 'POST /channels/:channel/messages'

let database: TestDatabase
let fake: FakeDiscord
let ada: FakeUser
let channel: FakeChannel
let dm: FakeChannel
let bots: Program[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  fake = await FakeDiscord.start()
  const made = fake.guild()
  channel = made.channel
  ada = fake.person('ada', made.guild)
  dm = fake.world.dmWith(ada.id)
})
afterEach(async () => {
  await killAll()
  await fake.stop()
  await database.drop()
})

const rows = async <Row>(sql: string) => (await database.pool.query(sql)).rows as Row[]
const followUps = () => fake.journal.filter(each => each.customIds.some(id => id.startsWith('fu:')))

async function killAll(): Promise<void> {
  for (const bot of bots) bot.kill('SIGKILL')
  await Promise.all(bots.map(bot => bot.exited))
  bots = []
}

async function start(env: Record<string, string> = {}): Promise<Program> {
  const bot = startProgram('packages/bot/dist/main.js', {
    cwd: '/',
    env: {
      DISCORD_TOKEN: fake.application.token,
      DISCORD_API_BASE_URL: fake.apiUrl,
      DATABASE_URL: database.url,
      ADMIN_USER_IDS: ada.id,
      PORT: '0',
      LOG_LEVEL: 'info',
      FOLLOW_UP_QUIET_HOURS: 'off',
      FOLLOW_UP_CONSENT: 'opt_out',
      ...env,
    },
  })
  bots.push(bot)
  await until('it is connected', async () => bot.stderr().includes('discord_connected'))
  return bot
}

async function answered(text: string, where = dm): Promise<string> {
  const already = fake.sentTo(where).length
  fake.say(ada, where, text)
  return until(`an answer to ${text}`, async () => fake.sentTo(where)[already])
}

describe('two processes with one token and one database', () => {
  it('answer a message once, do a command once, answer an interaction once, and follow up once', async () => {
    const env = { FOLLOW_UP_DEFAULT_DELAY_HOURS: '0.0006' }
    await start(env)
    await start(env)
    for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']) await answered(text)
    await until('a follow-up', async () => followUps().length > 0)
    expect(await answered(`!schedule_followup discord:${ada.id} 24`)).toContain('Job ID')
    expect(await answered('!job_status', channel)).toContain('Job Scheduler Status')
    const slash = fake.interactions.use({ userId: ada.id, channelId: channel.id, name: 'help' })
    expect((await slash.answered).content).toContain('followup_settings')
    // Both have heard everything before the last answer came; what either of them still says would be before these.
    for (const text of ['thank you', 'good night']) await answered(text)
    expect(followUps()).toHaveLength(1)
    expect(slash.answers).toHaveLength(1)
    expect(await rows(MANUAL)).toHaveLength(1)
    const nonces = fake.journal.map(each => each.nonce)
    expect(new Set(nonces).size).toBe(nonces.length)
    const asked = await rows<{ n: number }>(
      `select count(*)::int as n from conversation_turns where author = 'user' group by message_id`,
    )
    expect(asked.every(({ n }) => n === 1)).toBe(true)
    const answers = await rows<{ n: number }>(
      'select count(*)::int as n from conversation_turns where answers is not null group by answers',
    )
    expect(answers.every(({ n }) => n === 1)).toBe(true)
    const said = fake.journal.filter(each => !each.customIds.some(id => id.startsWith('fu:')))
    expect(said).toHaveLength(asked.length - 1)
  })
})

describe('a process that is killed with -9 before its answer is there', () => {
  let llm: FakeLlm
  beforeEach(async () => {
    llm = await startFakeLlm({ kind: 'hang' })
  })
  afterEach(() => llm.close())

  /** What some minutes would bring: a process that lives would have answered by now. */
  const minutesPass = (minutes: number) =>
    database.pool.query(
      `update conversation_turns set sent_at = sent_at - interval '${minutes} minutes',
         taken_at = taken_at - interval '${minutes} minutes'`,
    )
  const settled = () =>
    until('nothing is left', async () => {
      const left = "select from conversation_turns where author = 'user' and settled_at is null"
      return (await rows(left)).length === 0
    })
  /** Ada says something, and the process dies while its answer is on the way to Discord. */
  async function dieWhileSaying(text: string, when: 'before' | 'after'): Promise<void> {
    const bot = await start()
    fake.faults.add(CREATE, { kind: 'hang', when })
    const before = fake.requests.filter(each => each.route === CREATE).length
    fake.say(ada, dm, text)
    await until('it is under way', async () => fake.requests.filter(each => each.route === CREATE).length > before)
    bot.kill('SIGKILL')
    await bot.exited
  }

  it('after the message was recorded: it is answered later, once, under the same nonce', async () => {
    const bot = await start({ LLM_BASE_URL: llm.baseUrl, LLM_MODEL: 'test' })
    const asked = fake.say(ada, dm, 'hi, I am Ada')
    await llm.arrived(1)
    bot.kill('SIGKILL')
    await bot.exited
    // Somebody else may be writing it this moment: nobody can tell yet.
    await start()
    await answered('!help', channel)
    expect(fake.sentTo(dm)).toEqual([])
    await killAll()
    await minutesPass(4)
    await start()
    await settled()
    expect(fake.journal.filter(each => each.channelId === dm.id)).toMatchObject([{ nonce: `a${asked.id}.0` }])
    await killAll()
    await minutesPass(4)
    await start()
    await answered('are you there?')
    expect(fake.sentTo(dm)).toHaveLength(2)
  })

  it('with an embedded database: it is answered at once, for nobody else can be at it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'belfry-left-'))
    const env = { DATABASE_URL: '', BELFRY_DATA_DIR: folder }
    const bot = await start({ ...env, LLM_BASE_URL: llm.baseUrl, LLM_MODEL: 'test' })
    const asked = fake.say(ada, dm, 'hi, I am Ada')
    await llm.arrived(1)
    bot.kill('SIGKILL')
    await bot.exited
    await start(env)
    await until('it is answered', async () => fake.sentTo(dm).length === 1)
    await answered('are you there?')
    expect(fake.journal.map(each => each.nonce)).toMatchObject([`a${asked.id}.0`, expect.anything()])
    await killAll()
    await rm(folder, { recursive: true, force: true })
  })

  it('before Discord took the answer: the same answer goes out later', async () => {
    await dieWhileSaying('hi, I am Ada', 'before')
    const [{ text }] = (await rows("select text from conversation_turns where author = 'bot'")) as [{ text: string }]
    await minutesPass(4)
    await start()
    await settled()
    expect(fake.sentTo(dm)).toEqual([text])
  })

  it('after Discord took the answer: it is seen there, and nothing is said again', async () => {
    await dieWhileSaying('hi, I am Ada', 'after')
    fake.nonces.windowMs = 0
    await minutesPass(4)
    await start()
    await settled()
    expect(fake.sentTo(dm)).toHaveLength(1)
  })

  it('too long ago: it stays unanswered', async () => {
    await dieWhileSaying('hi, I am Ada', 'before')
    await minutesPass(16)
    await start()
    await answered('!help', channel)
    expect(fake.sentTo(dm)).toEqual([])
  })

  it('in the middle of a command: it is not done again, and whoever asked is told', async () => {
    await start()
    await answered('hi, I am Ada')
    await killAll()
    await dieWhileSaying(`!schedule_followup discord:${ada.id} 24`, 'before')
    await database.pool.query("delete from conversation_turns where author = 'bot'")
    await minutesPass(4)
    await start()
    await settled()
    expect(fake.sentTo(dm).at(-1)).toContain('I was interrupted')
    expect(await rows(MANUAL)).toHaveLength(1)
  })
})
