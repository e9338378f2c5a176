import { Scheduler } from 'belfry'
import { fromPool, fromPostgresJs, type Database } from 'belfry/database'
import { Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'

const KEYS = 1_000
const ROUNDS = 8

describe('several processes on PostgreSQL', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await createTestDatabase(20)
  })
  afterAll(() => test.drop())

  it('that want the same keys in opposite order all get an answer, one by one and in bulk', async () => {
    const make = () => new Scheduler({ database: fromPool(test.pool) })
    const [one, other] = [make(), make()]
    await one.migrate()
    for (let round = 0; round < ROUNDS; round += 1) {
      const jobs = Array.from({ length: KEYS }, (_, index) => ({
        job: 'keyed',
        delay: '1h' as const,
        uniqueKey: `round ${round}, ${index}`,
      }))
      const backwards = jobs.toReversed()
      const singly = (scheduler: Scheduler, list: typeof jobs) =>
        Promise.all(list.map(({ job, ...options }) => scheduler.scheduleJob(job, options)))
      const isSingle = round % 2 === 0
      const [first, second] = await Promise.all([
        isSingle ? singly(one, jobs) : one.scheduleJobs(jobs),
        isSingle ? singly(other, backwards) : other.scheduleJobs(backwards),
      ])
      expect(second.toReversed().map(each => each.jobId)).toEqual(first.map(each => each.jobId))
    }
    expect((await one.getStats()).counts.pending).toBe(KEYS * ROUNDS)
  })

  it('whose connections repeat their reads see in a transaction what others have committed all the same', async () => {
    const setting = 'default_transaction_isolation'
    const pool = new Pool({ connectionString: test.url, options: `-c ${setting}=repeatable\\ read` })
    const sql = postgres(test.url, { connection: { [setting]: 'repeatable read' }, onnotice: () => {} })
    const levelOf = async (database: Database) =>
      database.transaction(async transaction => {
        const [row] = (
          await transaction.query<{ level: string }>(`select current_setting('transaction_isolation') as level`)
        ).rows
        return row?.level
      })
    try {
      expect(await levelOf(fromPool(pool))).toBe('read committed')
      expect(await levelOf(fromPostgresJs(sql))).toBe('read committed')
    } finally {
      await pool.end()
      await sql.end()
    }
  })
})
