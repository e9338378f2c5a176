import { Scheduler } from 'belfry'
import { fromPostgresJs } from 'belfry/database'
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startPostgresServer } from '../../../test-support/postgres-server.ts'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { gate, nextSettled } from './support/settled.ts'

/** Longer than any story: what happens promptly then happened through a hint, not through polling. */
const NO_POLLING = { pollInterval: '1h' } as const

describe('a whole scheduler on postgres.js', () => {
  let database: TestDatabase
  let sql: postgres.Sql
  let schedulers: Scheduler[] = []
  beforeEach(async () => {
    database = await createTestDatabase()
    sql = postgres(database.url, { max: 6 })
  })
  afterEach(async () => {
    await Promise.all(schedulers.map(each => each.stop()))
    schedulers = []
    await sql.end()
    await database.drop()
  })

  const make = (options: Partial<ConstructorParameters<typeof Scheduler>[0]> = {}) => {
    const scheduler = new Scheduler({ database: fromPostgresJs(sql), ...NO_POLLING, ...options })
    schedulers.push(scheduler)
    return scheduler
  }

  it('migrates, runs, retries, keeps results, logs and history', async () => {
    const scheduler = make()
    const backslashes = { text: `"it's" \\ $1 ? {a,b} 🏰`, list: [null, 'NULL', '{}'] }
    scheduler.registerHandler('echo', (payload, { log }) => {
      log(backslashes.text)
      return payload
    })
    scheduler.registerHandler('flaky', (_, { attempt }) => {
      if (attempt === 1) throw new Error(backslashes.text)
    })
    await scheduler.start()
    const echoed = nextSettled(scheduler, event => event.jobType === 'echo')
    const echo = await scheduler.scheduleJob('echo', { payload: backslashes })
    await echoed
    expect(await scheduler.getJob(echo)).toMatchObject({ status: 'completed', result: backslashes })
    expect(await scheduler.getAttempts(echo)).toMatchObject([{ outcome: 'completed', log: [backslashes.text] }])

    const failed = nextSettled(scheduler, event => event.jobType === 'flaky')
    const flaky = await scheduler.scheduleJob('flaky', {})
    await failed
    const again = nextSettled(scheduler, event => event.jobType === 'flaky')
    expect(await scheduler.changeJob(flaky, { delay: 0 })).toBe(true)
    await again
    const attempts = await scheduler.getAttempts(flaky)
    expect(attempts.map(each => each.outcome)).toEqual(['failed', 'completed'])
    expect(attempts[0]).toMatchObject({ errorMessage: backslashes.text })
  })

  it('runs 300 jobs once each in two schedulers, scheduled one by one and in bulk', async () => {
    const ran: unknown[] = []
    const two = [make(), make()]
    for (const scheduler of two) {
      scheduler.registerHandler('count', payload => void ran.push((payload as { n: number }).n))
      await scheduler.start()
    }
    await Promise.all(Array.from({ length: 100 }, (_, n) => two[0]?.scheduleJob('count', { payload: { n } })))
    await two[1]?.scheduleJobs(Array.from({ length: 200 }, (_, n) => ({ job: 'count', payload: { n: 100 + n } })))
    await until('all have ended', async () => (await two[0]?.getStats())?.counts.completed === 300)
    expect(ran.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 300 }, (_, n) => n))
  })

  it('hears at once of a job another process scheduled, and of its cancelling while it runs', async () => {
    const runner = make()
    const other = make()
    const started = gate()
    runner.registerHandler('long', (_, { signal }) => {
      started.open()
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    await runner.start()
    await other.migrate()
    const settled = nextSettled(runner)
    const job = await sql.begin(tx => other.scheduleJob('long', { transaction: fromPostgresJs(tx) }))
    await started.promise
    expect(await other.cancelJob(job, { reason: 'no longer wanted' })).toBe('requested')
    await settled
    expect(await other.getJob(job)).toMatchObject({ status: 'cancelled' })
  })

  it('is told by the error that the database is gone', async () => {
    const ended = postgres(database.url)
    const scheduler = new Scheduler({ database: fromPostgresJs(ended) })
    await ended.end()
    await expect(scheduler.migrate()).rejects.toMatchObject({ code: 'BELFRY_DATABASE_UNAVAILABLE' })
    await expect(scheduler.start()).rejects.toMatchObject({ code: 'BELFRY_DATABASE_UNAVAILABLE' })
  })
})

describe('LISTEN through postgres.js', () => {
  it('comes back after the server was away, says so, and goes on hearing', async () => {
    const server = await startPostgresServer()
    const sql = postgres(server.url, { max: 2, backoff: () => 0.05 })
    try {
      const database = fromPostgresJs(sql)
      const heard: string[] = []
      let reconnected = 0
      const unlisten = await database.listen(
        'belfry_test',
        payload => heard.push(payload),
        () => (reconnected += 1),
      )
      const notify = (payload: string) =>
        database.query('select pg_notify($1::text, $2::text)', ['belfry_test', payload])
      await notify('first')
      await until('the first was heard', () => Promise.resolve(heard.includes('first')))
      expect(reconnected).toBe(0)

      await server.kill()
      await expect(database.query('select 1')).rejects.toMatchObject({
        code: expect.stringMatching(/^(BELFRY_DATABASE_UNAVAILABLE|ECONNREFUSED|ECONNRESET|57P0\d)$/),
      })
      // While the server is away a new subscription is refused, and stopping an old one does not wait for it.
      await expect(
        database.listen(
          'belfry_other',
          () => {},
          () => {},
        ),
      ).rejects.toThrow(/ECONNREFUSED|CONNECTION/)
      await server.start()
      await until('it listens again', () => Promise.resolve(reconnected > 0))
      await until('the second was heard', async () => {
        await notify('second').catch(() => {})
        return heard.includes('second')
      })

      await unlisten()
      const before = heard.length
      let other = 0
      const stop = await database.listen(
        'belfry_test',
        () => (other += 1),
        () => {},
      )
      await notify('third')
      await until('the other subscription heard it', () => Promise.resolve(other > 0))
      expect(heard.length).toBe(before)
      await stop()
    } finally {
      await sql.end({ timeout: 1 })
      await server.remove()
    }
  })

  it('ends while the server is away', async () => {
    const server = await startPostgresServer()
    const sql = postgres(server.url, { max: 2, backoff: () => 0.05 })
    try {
      const unlisten = await fromPostgresJs(sql).listen(
        'belfry_test',
        () => {},
        () => {},
      )
      await server.kill()
      await unlisten()
    } finally {
      await sql.end({ timeout: 1 })
      await server.remove()
    }
  })
})
