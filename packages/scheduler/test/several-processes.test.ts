import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProgram, type Program } from '../../../test-support/child-process.ts'
import { startPostgresServer } from '../../../test-support/postgres-server.ts'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'

describe('several processes on one database', () => {
  let database: TestDatabase
  let scheduler: Scheduler
  let workers: Program[] = []

  beforeEach(async () => {
    database = await createTestDatabase()
    await database.pool.query('create table effects (job_id text, attempt int, kind text, pid int)')
    scheduler = new Scheduler({ database: fromPool(database.pool), schema: 'work' })
  })
  afterEach(async () => {
    for (const worker of workers) {
      worker.kill('SIGCONT')
      worker.kill('SIGKILL')
    }
    await Promise.all(workers.map(worker => worker.exited))
    workers = []
    await scheduler.stop()
    await database.drop()
  })

  const start = (url = database.url): Program => {
    const worker = startProgram('packages/scheduler/test/support/worker-process.mjs', {
      cwd: '/',
      env: { DATABASE_URL: url },
    })
    workers.push(worker)
    return worker
  }
  const startReady = async (): Promise<Program> => {
    const worker = start()
    await worker.shows(/"ready"/)
    return worker
  }
  const ended = (jobId: string) =>
    until('the job has ended', async () => {
      const job = await scheduler.getJob(jobId)
      return job && job.status !== 'pending' && job.status !== 'running' ? job : undefined
    })
  const outcomes = async (jobId: string) => (await scheduler.getAttempts(jobId)).map(each => each.outcome)

  it('start at once on an empty database, migrate it once, and run each of 600 jobs exactly once', async () => {
    const three = [start(), start(), start()]
    await Promise.all(three.map(worker => worker.shows(/"ready"/)))
    const jobs = await scheduler.scheduleJobs(Array.from({ length: 600 }, (_, n) => ({ job: 'quick', payload: { n } })))
    await until('all have ended', async () => (await scheduler.getStats()).counts.completed === 600)
    const { rows } = await database.pool.query('select job_id, count(*)::int as n from effects group by job_id')
    expect(rows).toHaveLength(600)
    expect(rows.every(row => row.n === 1)).toBe(true)
    const history = await database.pool.query(
      'select status, count(*)::int as n from work.job_execution_history group by status',
    )
    expect(history.rows).toEqual([{ status: 'completed', n: 600 }])
    expect(new Set(jobs.map(job => job.jobId)).size).toBe(600)
  })

  it('a job whose process is killed in the middle is done by another within a lease', async () => {
    const first = await startReady()
    const { jobId } = await scheduler.scheduleJob('patient', { payload: {} })
    await first.shows(/"begun"/)
    const second = await startReady()
    first.kill('SIGKILL')
    await second.shows(/"settled","outcome":"completed","attempt":2/)
    expect(await ended(jobId)).toMatchObject({ status: 'completed', lostCount: 1, retryCount: 0, result: 'done' })
    expect(await outcomes(jobId)).toEqual(['lost', 'completed'])
  })

  it('a process frozen for longer than its lease cannot settle what another has done meanwhile', async () => {
    const first = await startReady()
    const { jobId } = await scheduler.scheduleJob('frozen', { payload: {} })
    await first.shows(/"begun"/)
    first.kill('SIGSTOP')
    const second = await startReady()
    await second.shows(/"settled","outcome":"completed","attempt":2/)
    first.kill('SIGCONT')
    first.kill('SIGUSR2')
    await first.shows(/"lease-lost","attempt":1/)
    expect(await ended(jobId)).toMatchObject({ status: 'completed', result: 'attempt 2' })
    expect(await outcomes(jobId)).toEqual(['lost', 'completed'])
    // It is back among the living, under a new name.
    first.kill('SIGTERM')
    await first.shows(/"stopped"/)
  })

  it('a job that kills its process is given up after three of them', async () => {
    await scheduler.migrate()
    const { jobId } = await scheduler.scheduleJob('poison', { payload: {} })
    for (let crash = 0; crash < 3; crash += 1) await start().exited
    await startReady()
    expect(await ended(jobId)).toMatchObject({
      status: 'failed',
      lostCount: 3,
      errorMessage: expect.stringContaining('lost 3 times'),
    })
    expect(await outcomes(jobId)).toEqual(['lost', 'lost', 'lost'])
  })

  it('a process that is told to stop gives its job back unspent, and another does it', async () => {
    const first = await startReady()
    const { jobId } = await scheduler.scheduleJob('patient', { payload: {}, maxRetries: 0 })
    await first.shows(/"begun"/)
    first.kill('SIGTERM')
    expect(await first.exited).toEqual({ code: 0, signal: null })
    expect(await outcomes(jobId)).toEqual(['interrupted'])
    await startReady()
    expect(await ended(jobId)).toMatchObject({ status: 'completed', retryCount: 0, attempt: 2 })
  })

  it('a running job is cancelled from another process', async () => {
    const worker = await startReady()
    const { jobId } = await scheduler.scheduleJob('patient', { payload: {} })
    await worker.shows(/"begun"/)
    expect(await scheduler.cancelJob(jobId, { reason: 'not needed any more' })).toBe('requested')
    await worker.shows(/"settled","outcome":"cancelled"/)
    expect(await ended(jobId)).toMatchObject({ status: 'cancelled', errorMessage: 'not needed any more' })
  })

  it('an occurrence fires once however many processes run', async () => {
    await Promise.all([start(), start(), start()].map(worker => worker.shows(/"ready"/)))
    await scheduler.applySchedule({ scheduleId: 'tick', job: 'quick', rule: { every: '1s' } })
    await until('four occurrences have run', async () => (await scheduler.getStats()).counts.completed >= 4)
    await scheduler.removeSchedule('tick')
    const { rows } = await database.pool.query(
      'select occurrence, count(*)::int as n from work.scheduled_jobs where schedule_id is not null group by occurrence',
    )
    expect(rows.length).toBeGreaterThanOrEqual(4)
    expect(rows.every(row => row.n === 1)).toBe(true)
  })
})

describe('a PostgreSQL server that crashes and comes back', () => {
  it('costs no job: the runner comes back with it', async () => {
    const server = await startPostgresServer({ fsync: 'on' })
    const { Pool } = await import('pg')
    const pool = new Pool({ connectionString: server.url, max: 5 })
    const scheduler = new Scheduler({ database: fromPool(pool), schema: 'work', lease: '2s' })
    let runs = 0
    scheduler.registerHandler('count', () => {
      runs += 1
    })
    const errors: string[] = []
    scheduler.on('database:error', ({ during }) => errors.push(during))
    try {
      await scheduler.start()
      await scheduler.scheduleJob('count', { payload: {} })
      const later = await scheduler.scheduleJob('count', { payload: {}, delay: '1s' })
      await server.kill()
      await until('the runner notices', () => Promise.resolve(errors.length > 0))
      await server.start()
      const job = await until('the later job has ended', async () => {
        const found = await scheduler.getJob(later).catch(() => undefined)
        return found?.status === 'completed' ? found : undefined
      })
      expect(job.attempt).toBe(1)
      expect(runs).toBeGreaterThanOrEqual(2)
    } finally {
      await scheduler.stop()
      await pool.end()
      await server.remove()
    }
  })
})
