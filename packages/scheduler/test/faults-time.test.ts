import { existsSync } from 'node:fs'
import { Scheduler, systemClock, type Clock } from 'belfry'
import { fromPool } from 'belfry/database'
import { Pool } from 'pg'
import { describe, expect, it, type TestContext } from 'vitest'
import { startProgram } from '../../../test-support/child-process.ts'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { Journal } from './support/journal.ts'

const SCHEMA = 'story'
const HOUR_MS = 3_600_000
/** Where Debian puts it. */
const library = ['x86_64', 'aarch64']
  .map(each => `/usr/lib/${each}-linux-gnu/faketime/libfaketime.so.1`)
  .find(each => existsSync(each))

async function begin(context: TestContext) {
  const test = await createTestDatabase()
  context.onTestFinished(() => test.drop())
  const database = fromPool(test.pool)
  await new Scheduler({ database, schema: SCHEMA }).migrate()
  const journal = new Journal()
  const start = async (clock: Clock = systemClock) => {
    const pool = new Pool({ connectionString: test.url, max: 4 })
    const scheduler = new Scheduler({ database: fromPool(pool), schema: SCHEMA, lease: '1s', gracePeriod: 0, clock })
    context.onTestFinished(async () => {
      await scheduler.stop()
      await pool.end()
    })
    journal.follow(scheduler)
    scheduler.registerHandler('quick', () => {})
    // Two leases long: somebody would take it away if clocks of processes were compared.
    scheduler.registerHandler('long', () => new Promise(resolve => setTimeout(resolve, 2_000)))
    await scheduler.start()
    return scheduler
  }
  const observer = new Scheduler({ database, schema: SCHEMA })
  return { test, journal, start, observer }
}

/** A process whose idea of the present is wrong by a number of hours, which may change from one look to the next. */
const wrong = (hours: () => number): Clock => ({
  ...systemClock,
  now: () => new Date(Date.now() + hours() * HOUR_MS),
})

describe.skipIf(library !== undefined)('libfaketime', () => {
  it('is tried where it is installed', context => {
    // On CI its absence is a failure, not a reason to skip.
    expect(process.env.CI).toBeUndefined()
    context.skip('it is not installed here: apt-get install faketime')
  })
})

describe.concurrent('processes whose clocks are wrong by hours, and jump', () => {
  it('run every job when the database says it is due, keep their leases, and fire each occurrence once', async context => {
    const { test, journal, start, observer } = await begin(context)
    let looks = 0
    const schedulers = [
      await start(wrong(() => 5)),
      await start(wrong(() => -7)),
      await start(wrong(() => ((looks += 1) % 2 === 0 ? 30 : -30))),
    ]
    for (const [index, scheduler] of schedulers.entries()) {
      await journal.schedule(scheduler, 'long', { jobId: `long-${index}` })
      for (let n = 0; n < 15; n += 1) {
        await journal.schedule(scheduler, 'quick', { jobId: `delayed-${index}-${n}`, delay: n * 40 })
      }
    }
    const { rows: due } = await test.pool.query(`select now() + interval '700 ms' as at`)
    await journal.schedule(observer, 'quick', { jobId: 'at', scheduledTime: due[0].at })
    await journal.whenOver(test.pool, SCHEMA)
    expect(await journal.faults(test.pool, SCHEMA)).toEqual([])
    expect(journal.entries.filter(entry => entry.what === 'lease-lost')).toEqual([])
    const { rows } = await test.pool.query(
      `select max(attempt) as attempts, min(extract(epoch from execution_time - scheduled_time) * 1000)::float8 as early,
         max(extract(epoch from execution_time - scheduled_time) * 1000)::float8 as late
       from ${SCHEMA}.job_execution_history join ${SCHEMA}.scheduled_jobs using (job_id, attempt)`,
    )
    expect(rows[0].attempts).toBe(1)
    // Timers may fire a millisecond before their time.
    expect(rows[0].early).toBeGreaterThan(-5)
    expect(rows[0].late).toBeLessThan(HOUR_MS / 60)

    await schedulers[0]?.applySchedule({ scheduleId: 'tick', job: 'quick', rule: { every: '1s' } })
    await until('two occurrences have fired', async () => ((await observer.getSchedules())[0]?.firedCount ?? 0) >= 2)
    await observer.removeSchedule('tick')
    const { rows: fired } = await test.pool.query(
      `select count(*)::int as jobs, count(distinct occurrence)::int as occurrences,
         max(abs(extract(epoch from created_at - occurrence)))::float8 as off
       from ${SCHEMA}.scheduled_jobs where schedule_id = 'tick'`,
    )
    expect(fired[0].jobs).toBe(fired[0].occurrences)
    expect(fired[0].off).toBeLessThan(60)
  })

  it.skipIf(library === undefined)('also when the whole process is lied to (libfaketime)', async context => {
    const { test, observer } = await begin(context)
    const program = startProgram('packages/scheduler/test/support/blocking-process.mjs', {
      cwd: '/',
      args: ['1'],
      env: { DATABASE_URL: test.url, LD_PRELOAD: library ?? '', FAKETIME: '+5h' },
    })
    await program.shows(/"ready"/)
    const skewMs = await until('its clock is compared', async () => {
      const [runner] = (await observer.getStats()).runners
      return runner?.clockSkew?.skewMs
    })
    expect(skewMs / HOUR_MS).toBeCloseTo(5, 1)
    const { jobId } = await observer.scheduleJob('blocking', { payload: {}, delay: 300 })
    await program.shows(/"settled".*"completed"/)
    const [attempt] = await observer.getAttempts(jobId)
    expect(attempt?.waitMs).toBeLessThan(60_000)
    program.kill('SIGTERM')
    expect(await program.exited).toEqual({ code: 0, signal: null })
  })
})

describe.concurrent('an event loop that is blocked for two leases', () => {
  it('loses its jobs to others: its results are refused, its other handlers aborted, and it goes on anew', async context => {
    const { test, journal, start, observer } = await begin(context)
    const program = startProgram('packages/scheduler/test/support/blocking-process.mjs', {
      cwd: '/',
      args: ['2500'],
      env: { DATABASE_URL: test.url },
    })
    context.onTestFinished(async () => {
      program.kill('SIGKILL')
      await program.exited
    })
    await program.shows(/"ready"/)
    await journal.schedule(observer, 'bystander', { jobId: 'bystander' })
    await program.shows(/"began"/)
    await journal.schedule(observer, 'blocking', { jobId: 'blocking' })
    await program.shows(/"blocking","bystanders":1/)

    const other = await start()
    other.registerHandler('bystander', () => 'done')
    other.registerHandler('blocking', () => 'done elsewhere')
    await journal.schedule(other, 'quick', { jobId: 'neighbour' })
    await journal.whenOver(test.pool, SCHEMA)
    await program.shows(/"lease-lost","jobId":"blocking"/)
    await program.shows(/"lease-lost","jobId":"bystander"/)
    await program.shows(/"aborted","reason":"BELFRY_LEASE_LOST"/)
    await program.shows(/"revived"/)
    journal.read(program.stdout())
    expect(await observer.getJob('blocking')).toMatchObject({ attempt: 2, lostCount: 1, result: 'done elsewhere' })
    expect(await journal.faults(test.pool, SCHEMA)).toEqual([])

    await other.stop()
    await journal.schedule(observer, 'blocking', { jobId: 'afterwards' })
    await program.shows(/"began","jobId":"afterwards"/)
  })
})
