import { BelfryError, Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { Pool, type PoolConfig } from 'pg'
import { describe, expect, it, type TestContext } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { Journal } from './support/journal.ts'
import { runtimeGrants } from './support/runtime-grants.ts'

const SCHEMA = 'story'

interface Story {
  readonly test: TestDatabase
  readonly journal: Journal
  /** A started scheduler with handlers for `quick` and `second try`, over a pool of its own. */
  start(options?: PoolConfig): Promise<Scheduler>
  make(options?: PoolConfig): { scheduler: Scheduler; pool: Pool }
  faults(): Promise<string[]>
}

async function begin(context: TestContext): Promise<Story> {
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
    const { test, journal, make, start, faults } = await begin(context)
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
    const { test, journal, start, faults } = await begin(context)
    const role = await makeRole(context, test)
    for (const grant of runtimeGrants(SCHEMA, role)) await test.pool.query(grant)
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
    const { test, make } = await begin(context)
    const role = await makeRole(context, test)
    expect(await codeOf(make({ connectionString: asUser(test.url, role) }).scheduler.start())).toBe(
      'BELFRY_DATABASE_PERMISSION',
    )
  })

  it('that may not migrate an empty database is told so at start', async context => {
    const { test } = await begin(context)
    const role = await makeRole(context, test)
    const pool = new Pool({ connectionString: asUser(test.url, role) })
    context.onTestFinished(() => pool.end())
    const scheduler = new Scheduler({ database: fromPool(pool), schema: 'elsewhere' })
    expect(await codeOf(scheduler.start())).toBe('BELFRY_DATABASE_PERMISSION')
    expect(await codeOf(scheduler.start())).toBe('BELFRY_DATABASE_PERMISSION')
  })

  it('that loses its rights while it runs pauses, and resumes with them', async context => {
    const { test, journal, start, faults } = await begin(context)
    const role = await makeRole(context, test)
    for (const grant of runtimeGrants(SCHEMA, role)) await test.pool.query(grant)
    const scheduler = await start({ connectionString: asUser(test.url, role) })
    await journal.schedule(scheduler, 'quick', { jobId: 'before' })
    await journal.schedule(scheduler, 'quick', { jobId: 'due meanwhile', delay: 300 })
    await test.pool.query(`revoke all on all tables in schema ${SCHEMA} from ${role}`)
    expect(await codeOf(scheduler.scheduleJob('quick', { payload: {} }))).toBe('BELFRY_DATABASE_PERMISSION')
    await until('claims fail', () =>
      Promise.resolve(journal.errors.filter(each => each.during === 'claim').length >= 2),
    )
    for (const grant of runtimeGrants(SCHEMA, role)) await test.pool.query(grant)
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
    const { test, journal, make, start, faults } = await begin(context)
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
    const { test, make } = await begin(context)
    await test.pool.query(`update ${SCHEMA}.belfry_migrations set checksum = 'other' where version = 2`)
    expect(await codeOf(make().scheduler.start())).toBe('BELFRY_MIGRATION_CHANGED')
  })
})

describe.concurrent('statements that the server gives up', () => {
  it.each([
    ['lock_timeout', '55P03'],
    ['statement_timeout', '57014'],
  ])('by %s while somebody locks the tables: told, tried again, nothing lost', async (setting, sqlState) => {
    await withContext(async context => {
      const { test, journal, start, faults } = await begin(context)
      const scheduler = await start({ options: `-c ${setting}=100` })
      await journal.schedule(scheduler, 'with result', { jobId: 'due meanwhile', delay: 200 })
      const locker = await test.pool.connect()
      await locker.query(`begin; lock table ${SCHEMA}.scheduled_jobs_live in access exclusive mode`)
      expect(await journal.schedule(scheduler, 'quick', { jobId: 'refused' })).toBe(false)
      await until('claims are given up', () =>
        Promise.resolve(journal.errors.filter(({ error }) => hasState(error, sqlState)).length >= 2),
      )
      await locker.query('commit')
      locker.release()
      await journal.schedule(scheduler, 'with result', { jobId: 'afterwards' })
      expect(await faults()).toEqual([])
    })
  })

  it('as victims of a deadlock: the outcomes are written once the way is free', async context => {
    const story = await begin(context)
    await rival(story, {
      options: '-c deadlock_timeout=300',
      before: `select from ${SCHEMA}.scheduled_jobs_live where job_id = 'together-10' for update`,
      then: `select from ${SCHEMA}.scheduled_jobs_live for update`,
    })
    expect(await story.faults()).toEqual([])
    expect(story.journal.errors.some(({ error }) => hasState(error, '40P01'))).toBe(true)
  })

  it.each(['serializable', 'repeatable\\ read'])(
    'because transactions are %s: tried again, nothing lost',
    async level => {
      await withContext(async context => {
        const story = await begin(context)
        await rival(story, {
          options: `-c default_transaction_isolation=${level}`,
          before: `update ${SCHEMA}.scheduled_jobs_live set progress = '1' where job_id = 'together-10'`,
          then: 'select 1',
        })
        expect(await story.faults()).toEqual([])
        expect(story.journal.errors.some(({ error }) => hasState(error, '40001'))).toBe(true)
      })
    },
  )
})

