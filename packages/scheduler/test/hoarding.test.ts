import { defineJob, Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

const QUICK = 50
const WAITING = 200
const SLOTS = 2

describeOnBothEngines('jobs that cannot start soon', engine => {
  it('are left to others when the handlers of their type hang, however quick it was before', async () => {
    const hanging = gate()
    const clock = new TestClock()
    const job = defineJob<{ hangs: boolean }>({
      type: 'uneven',
      concurrency: SLOTS,
      handler: ({ hangs }) => (hangs ? hanging.promise : undefined),
    })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock, jobs: [job] })
    await scheduler.migrate()
    const jobs = Array.from({ length: QUICK + SLOTS + WAITING }, (_, index) => ({
      job,
      payload: { hangs: index >= QUICK },
    }))
    await scheduler.scheduleJobs(jobs)
    await scheduler.start()
    const counts = async () => (await scheduler.getStats()).counts
    try {
      await until('the quick ones are done', async () => (await counts()).completed === QUICK)
      // What was claimed ahead of the slots goes back, and does not come again.
      clock.advance('1100ms')
      await until('only those that run are held', async () => (await counts()).running === SLOTS)
      for (let second = 0; second < 4; second += 1) {
        clock.advance('1100ms')
        for (let turn = 0; turn < 20; turn += 1) await engine.database.query('select 1')
        expect((await counts()).running).toBe(SLOTS)
      }
    } finally {
      hanging.open()
      await scheduler.stop()
    }
  })
})
