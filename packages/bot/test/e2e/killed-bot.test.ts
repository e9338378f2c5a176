import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PoolClient } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProgram, type Program } from '../../../../test-support/child-process.ts'
import { createTestDatabase, type TestDatabase } from '../../../../test-support/test-database.ts'
import { until } from '../../../../test-support/until.ts'

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>(done => (resolve = done))
  return { promise, resolve }
}

/** One second of silence, so that the story is short. */
const SETTINGS = { FOLLOW_UP_DEFAULT_DELAY_HOURS: '0.0003', FOLLOW_UP_QUIET_HOURS: 'off', PORT: '0' }

describe('a bot that is killed with -9 at any moment of a follow-up', () => {
  let database: TestDatabase
  let folder: string
  let bots: Program[] = []

  beforeEach(async () => {
    database = await createTestDatabase()
    folder = await mkdtemp(join(tmpdir(), 'belfry-killed-'))
  })
  afterEach(async () => {
    for (const bot of bots) bot.kill('SIGKILL')
    await Promise.all(bots.map(bot => bot.exited))
    bots = []
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  })

  const rows = async <Row>(sql: string) => (await database.pool.query(sql)).rows as Row[]
  const found = async (sql: string) => (await rows(sql)).length > 0

  async function startBot(env: Record<string, string> = {}): Promise<string> {
    const bot = startProgram('packages/bot/dist/main.js', {
      cwd: folder,
      env: { ...SETTINGS, ...env, DATABASE_URL: database.url },
    })
    bots.push(bot)
    return (await bot.shows(/open\s+(http:\S+)/))[1] ?? ''
  }

  async function kill(): Promise<void> {
    const bot = bots.at(-1)
    bot?.kill('SIGKILL')
    await bot?.exited
    // What half a minute would bring: the dead runner's lease is over.
    await database.pool.query("update belfry_runners set lease_until = '-infinity'")
  }

  /** The same three messages, with the same ids however often they are sent. */
  async function talk(url: string): Promise<void> {
    for (const [index, text] of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday'].entries()) {
      const response = await fetch(`${url}/api/chat/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie: 'belfry_user=ada-0123456789abcdef' },
        body: JSON.stringify({ text, messageId: `message-${index}`, displayName: 'Ada' }),
      })
      expect(response.status).toBe(202)
    }
  }

  async function expectExactlyOneFollowUp(): Promise<void> {
    await until('the follow-up job has ended', () =>
      found("select from scheduled_jobs where job_type = 'follow_up_message' and status = 'completed'"),
    )
    const sent = await rows<{ text: string }>("select text from conversation_turns where kind = 'follow_up'")
    expect(sent).toEqual([{ text: expect.stringContaining('recital') }])
    expect(await rows('select state, response_received from follow_up_history')).toEqual([
      { state: 'sent', response_received: false },
    ])
    expect(await rows('select unanswered_follow_ups as n from user_profiles')).toEqual([{ n: 1 }])
    expect(await rows("select from scheduled_jobs_live where job_type = 'follow_up_message'")).toEqual([])
  }

  /** Holds the bot at a point of its story by a lock it has to wait for, kills it there, and lets a new one go on. */
  async function killedWhileWaitingFor(lock: string): Promise<void> {
    const url = await startBot()
    const holder = await database.pool.connect()
    try {
      await talk(url)
      await holder.query('begin')
      await holder.query(lock)
      await untilBotWaits()
      await kill()
    } finally {
      await end(holder)
    }
    await startBot()
    await expectExactlyOneFollowUp()
  }

  function untilBotWaits(): Promise<boolean> {
    const waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return until('the bot waits for the lock', () => found(waiting))
  }

  async function expectThreeReplies(): Promise<void> {
    const replies = await rows(
      "select count(*)::int as n from conversation_turns where author = 'bot' and kind = 'chat'",
    )
    expect(replies).toEqual([{ n: 3 }])
  }

  async function end(holder: PoolClient): Promise<void> {
    await holder.query('rollback')
    holder.release()
  }

  it('while what was said is being recorded', async () => {
    const url = await startBot()
    const holder = await database.pool.connect()
    try {
      await holder.query('begin')
      await holder.query('lock table user_profiles in share mode')
      const talking = talk(url).catch(() => 'cut off')
      await untilBotWaits()
      await kill()
      expect(await talking).toBe('cut off')
    } finally {
      await end(holder)
    }
    await talk(await startBot())
    await expectThreeReplies()
    await expectExactlyOneFollowUp()
  })

  it('between what was said and the answer', async () => {
    // A language model that thinks for ever.
    const asked = deferred()
    const model = createServer(() => asked.resolve())
    await new Promise<void>(resolve => model.listen(0, '127.0.0.1', resolve))
    const { port } = model.address() as AddressInfo
    const url = await startBot({ LLM_BASE_URL: `http://127.0.0.1:${port}/v1`, LLM_MODEL: 'thinker' })
    const talking = talk(url).catch(() => 'cut off')
    await asked.promise
    await kill()
    expect(await talking).toBe('cut off')
    model.closeAllConnections()
    model.close()
    await talk(await startBot())
    await expectThreeReplies()
    await expectExactlyOneFollowUp()
  })

  it('while the follow-up is planned and not due', async () => {
    await talk(await startBot())
    await kill()
    await startBot()
    await expectExactlyOneFollowUp()
  })

  it('while the gates are asked', () =>
    killedWhileWaitingFor('lock table follow_up_decisions in access exclusive mode'))

  it('between the written text and its storing', () =>
    killedWhileWaitingFor('lock table follow_up_history in share mode'))

  it('while it is being sent', () => killedWhileWaitingFor('lock table conversation_turns in share mode'))

  it('after it was sent and before the job is settled', () =>
    killedWhileWaitingFor('lock table scheduled_jobs_finished in access exclusive mode'))
})