/** Twenty jobs end at the same moment, while somebody else's transaction is in the way of their outcomes. */
async function rival(
  { test, journal, start }: Story,
  way: { options: string; before: string; then: string },
): Promise<void> {
  const scheduler = await start({ options: way.options })
  let finish = () => {}
  const finished = new Promise<void>(resolve => (finish = resolve))
  let running = 0
  scheduler.registerHandler('together', async () => {
    running += 1
    await finished
  })
  const ids = Array.from({ length: 20 }, (_, n) => `together-${String(n).padStart(2, '0')}`)
  for (const jobId of ids) await journal.schedule(scheduler, 'together', { jobId })
  await until('all are running', () => Promise.resolve(running === ids.length))
  const client = await test.pool.connect()
  // Never the victim itself.
  await client.query(`set deadlock_timeout = '1h'`)
  await client.query('begin')
  await client.query(way.before)
  finish()
  await until('settling waits', async () => {
    const { rows } = await test.pool.query(
      `select 1 from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`,
    )
    return rows.length > 0
  })
  await client.query(way.then)
  await client.query('commit')
  client.release(true)
}

function hasState(error: unknown, state: string): boolean {
  return error instanceof Error && 'code' in error && error.code === state
}

/** `it.each` hands no context of its own to a story with several values. */
async function withContext(story: (context: TestContext) => Promise<void>): Promise<void> {
  const ends: (() => unknown)[] = []
  try {
    await story({ onTestFinished: (end: () => unknown) => ends.push(end) } as unknown as TestContext)
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

describe.concurrent('a pool whose connections are all taken by the program itself', () => {
  it('holds work up and nothing else: it goes on when they are given back, also after more than a lease', async context => {
    const { journal, make, start, faults } = await begin(context)
    const { scheduler, pool } = make({ max: 3 })
    await scheduler.start()
    const taken = await Promise.all([pool.connect(), pool.connect()])
    const calls = Array.from({ length: 10 }, (_, n) => journal.schedule(scheduler, 'quick', { jobId: `held-up-${n}` }))
    // Another process takes back what this one seems to have abandoned.
    const other = await start()
    await new Promise(resolve => setTimeout(resolve, 1_500))
    await journal.schedule(other, 'with result', { jobId: 'from elsewhere' })
    for (const client of taken) client.release()
    expect(await Promise.all(calls)).not.toContain(false)
    expect(await faults()).toEqual([])
    expect((await scheduler.getStats()).runners.filter(each => each.alive)).toHaveLength(2)
  })

  it('by handlers that each hold one: as many jobs as slots, all done', async context => {
    const { journal, make, faults } = await begin(context)
    const { scheduler, pool } = make({ max: 3 })
    scheduler.registerHandler('greedy', async () => {
      const client = await pool.connect()
      await client.query('select pg_sleep(0.01)')
      client.release()
    })
    await scheduler.start()
    await Promise.all(
      Array.from({ length: 60 }, (_, n) => journal.schedule(scheduler, 'greedy', { jobId: `greedy-${n}` })),
    )
    expect(await faults()).toEqual([])
  })
})
