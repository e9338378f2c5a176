import { defineJob, Scheduler, type SchedulerOptions } from 'belfry'
import { fromPool, type Database } from 'belfry/database'
import { Pool, type PoolConfig } from 'pg'
import type { TestContext } from 'vitest'
import { startPostgresProxy, type PostgresProxy } from '../../../../test-support/postgres-proxy.ts'
import { createTestDatabase } from '../../../../test-support/test-database.ts'
import { Journal } from './journal.ts'

/** A program whose way to its database can be made to fail, and an observer whose way does not. */
export interface NetworkStory {
  readonly proxy: PostgresProxy
  /** Through the proxy, with handlers for `quick`, `telling` (returns a value) and `second try`; not started. */
  readonly scheduler: Scheduler
  /** The scheduler's own. */
  readonly pool: Pool
  readonly journal: Journal
  /** Straight to the server. */
  readonly direct: Pool
  readonly database: Database
  readonly schema: string
  /** Waits until every job is over, then answers everything in which journal and tables disagree. */
  readonly faults: (withinMs?: number) => Promise<string[]>
  /** Ends what the story began; called by itself when the test is over. */
  readonly end: () => Promise<void>
}

interface Setting {
  readonly options?: Partial<SchedulerOptions>
  readonly pool?: PoolConfig
}

/** A database with a schema in it, a proxy in front of it, and a scheduler that goes through the proxy. */
export async function beginNetworkStory(context: TestContext, setting: Setting = {}): Promise<NetworkStory> {
  const test = await createTestDatabase(4)
  context.onTestFinished(() => test.drop())
  const direct = fromPool(test.pool)
  return joinNetworkStory(context, { ...setting, url: test.url, direct: test.pool, database: direct, schema: 'story' })
}

/** As `beginNetworkStory`, in a schema of a database that is there already. */
export async function joinNetworkStory(
  context: TestContext,
  place: Setting & { url: string; direct: Pool; database: Database; schema: string },
): Promise<NetworkStory> {
  const { direct, database, schema } = place
  await new Scheduler({ database, schema }).migrate()
  const proxy = await startPostgresProxy(place.url)
  const pool = new Pool({ connectionString: proxy.url, max: 5, ...place.pool })
  const scheduler = new Scheduler({
    database: fromPool(pool),
    schema,
    lease: '1s',
    gracePeriod: 0,
    jobs: [defineJob({ type: 'second try', backoff: { initial: 20, jitter: 0 } })],
    ...place.options,
  })
  const journal = new Journal()
  journal.follow(scheduler)
  scheduler.registerHandler('quick', () => {})
  scheduler.registerHandler('telling', () => 'told')
  scheduler.registerHandler('second try', (_payload, { attempt }) => {
    if (attempt === 1) throw new Error('not yet')
  })
  let ended: Promise<void> | undefined
  const end = async () => {
    proxy.heal()
    proxy.refuse(false)
    proxy.reset()
    await scheduler.stop()
    await pool.end()
    await proxy.close()
  }
  context.onTestFinished(() => (ended ??= end()))
  return {
    proxy,
    scheduler,
    pool,
    journal,
    direct,
    database,
    schema,
    faults: async withinMs => {
      await journal.whenOver(direct, schema, withinMs)
      return journal.faults(direct, schema)
    },
    end: () => (ended ??= end()),
  }
}
