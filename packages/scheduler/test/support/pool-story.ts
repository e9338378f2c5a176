import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { Pool, type PoolConfig } from 'pg'
import type { TestContext } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../../test-support/test-database.ts'
import { Journal } from './journal.ts'

/** Of the story's tables. */
export const SCHEMA = 'story'

/** Schedulers over pools of their own on one database, and a journal of what they do. */
export interface PoolStory {
  readonly test: TestDatabase
  readonly journal: Journal
  /** A started scheduler with handlers for `quick` and `second try`, over a pool of its own. */
  readonly start: (options?: PoolConfig) => Promise<Scheduler>
  readonly make: (options?: PoolConfig) => { scheduler: Scheduler; pool: Pool }
  readonly faults: () => Promise<string[]>
}

/** A database with the tables in it; nothing runs yet. */
export async function beginPoolStory(context: TestContext): Promise<PoolStory> {
  const test = await createTestDatabase(4)
  context.onTestFinished(() => test.drop())
  const journal = new Journal()
  const make = (options: PoolConfig = {}) => {
    const pool = new Pool({ connectionString: test.url, max: 5, ...options })
    const scheduler = new Scheduler({ database: fromPool(pool), schema: SCHEMA, lease: '1s', pollInterval: '1s' })
    context.onTestFinished(async () => {
      await scheduler.stop()
      await pool.end()
    })
    journal.follow(scheduler)
    scheduler.registerHandler('quick', () => {})
    scheduler.registerHandler('with result', () => 'done')
    return { scheduler, pool }
  }
  await new Scheduler({ database: fromPool(test.pool), schema: SCHEMA }).migrate()
  return {
    test,
    journal,
    make,
    start: async options => {
      const { scheduler } = make(options)
      await scheduler.start()
      return scheduler
    },
    faults: async () => {
      await journal.whenOver(test.pool, SCHEMA)
      return journal.faults(test.pool, SCHEMA)
    },
  }
}
