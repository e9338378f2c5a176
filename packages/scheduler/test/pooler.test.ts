import { Scheduler, systemClock, type Logger, type SchedulerOptions } from 'belfry'
import { fromPool, fromPostgresJs, type Database, type PgClient, type PgPool } from 'belfry/database'
import { Pool } from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, it, type TestContext } from 'vitest'
import { findPgBouncer, startPgBouncer, type PgBouncer } from '../../../test-support/pgbouncer.ts'
import { storySchema } from '../../../test-support/story-schemas.ts'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'

/** Connections of the pooler to the server. */
const SERVER_CONNECTIONS = 3
/** What happens promptly then happened through a hint. */
const NO_POLLING = { pollInterval: '1h' } as const

const program = findPgBouncer()

let test: TestDatabase
beforeAll(async () => {
  test = await createTestDatabase(10, inject('storiesDatabase'))
})
afterAll(() => test.drop())

let schemas = 0

/** Processes with pools of their own over one schema. */
function begin(context: TestContext) {
  schemas += 1
  const schema = storySchema(schemas)
  const poolOn = (url: string) => {
    const pool = new Pool({ connectionString: url, max: 6 })
    context.onTestFinished(() => pool.end())
    return pool
  }
  /** A scheduler, and what it said of hints, in order. */
  const make = (database: Database, options: Partial<SchedulerOptions> = {}) => {
    const told: string[] = []
    const lines: Record<string, unknown>[] = []
    const keep = (fields: Record<string, unknown>, message: string) => void lines.push({ ...fields, message })
    const logger: Logger = { debug: () => {}, info: keep, warn: keep, error: keep }
    const scheduler = new Scheduler({ database, schema, logger, ...options })
    scheduler.on('hints:unheard', () => told.push('unheard'))
    scheduler.on('hints:heard', () => told.push('heard'))
    context.onTestFinished(() => scheduler.stop())
    return { scheduler, told, lines }
  }
  return { schema, poolOn, make }
}

describe.skipIf(program !== undefined)('PgBouncer', () => {
  it('is tried where it is installed', context => {
    // On CI its absence is a failure, not a reason to skip.
    expect(process.env.CI).toBeUndefined()
    context.skip('it is not installed here: apt-get install pgbouncer')
  })
})

describe.skipIf(program === undefined).concurrent('behind PgBouncer in transaction mode', () => {
  let bouncer: PgBouncer
  beforeAll(async () => {
    bouncer = await startPgBouncer(program ?? '', test.url, SERVER_CONNECTIONS)
  })
  afterAll(() => bouncer.remove())

  it('jobs of other processes are found by polling, which is told once; everything else works', async context => {
    const { poolOn, make } = begin(context)
    const { scheduler: runner, told, lines } = make(fromPool(poolOn(bouncer.url)), { pollInterval: '200ms' })
    runner.registerHandler('greet', payload => `hello ${(payload as { name: string }).name}`)
    runner.registerHandler('flaky', (_payload, { attempt }) => {
      if (attempt === 1) throw new Error('not yet')
      return attempt
    })
    await runner.start()
    await runner.applySchedule({ scheduleId: 'tick', job: 'greet', rule: { every: '1s' }, payload: { name: 'tick' } })
    const { scheduler: elsewhere } = make(fromPool(poolOn(bouncer.url)), { pollInterval: '200ms' })

    const greet = await elsewhere.scheduleJob('greet', { payload: { name: 'Ada' } })
    const flaky = await elsewhere.scheduleJob('flaky', { payload: {}, delay: 50 })
    const bulk = await elsewhere.scheduleJobs(
      Array.from({ length: 50 }, (_, n) => ({ job: 'greet', payload: { name: `${n}` } })),
    )
    expect(await elsewhere.waitFor(greet)).toMatchObject({ status: 'completed', result: 'hello Ada' })
    await until('its first attempt', async () => (await elsewhere.getAttempts(flaky)).length === 1)
    await elsewhere.changeJob(flaky, { delay: 0 })
    expect(await elsewhere.waitFor(flaky)).toMatchObject({ status: 'completed', result: 2 })
    for (const job of bulk) expect(await elsewhere.waitFor(job)).toMatchObject({ status: 'completed' })
    await until('it fires', async () => ((await elsewhere.getSchedules())[0]?.firedCount ?? 0) > 0)

    expect(told).toEqual(['unheard'])
    const said = lines.filter(each => String(each.event).startsWith('hints_'))
    expect(said).toHaveLength(1)
    expect(said[0]).toMatchObject({ event: 'hints_unheard', poll_interval_ms: 200 })
    expect(said[0]?.message).toMatch(/found every 200 ms by polling/)
    expect(said[0]?.error).toMatch(/pooler in transaction mode.*direct connection for LISTEN/)
    expect(lines.filter(each => each.event === 'database_error')).toEqual([])
    await expect(elsewhere.watch()).rejects.toMatchObject({ code: 'BELFRY_DATABASE_UNAVAILABLE' })
    expect(await namedStatements(poolOn(bouncer.url))).toBe(0)
  })

  it('with a direct connection for LISTEN hints arrive, and nothing is told', async context => {
    const { poolOn, make } = begin(context)
    const direct = fromPool(poolOn(test.url))
    const database: Database = {
      ...fromPool(poolOn(bouncer.url)),
      listen: (...call) => direct.listen(...call),
    }
    const { scheduler: runner, told } = make(database, NO_POLLING)
    runner.registerHandler('prompt', () => 'done')
    await runner.start()
    const { scheduler: elsewhere } = make(fromPool(poolOn(bouncer.url)))
    const job = await elsewhere.scheduleJob('prompt', { payload: {} })
    await until('it is done', async () => (await elsewhere.getJob(job))?.status === 'completed')
    await (await runner.watch()).close()
    expect(told).toEqual([])
  })

  it('postgres.js is found deaf as well', async context => {
    const { poolOn, make } = begin(context)
    const sql = postgres(bouncer.url, { max: 4, prepare: false })
    context.onTestFinished(() => sql.end({ timeout: 1 }))
    const { scheduler: runner, told } = make(fromPostgresJs(sql), { pollInterval: '200ms' })
    runner.registerHandler('slow lane', () => 'done')
    await runner.start()
    expect(told).toEqual(['unheard'])
    const job = await make(fromPool(poolOn(test.url))).scheduler.scheduleJob('slow lane', { payload: {} })
    expect(await runner.waitFor(job)).toMatchObject({ result: 'done' })
  })
})

