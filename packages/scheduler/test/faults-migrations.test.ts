import { randomUUID } from 'node:crypto'
import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import type { Pool } from 'pg'
import { describe, expect, it, type TestContext } from 'vitest'
import { startProgram } from '../../../test-support/child-process.ts'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { statementsOfEarlierRelease } from './support/earlier-release.ts'

const PROGRAM = 'packages/scheduler/test/support/migrating-process.mjs'
const SCHEMA = 'story'

async function begin(context: TestContext) {
  const test = await createTestDatabase()
  context.onTestFinished(() => test.drop())
  const program = (...args: string[]) => startProgram(PROGRAM, { args, cwd: '/', env: { DATABASE_URL: test.url } })
  const database = fromPool(test.pool)
  return { pool: test.pool, program, database, scheduler: new Scheduler({ database, schema: SCHEMA }) }
}

/** Everything the schema consists of, as text. */
async function anatomy(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ part: string }>(
    `select format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) as part
     from information_schema.columns where table_schema = $1
     union all select indexdef from pg_indexes where schemaname = $1
     union all select pg_get_functiondef(p.oid) from pg_proc p where pronamespace = to_regnamespace($1)
     union all select pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
       where c.relnamespace = to_regnamespace($1)
     union all select format('%s %s %s', relkind, relname, reloptions) from pg_class
       where relnamespace = to_regnamespace($1)`,
    [SCHEMA],
  )
  return rows.map(row => row.part).toSorted()
}

describe.concurrent('many processes that start at once on an empty database', () => {
  it('migrate it once: every step is applied by exactly one of them', async context => {
    const { pool, program, scheduler } = await begin(context)
    const programs = Array.from({ length: 5 }, () => program())
    const ends = await Promise.all(programs.map(each => each.exited))
    expect(ends).toEqual(programs.map(() => ({ code: 0, signal: null })))
    const applied = programs.flatMap(each => (JSON.parse(each.stdout()) as { applied: number[] }).applied)
    const { version } = await scheduler.migrate()
    expect(applied.toSorted((a, b) => a - b)).toEqual(Array.from({ length: version }, (_, n) => n + 1))
    const { rows } = await pool.query(`select count(*)::int as n from ${SCHEMA}.belfry_migrations`)
    expect(rows[0].n).toBe(version)
  })
})

describe.concurrent('a migration that is killed half-way', () => {
  it('leaves nothing of its step behind, and the next start finishes it', async context => {
    const { pool, program, database } = await begin(context)
    let statements = 0
    const count = { ...database }
    count.transaction = work =>
      database.transaction(transaction =>
        work({
          query: (text, values) => {
            statements += 1
            return transaction.query(text, values)
          },
        }),
      )
    await new Scheduler({ database: count, schema: SCHEMA }).migrate()
    const clean = await anatomy(pool)
    await pool.query(`drop schema ${SCHEMA} cascade`)
    // Early in the first step, in the middle of everything, and just before the last note.
    for (const haltAt of [4, Math.floor(statements / 2), statements - 1]) {
      const killed = program(String(haltAt))
      await killed.shows(/halted/)
      killed.kill('SIGKILL')
      await killed.exited
      const left = haltAt === 4 ? await anatomy(pool) : []
      const scheduler = new Scheduler({ database, schema: SCHEMA })
      expect(left).toEqual([])
      const { applied, version } = await scheduler.migrate()
      expect(applied.length).toBeGreaterThan(0)
      expect(applied.at(-1)).toBe(version)
      expect(await anatomy(pool)).toEqual(clean)
      await pool.query(`drop schema ${SCHEMA} cascade`)
    }
  })

  it('while others wait for it: one of them takes over as soon as its session is gone', async context => {
    const { pool, program } = await begin(context)
    const killed = program('6')
    await killed.shows(/halted/)
    const waiting = [program(), program()]
    await until('they wait', async () => {
      const { rows } = await pool.query(
        `select count(*)::int as n from pg_stat_activity
         where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`,
      )
      return rows[0].n === 2
    })
    killed.kill('SIGKILL')
    const ends = await Promise.all(waiting.map(each => each.exited))
    expect(ends.every(end => end.code === 0)).toBe(true)
  })
})

describe.concurrent('a process of the release before, on the schema of this one', () => {
  it('schedules jobs that new processes run, and takes jobs that new processes schedule', async context => {
    const { pool, scheduler } = await begin(context)
    await scheduler.migrate()
    const old = statementsOfEarlierRelease(SCHEMA)
    const jobs = [['from-old'], ['quick'], ['{"n": 1}'], [1], [null], [3], [null], [null], [null], [null]]
    await pool.query(old.insert, [...jobs, null, true, `belfry_${SCHEMA}`, [0]])
    scheduler.registerHandler('quick', payload => payload)
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await scheduler.getJob('from-old')).toMatchObject({ status: 'completed', result: { n: 1 } })

    const [runner, token] = [randomUUID(), randomUUID()]
    await pool.query(old.register, [runner, 'host', 1, '0.1.0', ['quick'], 30_000, null])
    await scheduler.scheduleJob('quick', { payload: { n: 2 }, jobId: 'from-new' })
    const { rows } = await pool.query(old.claim, [runner, token, ['quick'], 10, null])
    expect(rows).toMatchObject([{ job_id: 'from-new', payload: { n: 2 }, attempt: 1 }])
  })
})

describe.concurrent('a schema whose notes of migrations lack a row', () => {
  it.each([
    ['the last ones', 'version >= 13'],
    ['one in the middle', 'version = 7'],
    ['the first', 'version = 1'],
  ])('is not migrated, and the error says which: %s', async (_, which) => {
    const test = await createTestDatabase()
    try {
      const scheduler = new Scheduler({ database: fromPool(test.pool), schema: SCHEMA })
      await scheduler.migrate()
      const before = await anatomy(test.pool)
      const { rows } = await test.pool.query<{ version: number }>(
        `with gone as (delete from ${SCHEMA}.belfry_migrations where ${which} returning version)
         select min(version) as version from gone`,
      )
      await expect(scheduler.migrate()).rejects.toMatchObject({
        code: 'BELFRY_MIGRATION_CHANGED',
        message: expect.stringContaining(`migration ${rows[0]?.version} `) as string,
      })
      expect(await anatomy(test.pool)).toEqual(before)
    } finally {
      await test.drop()
    }
  })
})
