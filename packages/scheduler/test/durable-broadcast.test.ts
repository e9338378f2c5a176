import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { expect, it } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'

const JOBS = 150
const EVENTS = 3

it('events for everybody, sent while two runners settle and wake the jobs, reach each job once and block nobody', async () => {
  const test = await createTestDatabase(20)
  const errors: unknown[] = []
  const schedulers = ['one', 'two'].map(() => {
    const scheduler = new Scheduler({ database: fromPool(test.pool), pollInterval: '10m', concurrency: 50 })
    scheduler.on('database:error', ({ error }) => errors.push(error))
    scheduler.registerHandler('listener', async (_payload, { waitForEvent, schedule }) => {
      const heard: unknown[] = []
      for (let n = 0; n < EVENTS; n += 1) heard.push(await waitForEvent('news', { step: `wait ${n}`, timeout: '1h' }))
      await schedule('follower', {})
      return heard
    })
    scheduler.registerHandler('follower', () => {})
    return scheduler
  })
  const [one, two] = schedulers
  if (!one || !two) throw new Error('there are two')
  try {
    await one.start()
    await two.start()
    const scheduled = one.scheduleJobs(Array.from({ length: JOBS }, () => ({ job: 'listener', payload: {} })))
    for (let n = 0; n < EVENTS; n += 1) {
      await until('somebody waits', async () => {
        const { rows } = await test.pool.query(`select from belfry.belfry_steps where not done limit 1`)
        return rows.length > 0
      })
      await two.sendEvent('news', { payload: n })
    }
    const jobs = await scheduled
    await until('all have ended', async () => (await one.getStats()).counts.completed === 2 * JOBS)
    for (const job of jobs) {
      const found = await one.getJob(job)
      expect(found?.result).toEqual([0, 1, 2])
      expect(found?.attempt).toBeLessThanOrEqual(EVENTS + 1)
    }
    expect(errors).toEqual([])
  } finally {
    await Promise.all(schedulers.map(scheduler => scheduler.stop()))
    await test.drop()
  }
})