/** A pool whose connections hear nothing for a while: LISTEN is accepted, as by a pooler. */
function muffled(pool: Pool) {
  const ears = { deaf: true, tries: 0, missed: 0 }
  const connect = async (): Promise<PgClient> => {
    const client = await pool.connect()
    const on = (event: string, listener: (about: never) => void) =>
      client.on(event as 'notification', (about?: { payload?: string | undefined }) => {
        if (event !== 'notification' || !ears.deaf) listener(about as never)
        else if (!about?.payload?.startsWith('belfry hearing test')) ears.missed += 1
      })
    const query = (text: string, values?: unknown[]) => {
      if (text.startsWith('listen ')) ears.tries += 1
      return client.query(text, values)
    }
    return new Proxy<PgClient>(client, {
      get: (target, name) => {
        if (name === 'on') return on
        if (name === 'query') return query
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  const wrapped: PgPool = {
    connect,
    options: pool.options,
    query: pool.query.bind(pool),
    on: pool.on.bind(pool),
  }
  return { ears, database: fromPool(wrapped) }
}

/** A pause of 30 s before LISTEN is tried again passes in a moment. */
const HURRIED = {
  ...systemClock,
  setTimer: (delayMs: number, run: () => void) => systemClock.setTimer(delayMs === 30_000 ? 50 : delayMs, run),
}

describe.concurrent('where LISTEN is accepted and hears nothing', () => {
  it('the test is repeated: told when it works, and what was missed is looked for', async context => {
    const { poolOn, make } = begin(context)
    const { ears, database } = muffled(poolOn(test.url))
    const { scheduler: deaf, told } = make(database, { ...NO_POLLING, clock: HURRIED })
    deaf.registerHandler('unheard of', () => 'done')
    await deaf.start()
    await expect(deaf.watch()).rejects.toMatchObject({ code: 'BELFRY_DATABASE_UNAVAILABLE' })
    const { scheduler: other } = make(fromPool(poolOn(test.url)), NO_POLLING)
    other.registerHandler('elsewhere', () => 'done elsewhere')
    await other.start()
    // Whoever waits looks every second instead of at the poll interval.
    const far = await deaf.scheduleJob('elsewhere', { payload: {} })
    expect(await deaf.waitFor(far)).toMatchObject({ result: 'done elsewhere' })
    const before = ears.missed
    const missed = await other.scheduleJob('unheard of', { payload: {} })
    await until('its hint is missed', () => Promise.resolve(ears.missed > before))
    expect(told).toEqual(['unheard'])

    ears.deaf = false
    expect(await other.waitFor(missed)).toMatchObject({ result: 'done' })
    await until('it hears again', () => Promise.resolve(told.length > 1))
    expect(told).toEqual(['unheard', 'heard'])
    const next = await other.scheduleJob('unheard of', { payload: {} })
    expect(await other.waitFor(next)).toMatchObject({ result: 'done' })
    await (await deaf.watch()).close()
  })

  it('because a lost connection came back so: told, and told when it hears again', async context => {
    const { schema, poolOn, make } = begin(context)
    const { ears, database } = muffled(poolOn(test.url))
    ears.deaf = false
    const { scheduler, told } = make(database, NO_POLLING)
    await scheduler.start()
    expect(told).toEqual([])
    ears.deaf = true
    await test.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and query like 'listen "belfry_' || $1::text || '"'`,
      [schema],
    )
    await until('it is told', () => Promise.resolve(told.length > 0))
    ears.deaf = false
    await until('it hears again', () => Promise.resolve(told.length > 1))
    expect(told).toEqual(['unheard', 'heard'])
  })

  it('a stop in the middle of the test leaves no connection behind', async context => {
    const { poolOn, make } = begin(context)
    const pool = poolOn(test.url)
    const { ears, database } = muffled(pool)
    const { scheduler } = make(database, { ...NO_POLLING, clock: HURRIED })
    await scheduler.start()
    await until('it is tried again', () => Promise.resolve(ears.tries === 2))
    await scheduler.stop()
    expect(pool.totalCount - pool.idleCount).toBe(0)
  })
})

/** On all connections that the pooler has to the server, whoever they were lent to. */
async function namedStatements(pool: Pool): Promise<number> {
  const clients = await Promise.all(Array.from({ length: SERVER_CONNECTIONS }, () => pool.connect()))
  let names = 0
  for (const client of clients) {
    // A connection that is inside a transaction is lent to nobody else.
    await client.query('begin')
    names += (await client.query('select from pg_prepared_statements')).rows.length
  }
  for (const client of clients) {
    await client.query('rollback')
    client.release()
  }
  return names
}
