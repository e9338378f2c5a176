import { defineJob, Scheduler, type Limits } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

/** Statements: far more than a claim and what follows from it takes. */
const TURNS = 1_500

describeOnBothEngines('jobs that crashed their process and have one chance left', engine => {
  it.each<[string, { priority?: number; limits?: Limits; holding?: true }]>([
    ['of one type', {}],
    ['of low priority', { priority: -3 }],
    ['whose keys take turns', { limits: { concurrency: 2, perKey: { fair: true } } }],
    ['in strict order, retries', { limits: { concurrency: 2, perKey: { fair: true, fifo: true } }, holding: true }],
  ])(
    'run one at a time, and nobody looks for the others meanwhile: %s',
    async (_, { priority = 0, limits, holding }) => {
      const clock = new TestClock()
      const schema = engine.freshSchema()
      const begun: string[] = []
      const first = gate()
      const goOn = gate()
      const last = gate()
      const job = defineJob({
        type: 'poison',
        ...(limits && { limits }),
        handler: async (_payload, { jobId }) => {
          begun.push(jobId)
          first.open()
          await goOn.promise
          if (begun.length === 2) last.open()
        },
      })
      const scheduler = new Scheduler({ database: engine.database, schema, clock, jobs: [job] })
      await scheduler.migrate()
      await scheduler.scheduleJobs(['one', 'other'].map(jobId => ({ job, jobId, priority, concurrencyKey: jobId })))
      await engine.database.query(`update ${schema}.scheduled_jobs_live set lost_count = 2, admitted = $1::boolean`, [
        holding ?? null,
      ])
      let looks = 0
      scheduler.on('runner:claimed', () => (looks += 1))
      try {
        await scheduler.start()
        await first.promise
        for (let turn = 0; turn < TURNS; turn += 1) {
          await engine.database.query('select 1')
          await new Promise(resolve => setImmediate(resolve))
        }
        expect(begun).toEqual(['one'])
        expect(looks).toBeLessThan(6)
        goOn.open()
        while (begun.length < 2) {
          clock.advance('1s')
          await new Promise(resolve => setImmediate(resolve))
        }
        await last.promise
      } finally {
        // A scheduler that looks in a loop would go on after its story.
        goOn.open()
        await scheduler.stop()
      }
      expect(begun).toEqual(['one', 'other'])
    },
  )
})
