import { Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

const IDS = ['stays', 'moves', 'moves twice', 'is taken away', 'says "quote" and \\backslash\\', '{braces},(1,2)']

describeOnBothEngines('rows that move while their jobs run', engine => {
  it('are settled where they are by then, each once; one whose lease was lost meanwhile is left alone', async () => {
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock: new TestClock() })
    const all = gate()
    let running = 0
    const started = gate()
    scheduler.registerHandler('errand', async () => {
      running += 1
      if (running === IDS.length) started.open()
      await all.promise
    })
    const lost: string[] = []
    scheduler.on('job:lease-lost', ({ jobId }) => lost.push(jobId))
    await scheduler.migrate()
    await scheduler.scheduleJobs(IDS.map(jobId => ({ job: 'errand', payload: {}, jobId })))

    const drained = scheduler.runDueJobs()
    await started.promise
    const change = (set: string, jobId: string) =>
      engine.database.query(`update ${schema}.scheduled_jobs set ${set} where job_id = $1`, [jobId])
    await change('payload = payload', 'moves')
    for (const _ of [1, 2]) await change('payload = payload', 'moves twice')
    await change('lease_token = gen_random_uuid()', 'is taken away')
    // Somebody waits for this one from now on: that moves its row too, and must be told.
    const waited = scheduler.waitFor('moves', { timeout: '1m' })
    all.open()
    await drained

    expect(lost).toEqual(['is taken away'])
    const jobs = await Promise.all(IDS.map(jobId => scheduler.getJob(jobId)))
    expect(jobs.map(job => job?.status)).toEqual(
      IDS.map(jobId => (jobId === 'is taken away' ? 'running' : 'completed')),
    )
    for (const jobId of IDS) {
      expect(await scheduler.getAttempts(jobId)).toHaveLength(jobId === 'is taken away' ? 0 : 1)
    }
    await expect(waited).resolves.toMatchObject({ status: 'completed' })
    await scheduler.stop()
  })
})
