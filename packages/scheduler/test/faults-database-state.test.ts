import { BelfryError, Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { Pool } from 'pg'
import { describe, expect, it, type TestContext } from 'vitest'
import type { TestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { beginPoolStory, SCHEMA } from './support/pool-story.ts'
import { runtimeGrants } from '../src/store/runtime-grants.ts'
import { tablesIn } from '../src/store/tables.ts'

const codeOf = async (work: Promise<unknown>) =>
  work.then(
    () => 'nothing',
    (error: unknown) => (error instanceof BelfryError ? error.code : String(error)),
  )
const endSessions = (test: TestDatabase) =>
  test.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  )

describe.concurrent('a database that is read-only', () => {
  it('refuses with a clear error, at start and while running, and work goes on when it is writable again', async context => {
    const { test, journal, make, start, faults } = await beginPoolStory(context)
    const running = await start()
    await journal.schedule(running, 'quick', { jobId: 'before' })
    const name = new URL(test.url).pathname.slice(1)
    await journal.schedule(running, 'quick', { jobId: 'due meanwhile', delay: 300 })

    await test.pool.query(`alter database ${name} set default_transaction_read_only = on`)
    await endSessions(test)
    expect(await codeOf(make().scheduler.start())).toBe('BELFRY_DATABASE_READ_ONLY')
    // A session that was just ended may be the first to answer.
    const refusal = await until('a refusal', async () => {
      const code = await codeOf(running.scheduleJob('quick', { payload: {} }))
      return code === 'BELFRY_DATABASE_UNAVAILABLE' ? undefined : code
    })
    expect(refusal).toBe('BELFRY_DATABASE_READ_ONLY')
    await until('claims fail', () =>
      Promise.resolve(journal.errors.filter(each => each.during === 'claim').length >= 3),
    )
    expect(await running.getJob('due meanwhile')).toMatchObject({ status: 'pending' })

    const repair = await test.pool.connect()
    await repair.query('set default_transaction_read_only = off')
    await repair.query(`alter database ${name} reset default_transaction_read_only`)
    repair.release(true)
    await until('a job is taken again', () =>
      journal.schedule(running, 'with result', { jobId: `again-${journal.doubtful.size}` }),
    )
    expect(await faults()).toEqual([])
  })
})

describe.concurrent('a role with the least rights', () => {
  it('runs everything after another role has migrated', async context => {
    const { test, journal, start, faults } = await beginPoolStory(context)
    const role = await makeRole(context, test)
    for (const grant of runtimeGrants(tablesIn(SCHEMA), role)) await test.pool.query(grant)
    const scheduler = await start({ user: role, connectionString: asUser(test.url, role) })
    await journal.schedule(scheduler, 'with result', { jobId: 'works' })
    await journal.schedule(scheduler, 'quick', { jobId: 'works too', delay: 50 })
    expect(await faults()).toEqual([])
    await scheduler.applySchedule({ scheduleId: 'tick', job: 'quick', rule: { every: '1s' } })
    await until('it fires', async () => (await scheduler.getSchedules())[0]?.firedCount)
    await scheduler.pauseSchedule('tick')
    await scheduler.removeSchedule('tick')
    const { jobId } = await scheduler.scheduleJob('nobody does this', { payload: {}, uniqueKey: 'one' })
    expect(await scheduler.changeJob(jobId, { delay: '1h' })).toBe(true)
    expect(await scheduler.cancelJob(jobId)).toBe('cancelled')
    expect(await scheduler.redriveJob(jobId)).toBe(true)
    expect((await scheduler.getStats()).runners).toHaveLength(1)
    await scheduler.prune()
    // A job whose process is gone, and its rescue.
    await test.pool.query(
      `update ${SCHEMA}.scheduled_jobs_live set job_type = 'quick', lease_token = gen_random_uuid(), status = 'running',
         runner_id = gen_random_uuid(), started_at = now(), attempt = 1 where job_id = $1`,
      [jobId],
    )
    await scheduler.stop()
    const next = await start({ connectionString: asUser(test.url, role) })
    await until('it is rescued', async () => (await next.getJob(jobId))?.status === 'completed')
    expect(journal.errors).toEqual([])
  })

  it('that may not even read is told so at start', async context => {
    const { test, make } = await beginPoolStory(context)
    const role = await makeRole(context, test)
    expect(await codeOf(make({ connectionString: asUser(test.url, role) }).scheduler.start())).toBe(
      'BELFRY_DATABASE_PERMISSION',
    )
  })

  it('that may not migrate an empty database is told so at start', async context => {
    const { test } = await beginPoolStory(context)
    const role = await makeRole(context, test)
    const pool = new Pool({ connectionString: asUser(test.url, role) })
    context.onTestFinished(() => pool.end())
    const scheduler = new Scheduler({ database: fromPool(pool), schema: 'elsewhere' })
    expect(await codeOf(scheduler.start())).toBe('BELFRY_DATABASE_PERMISSION')
    expect(await codeOf(scheduler.start())).toBe('BELFRY_DATABASE_PERMISSION')
  })

  it('that loses its rights while it runs pauses, and resumes with them', async context => {
    const { test, journal, start, faults } = await beginPoolStory(context)
    const role = await makeRole(context, test)
    for (const grant of runtimeGrants(tablesIn(SCHEMA), role)) await test.pool.query(grant)
    const scheduler = await start({ connectionString: asUser(test.url, role) })
    await journal.schedule(scheduler, 'quick', { jobId: 'before' })
    await journal.schedule(scheduler, 'quick', { jobId: 'due meanwhile', delay: 300 })
    await test.pool.query(`revoke all on all tables in schema ${SCHEMA} from ${role}`)
    expect(await codeOf(scheduler.scheduleJob('quick', { payload: {} }))).toBe('BELFRY_DATABASE_PERMISSION')
    await until('claims fail', () =>
      Promise.resolve(journal.errors.filter(each => each.during === 'claim').length >= 2),
    )
    for (const grant of runtimeGrants(tablesIn(SCHEMA), role)) await test.pool.query(grant)
    expect(await faults()).toEqual([])
  })
})

function asUser(url: string, role: string): string {
  const named = new URL(url)
  named.username = role
  return named.href
}

async function makeRole(context: TestContext, test: TestDatabase): Promise<string> {
  const role = `runtime_${crypto.randomUUID().replaceAll('-', '')}`
  await test.pool.query(`create role ${role} login`)
  context.onTestFinished(async () => {
    await test.pool.query(`drop owned by ${role}`)
    await test.pool.query(`drop role ${role}`)
  })
  return role
}

describe.concurrent('a schema of another version', () => {
  it('newer than this program is refused at start, untouched; a program that runs already goes on', async context => {
    const { test, journal, make, start, faults } = await beginPoolStory(context)
    const running = await start()
    await test.pool.query(
      `insert into ${SCHEMA}.belfry_migrations (version, name, checksum) values (999, 'from the future', 'unknown')`,
    )
    expect(await codeOf(make().scheduler.start())).toBe('BELFRY_SCHEMA_NEWER')
    expect(await codeOf(make().scheduler.migrate())).toBe('BELFRY_SCHEMA_NEWER')
    await journal.schedule(running, 'quick', { jobId: 'still works' })
    expect(await faults()).toEqual([])
  })

  it('whose migrations ran with another text is refused at start', async context => {
    const { test, make } = await beginPoolStory(context)
    await test.pool.query(`update ${SCHEMA}.belfry_migrations set checksum = 'other' where version = 2`)
    expect(await codeOf(make().scheduler.start())).toBe('BELFRY_MIGRATION_CHANGED')
  })
})
