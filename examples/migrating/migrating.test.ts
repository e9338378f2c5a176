import type { PGlite } from '@electric-sql/pglite'
import { Scheduler, type SchedulerOptions } from 'belfry'
import { fromPglite, fromPool } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test-support/test-database.ts'
import { until } from '../../test-support/until.ts'
import { stopExport } from './cancelling.ts'
import { limited } from './concurrency.ts'
import { startMailing } from './define-and-start.ts'
import { moveJobsFromBullMq, type WaitingJob } from './jobs-from-bullmq.ts'
import { health, onGivenUp } from './monitoring.ts'
import { sendMails } from './now-and-later.ts'
import { startReporting } from './recurring.ts'
import { chargeCard } from './retries.ts'
import { rebuildOnce, saveSoon } from './unique-jobs.ts'
import { createPglite } from '../../test-support/embedded-database.ts'

describe('the calls shown in the migration guides', () => {
  let database: TestDatabase
  beforeEach(async () => {
    database = await createTestDatabase()
  })
  afterEach(() => database.drop())

  it('define, start, send now and later', async () => {
    const scheduler = await startMailing(fromPool(database.pool))
    const [now = '', soon = '', later = '', ...many] = await sendMails(scheduler)
    const sent = await until('the first mail is sent', async () => {
      const job = await scheduler.getJob(now)
      return job?.status === 'completed' && job
    })
    expect(sent.result).toEqual({ sentTo: 'ada@example.com' })
    const waiting = await Promise.all([soon, later, ...many].map(id => scheduler.getJob(id)))
    expect(waiting.map(job => [job?.jobType, job?.status])).toEqual([
      ['welcome_mail', 'pending'],
      ['welcome_mail', 'pending'],
      ['welcome_mail', 'pending'],
      ['count_mails', 'pending'],
    ])
    expect(await health(scheduler)).toMatchObject({ due: 0, failed: 0, nobodyRuns: ['count_mails'], runners: 1 })
    await scheduler.stop()
  })

  it('recurring schedules are stored, and started ones keep their limits', async () => {
    const scheduler = await startReporting(fromPool(database.pool))
    expect((await scheduler.getSchedules()).map(each => [each.scheduleId, each.rule, each.timeZone])).toEqual([
      ['morning', '30 2 * * *', 'Europe/Berlin'],
      ['pulse', 'every 30000ms', 'UTC'],
    ])
    await scheduler.stop()
    const other = limited(fromPool(database.pool))
    const many = Array.from({ length: 3 }, () => ({ job: 'make_thumbnail' }))
    await other.start()
    const ids = (await other.scheduleJobs(many)).map(({ jobId }) => jobId)
    await until('all thumbnails are made', async () => {
      const jobs = await Promise.all(ids.map(id => other.getJob(id)))
      return jobs.every(job => job?.status === 'completed')
    })
    await other.stop()
  })
})

describe('the calls shown in the migration guides, on a clock that is moved by hand', () => {
  let pglite: PGlite
  let stories = 0
  const clock = new TestClock()
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    stories += 1
    const schema = `story_${stories}`
    const scheduler = new Scheduler({ database: fromPglite(pglite), schema, clock, random: () => 0.5, ...options })
    await scheduler.migrate()
    return scheduler
  }
  beforeAll(async () => {
    pglite = await createPglite()
  })
  afterEach(() => vi.unstubAllGlobals())
  afterAll(() => pglite.close())

  it('retries: later at no cost, again with growing pauses, never again', async () => {
    const scheduler = await make({ jobs: [chargeCard] })
    const answers = [429, 500, 500, 404]
    vi.stubGlobal('fetch', () => Promise.resolve(new Response('', { status: answers.shift() ?? 200 })))
    const givenUp: string[] = []
    const off = onGivenUp(scheduler, (jobId, error) => givenUp.push(`${jobId}: ${(error as Error).message}`))
    await scheduler.scheduleJob(chargeCard, { url: 'http://bank.example' }, { jobId: 'charge-1' })
    for (const pause of ['0s', '20s', '1s', '2s']) {
      clock.advance(pause)
      expect(await scheduler.runDueJobs()).toBe(1)
    }
    off()
    expect(givenUp).toEqual(['charge-1: no such card'])
    expect(await scheduler.getJob('charge-1')).toMatchObject({ status: 'failed', attempt: 4, retryCount: 2 })
  })

  it('unique jobs: one rebuild, one save', async () => {
    const scheduler = await make()
    const first = await rebuildOnce(scheduler, 'people')
    expect(await rebuildOnce(scheduler, 'people')).toEqual({ jobId: first.jobId, conflict: true })
    expect((await rebuildOnce(scheduler, 'places')).conflict).toBe(false)
    const draft = await saveSoon(scheduler, 'letter', 'Dear')
    clock.advance('4s')
    await saveSoon(scheduler, 'letter', 'Dear Ada')
    const job = await scheduler.getJob(draft)
    expect(job?.payload).toEqual({ documentId: 'letter', text: 'Dear Ada' })
    expect(job && job.scheduledTime.getTime() - clock.now().getTime()).toBe(5_000)
  })

  it('cancelling tells what it met', async () => {
    const scheduler = await make()
    await scheduler.scheduleJob('export', { jobId: 'export-1', delay: '1h' })
    expect(await stopExport(scheduler, 'export-1')).toBe('cancelled: cancelled')
    expect(await stopExport(scheduler, 'export-1')).toBe('finished: cancelled')
    expect(await stopExport(scheduler, 'nobody')).toBe('not_found: gone')
  })

  it('jobs of BullMQ are stored first and removed second, and a second run only removes', async () => {
    const scheduler = await make()
    const removed: string[] = []
    const job = (id: string, more: Partial<WaitingJob> = {}): WaitingJob => ({
      id,
      name: 'resize',
      data: { id },
      timestamp: Date.UTC(2027, 0, 1, 12),
      delay: 0,
      attemptsMade: 0,
      opts: {},
      remove: () => {
        removed.push(id)
        return Promise.resolve()
      },
      ...more,
    })
    const crashing = job('2', {
      delay: 90_000,
      attemptsMade: 1,
      opts: { attempts: 5 },
      remove: () => Promise.reject(new Error('connection lost')),
    })
    await expect(moveJobsFromBullMq(scheduler, 'images', [job('1'), crashing])).rejects.toThrow('connection lost')
    await moveJobsFromBullMq(scheduler, 'images', [job('2')])
    expect(removed).toEqual(['1', '2'])
    expect(await scheduler.getJob('images:1')).toMatchObject({ payload: { id: '1' }, maxRetries: 0 })
    expect(await scheduler.getJob('images:2')).toMatchObject({
      jobType: 'resize',
      maxRetries: 3,
      scheduledTime: new Date('2027-01-01T12:01:30Z'),
    })
    expect((await scheduler.getStats()).counts.pending).toBe(2)
  })
})
