import { Scheduler, type BelfryError } from 'belfry'
import { fromPool, migrate } from 'belfry/database'
import { Pool } from 'pg'
import { expect, it } from 'vitest'
import { migrations } from '../src/store/migrations/all.ts'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { describeOnBothEngines } from './support/engines.ts'

/** The integration guide's own SQL, with a schema's name in front. */
const guideSql = (schema: string) => [
  `create schema ${schema}`,
  `create table ${schema}.scheduled_jobs (
    job_id VARCHAR(255) PRIMARY KEY,
    job_type VARCHAR(100) NOT NULL,
    scheduled_time TIMESTAMPTZ NOT NULL,
    payload JSONB NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'pending',
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    retry_count INTEGER DEFAULT 0,
    max_retries INTEGER DEFAULT 3
  )`,
  `create table ${schema}.job_execution_history (
    execution_id SERIAL PRIMARY KEY,
    job_id VARCHAR(255) NOT NULL,
    job_type VARCHAR(100) NOT NULL,
    execution_time TIMESTAMPTZ NOT NULL,
    duration_ms INTEGER,
    status VARCHAR(50) NOT NULL
  )`,
]

describeOnBothEngines('a database that is there already', engine => {
  const run = async (...statements: string[]) => {
    for (const statement of statements) await engine.database.query(statement)
  }
  const code = (work: Promise<unknown>) =>
    work.then(
      () => 'fine',
      (error: BelfryError) => error.code,
    )

  it("made by the guide's own SQL is adopted: every row stays, what was pending runs", async () => {
    const schema = engine.unmadeSchema()
    await run(
      ...guideSql(schema),
      `insert into ${schema}.scheduled_jobs (job_id, job_type, scheduled_time, payload, status, retry_count) values
        ('abc-123-def', 'custom', now() - interval '1 hour', '{"user_id": "123"}', 'pending', 1),
        ('stuck', 'custom', now() - interval '1 day', '{}', 'running', 0),
        ('later', 'custom', now() + interval '1 day', '{}', 'pending', 0),
        ('over', 'custom', now() - interval '2 days', '{"done": true}', 'completed', 0),
        ('odd', 'custom', now(), '{}', 'paused', null)`,
      `insert into ${schema}.job_execution_history (job_id, job_type, execution_time, duration_ms, status) values
        ('over', 'custom', now() - interval '2 days', 12, 'failed'), ('over', 'custom', now() - interval '2 days', 9, 'completed')`,
    )
    const scheduler = new Scheduler({ database: engine.database, schema })
    const seen: unknown[] = []
    scheduler.registerHandler('custom', payload => {
      seen.push(payload)
    })
    await scheduler.migrate()
    expect(await scheduler.runDueJobs()).toBe(2)
    expect(seen).toEqual([{}, { user_id: '123' }])
    expect(await scheduler.getJob('abc-123-def')).toMatchObject({ status: 'completed', retryCount: 1, maxRetries: 3 })
    expect(await scheduler.getJob('stuck')).toMatchObject({ status: 'completed' })
    expect(await scheduler.getJob('later')).toMatchObject({ status: 'pending' })
    expect(await scheduler.getJob('over')).toMatchObject({ status: 'completed', payload: { done: true } })
    expect(await scheduler.getJob('odd')).toMatchObject({
      status: 'failed',
      errorMessage: expect.stringContaining('paused'),
    })
    expect((await scheduler.getAttempts('over')).map(each => [each.attempt, each.outcome, each.durationMs])).toEqual([
      [1, 'failed', 12],
      [2, 'completed', 9],
    ])
    // The guide's own queries go on working, also by hand.
    await run(
      `insert into ${schema}.scheduled_jobs (job_id, job_type, scheduled_time, payload) values ('by hand', 'custom', now(), '{}')`,
    )
    expect(await scheduler.runDueJobs()).toBe(1)
    await run(`update ${schema}.scheduled_jobs set status = 'pending' where job_id = 'by hand'`)
    expect(await scheduler.runDueJobs()).toBe(1)
    expect((await scheduler.getAttempts('by hand')).map(each => each.attempt)).toEqual([1, 2])
  })

  it('holding a table of the same name that somebody else made is refused, and nothing is changed', async () => {
    const schema = engine.unmadeSchema()
    await run(
      `create schema ${schema}`,
      `create table ${schema}.scheduled_jobs (id int, cron text)`,
      `insert into ${schema}.scheduled_jobs values (1, '* * * * *')`,
    )
    expect(await code(new Scheduler({ database: engine.database, schema }).migrate())).toBe('BELFRY_FOREIGN_TABLE')
    const left = await engine.database.query(`select * from ${schema}.scheduled_jobs`)
    expect(left.rows).toEqual([{ id: 1, cron: '* * * * *' }])
    const tables = await engine.database.query<{ n: number }>(
      `select count(*)::int as n from pg_tables where schemaname = $1::text`,
      [schema],
    )
    expect(tables.rows).toEqual([{ n: 1 }])
  })

  it('migrated by a newer version, or with a step that has another text, is refused', async () => {
    const schema = engine.unmadeSchema()
    const scheduler = new Scheduler({ database: engine.database, schema })
    const first = await scheduler.migrate()
    expect(first.applied.length).toBe(first.version)
    expect((await scheduler.migrate()).applied).toEqual([])
    await run(`insert into ${schema}.belfry_migrations (version, name, checksum) values (99, 'from the future', 'x')`)
    expect(await code(scheduler.migrate())).toBe('BELFRY_SCHEMA_NEWER')
    await run(
      `delete from ${schema}.belfry_migrations where version = 99`,
      `update ${schema}.belfry_migrations set checksum = 'other' where version = 1`,
    )
    expect(await code(scheduler.start())).toBe('BELFRY_MIGRATION_CHANGED')
  })

  it('is left as it was by a step that fails half-way', async () => {
    const schema = engine.unmadeSchema()
    const steps = [{ version: 1, name: 'broken', statements: [`create table ${schema}.half (id int)`, 'select 1 / 0'] }]
    await run(`create schema ${schema}`)
    await expect(migrate(engine.database, { schema, table: 'notes', steps })).rejects.toThrow(/division by zero/)
    const tables = await engine.database.query('select 1 from pg_tables where schemaname = $1::text', [schema])
    expect(tables.rows).toEqual([])
  })

  it('may have a schema whose name needs quoting', async () => {
    const scheduler = new Scheduler({ database: engine.database, schema: `O'Brien "& Söhne"` })
    scheduler.registerHandler('greet', () => 'hello')
    await scheduler.start()
    const { jobId } = await scheduler.scheduleJob('greet', { payload: {}, uniqueKey: 'once' })
    const fromSql = await engine.database.query<{ id: string }>(
      `select "O'Brien ""& Söhne""".schedule_job('greet', '{"a": 1}') as id`,
    )
    await scheduler.stop()
    expect(await scheduler.runDueJobs()).toBeGreaterThanOrEqual(0)
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed' })
    expect(await scheduler.getJob(fromSql.rows[0]?.id ?? '')).toMatchObject({ status: 'completed', payload: { a: 1 } })
  })
})

it('schedulers that start at the same moment on an empty server migrate it once', async () => {
  const database = await createTestDatabase()
  // The race is one of milliseconds; it took some of these rounds to lose it.
  for (let round = 0; round < 15; round += 1) {
    const pools = Array.from({ length: 4 }, () => new Pool({ connectionString: database.url, max: 2 }))
    const results = await Promise.all(
      pools.map(pool => new Scheduler({ database: fromPool(pool), schema: `race_${round}` }).migrate()),
    )
    expect(new Set(results.map(result => result.version)).size).toBe(1)
    expect(results.flatMap(result => result.applied).toSorted((a, b) => a - b)).toEqual(
      migrations.map(migration => migration.version),
    )
    await Promise.all(pools.map(pool => pool.end()))
  }
  await database.drop()
})
