import { silentLogger, systemClock } from 'belfry'
import { fromPool } from 'belfry/database'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProgram, type Program } from '../../../../test-support/child-process.ts'
import { createTestDatabase, type TestDatabase } from '../../../../test-support/test-database.ts'
import { until } from '../../../../test-support/until.ts'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { ScriptedPlatform, servePlatform } from '../support/scripted-platform.ts'

/** One second of silence, so that the story is short. */
const SETTINGS = {
  FOLLOW_UP_DEFAULT_DELAY_HOURS: '0.0003',
  FOLLOW_UP_QUIET_HOURS: 'off',
  FOLLOW_UP_CONSENT: 'opt_out',
  LOG_LEVEL: 'silent',
}
const NONCE_WINDOW_MS = 90_000

describe('a bot that is killed with -9 while a platform is asked to send a follow-up', () => {
  let database: TestDatabase
  let platform: ScriptedPlatform
  let server: Awaited<ReturnType<typeof servePlatform>>
  let bots: Program[] = []

  beforeEach(async () => {
    database = await createTestDatabase()
    platform = new ScriptedPlatform({ nonceWindowMs: NONCE_WINDOW_MS })
    server = await servePlatform(platform)
    await talk()
  })
  afterEach(async () => {
    for (const bot of bots) bot.kill('SIGKILL')
    await Promise.all(bots.map(bot => bot.exited))
    bots = []
    await server.close()
    await database.drop()
  })

  const rows = async <Row>(sql: string) => (await database.pool.query(sql)).rows as Row[]

  /** Ada talks to a bot that runs no jobs. */
  async function talk(): Promise<void> {
    const app = createApp({
      config: readConfig(SETTINGS),
      database: fromPool(database.pool),
      clock: systemClock,
      logger: silentLogger,
    })
    await app.prepare()
    const ada = { platform: 'discord', conversationId: 'dm-1', userId: 'discord:ada', displayName: 'Ada' } as const
    for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']) {
      await app.chat.handle({ ...ada, messageId: text, isAdmin: false, text })
    }
  }

  async function startBot(): Promise<Program> {
    const bot = startProgram('packages/bot/test/support/remote-bot.mjs', {
      cwd: '/',
      args: [server.url, String(NONCE_WINDOW_MS)],
      env: { ...SETTINGS, DATABASE_URL: database.url },
    })
    bots.push(bot)
    await bot.shows(/up/)
    return bot
  }

  async function kill(bot: Program): Promise<void> {
    bot.kill('SIGKILL')
    await bot.exited
    await leaseIsOver()
  }

  /** What half a minute would bring: the lease of a runner that says nothing is over. */
  function leaseIsOver() {
    return database.pool.query("update belfry_runners set lease_until = '-infinity'")
  }

  /** The platform forgets nonces, and what was said and tried was long ago. */
  async function aQuarterOfAnHourPasses(): Promise<void> {
    platform.forgetNonces()
    await database.pool.query("update follow_up_history set attempted_at = attempted_at - interval '15 minutes'")
    await database.pool.query("update user_profiles set last_active_at = last_active_at - interval '15 minutes'")
  }

  async function expectExactlyOne(): Promise<void> {
    await until('the follow-up job has ended', async () => {
      const ended = "select from scheduled_jobs where job_type = 'follow_up_message' and status = 'completed'"
      return (await rows(ended)).length > 0
    })
    expect(platform.journal).toHaveLength(1)
    expect(await rows('select state, platform_message_id as id from follow_up_history')).toEqual([
      { state: 'sent', id: 'm-1' },
    ])
    expect(await rows("select text from conversation_turns where kind = 'follow_up'")).toEqual([
      { text: platform.journal[0]?.text },
    ])
    expect(await rows('select unanswered_follow_ups as n from user_profiles')).toEqual([{ n: 1 }])
  }

  /** The bot is killed there; the other bot has to find out what became of the message. */
  const crashes = {
    'before the message arrives': async () => {
      const hold = platform.hold('before')
      platform.faults.push({ do: 'cut' })
      const bot = await startBot()
      await hold.reached
      await kill(bot)
      hold.release()
      expect(platform.journal).toHaveLength(0)
    },
    'after it was accepted and before the answer': async () => {
      const hold = platform.hold('after')
      const bot = await startBot()
      await hold.reached
      await kill(bot)
      hold.release()
      expect(platform.journal).toHaveLength(1)
    },
    'after the answer and before it is kept': async () => {
      const hold = platform.hold('after')
      const bot = await startBot()
      await hold.reached
      const holder = await database.pool.connect()
      try {
        await holder.query('begin')
        await holder.query('lock table conversation_turns in share mode')
        hold.release()
        await until('the bot waits for the lock', async () => {
          const waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
          return (await rows(waiting)).length > 0
        })
        await kill(bot)
      } finally {
        await holder.query('rollback')
        holder.release()
      }
      expect(platform.journal).toHaveLength(1)
    },
  }

  for (const [point, crash] of Object.entries(crashes)) {
    it(`${point}, and comes back soon`, async () => {
      await crash()
      await startBot()
      await expectExactlyOne()
      expect(platform.looked).toEqual([])
    })

    it(`${point}, and comes back when nonces are forgotten`, async () => {
      await crash()
      await aQuarterOfAnHourPasses()
      await startBot()
      await expectExactlyOne()
      expect(platform.looked).toHaveLength(1)
    })
  }

  it('a bot that is frozen while its message is under way, and wakes when another has sent it', async () => {
    const hold = platform.hold('before')
    const frozen = await startBot()
    await hold.reached
    frozen.kill('SIGSTOP')
    await leaseIsOver()
    await startBot()
    await expectExactlyOne()
    hold.release()
    frozen.kill('SIGCONT')
    await until('the frozen one has its answer', () => Promise.resolve(platform.answered === 2))
    await expectExactlyOne()
  })
})
