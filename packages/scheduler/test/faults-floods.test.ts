import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { Pool } from 'pg'
import { expect, it, type TestContext } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'

const SCHEMA = 'flood'
/** `FLOOD=1000000` for the whole million; a tenth of it shows the same in CI's time. */
const JOBS = Number(process.env.FLOOD ?? 100_000)
const SCHEDULES = 1_000

async function begin(context: TestContext) {
  const test = await createTestDatabase()
  context.onTestFinished(() => test.drop())
  const observer = new Scheduler({ database: fromPool(test.pool), schema: SCHEMA })
  await observer.migrate()
  const start = async (handler: (payload: unknown) => void) => {
    const pool = new Pool({ connectionString: test.url, max: 6 })
    const scheduler = new Scheduler({ database: fromPool(pool), schema: SCHEMA })
    context.onTestFinished(async () => {
      await scheduler.stop()
      await pool.end()
    })
    scheduler.registerHandler('drop', handler)
    await scheduler.start()
    return scheduler
  }
  return { pool: test.pool, observer, start }
}

it('a flood of due jobs is worked off by two runners: each is done once, memory stays level', async context => {
  const { pool, observer, start } = await begin(context)
  await pool.query(
    `insert into ${SCHEMA}.scheduled_jobs_live (job_id, job_type, scheduled_time, payload)
     select 'drop-' || n, 'drop', now() - interval '1 hour' * random(), jsonb_build_object('n', n)
     from generate_series(0, $1::int - 1) n`,
    [JOBS],
  )
  await pool.query(`analyze ${SCHEMA}.scheduled_jobs_live`)
  const runs = new Uint8Array(JOBS)
  let done = 0
  let peakHeap = 0
  const before = process.memoryUsage().heapUsed
  const handler = (payload: unknown) => {
    const { n } = payload as { n: number }
    runs[n] = (runs[n] ?? 0) + 1
    done += 1
    if (done % 1_000 === 0) peakHeap = Math.max(peakHeap, process.memoryUsage().heapUsed)
  }
  await start(handler)
  await start(handler)
  await until('all are done', () => Promise.resolve(done === JOBS), 50_000)
  await until('all are settled', async () => (await observer.getStats()).counts.completed === JOBS)
  expect(runs.every(count => count === 1)).toBe(true)
  expect(done).toBe(JOBS)
  // A hundred thousand jobs would be far more than this if they were kept.
  expect(peakHeap - before).toBeLessThan(150 * 1024 * 1024)
  const { rows } = await pool.query(
    `select count(*)::int as attempts, count(distinct job_id)::int as jobs from ${SCHEMA}.job_execution_history`,
  )
  expect(rows[0]).toEqual({ attempts: JOBS, jobs: JOBS })
})

it('a thousand schedules that are due in the same second each fire once, with two runners on them', async context => {
  const { pool, observer, start } = await begin(context)
  await observer.applySchedule({ scheduleId: 'tick-0', job: 'drop', rule: '0 0 1 1 *', payload: { n: 0 } })
  await pool.query(
    `insert into ${SCHEMA}.belfry_schedules
     select (jsonb_populate_record(template, jsonb_build_object('schedule_id', 'tick-' || n,
       'payload', jsonb_build_object('n', n)))).*
     from ${SCHEMA}.belfry_schedules template cross join generate_series(1, $1::int - 1) n`,
    [SCHEDULES],
  )
  const runs = new Uint8Array(SCHEDULES)
  const handler = (payload: unknown) => {
    const { n } = payload as { n: number }
    runs[n] = (runs[n] ?? 0) + 1
  }
  await start(handler)
  await start(handler)
  await pool.query(
    `update ${SCHEMA}.belfry_schedules set next_occurrence = date_trunc('second', now()) + interval '1 second'`,
  )
  await observer.applySchedule({ scheduleId: 'nudge', job: 'nobody', rule: '0 0 1 1 *' })
  await until('all are done', async () => (await observer.getStats()).counts.completed >= SCHEDULES)
  const { rows } = await pool.query(
    `select count(*)::int as jobs, count(distinct schedule_id)::int as schedules,
       count(distinct occurrence)::int as occurrences
     from ${SCHEMA}.scheduled_jobs`,
  )
  expect(rows[0]).toEqual({ jobs: SCHEDULES, schedules: SCHEDULES, occurrences: 1 })
  expect(runs.every(count => count === 1)).toBe(true)
  const schedules = await observer.getSchedules()
  expect(schedules.filter(each => each.firedCount === 1)).toHaveLength(SCHEDULES)
})
