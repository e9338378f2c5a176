import {
  CancelError,
  defineBatchJob,
  NonRetryableError,
  type Scheduler,
  SnoozeError,
  type BatchJob,
  type SchedulerOptions,
} from 'belfry'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { batchScheduler, many } from './support/batch-scheduler.ts'
import { describeOnBothEngines } from './support/engines.ts'

type N = { n: number }

describeOnBothEngines('batch handlers', engine => {
  const make = (options: Partial<SchedulerOptions>) => batchScheduler(engine, options)

  it('due jobs come in calls of up to size, in order; an answer of nothing completes them all', async () => {
    const calls: number[][] = []
    const job = defineBatchJob<N>({
      type: 'sum',
      size: 4,
      handler: jobs => void calls.push(jobs.map(each => each.payload.n)),
    })
    const { scheduler } = await make({ jobs: [job] })
    const ids = await many(scheduler, job, 10)
    expect(await scheduler.runDueJobs()).toBe(10)
    expect(calls).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ])
    for (const id of ids) {
      expect(await scheduler.getJob(id)).toMatchObject({ status: 'completed', attempt: 1 })
      expect(await scheduler.getAttempts(id)).toMatchObject([{ attempt: 1, outcome: 'completed' }])
    }
  })

  it('an array answers each job in order: results, failures, snoozes and cancels', async () => {
    const job = defineBatchJob<N>({
      type: 'mixed',
      handler: jobs =>
        jobs.map(({ payload: { n }, context }) => {
          context.log(`n is ${n}`)
          if (n === 0) return { n }
          if (n === 1) return new Error('not this one')
          if (n === 2) return new SnoozeError('1h')
          if (n === 3) return new CancelError('nobody wants it')
          return new NonRetryableError('never')
        }),
    })
    const { scheduler, clock } = await make({ jobs: [job] })
    const ids = await many(scheduler, job, 5)
    await scheduler.runDueJobs()
    const jobs = await Promise.all(ids.map(id => scheduler.getJob(id)))
    expect(jobs[0]).toMatchObject({ status: 'completed', result: { n: 0 } })
    expect(jobs[1]).toMatchObject({ status: 'pending', retryCount: 1, errorMessage: 'not this one' })
    expect(jobs[2]).toMatchObject({ status: 'pending', retryCount: 0 })
    expect(jobs[2]?.scheduledTime).toEqual(new Date('2027-03-01T13:00:00Z'))
    expect(jobs[3]).toMatchObject({ status: 'cancelled', errorMessage: 'nobody wants it' })
    expect(jobs[4]).toMatchObject({ status: 'failed', errorMessage: 'never' })
    expect(await scheduler.getAttempts(ids[1] ?? '')).toMatchObject([{ outcome: 'failed', log: ['n is 1'] }])
    // Its retry comes in whatever batch is next.
    clock.advance('5m')
    expect(await scheduler.runDueJobs()).toBe(1)
  })

  it('a throw fails every job by its own retry count, and one of them may be at its end', async () => {
    let call = 0
    const job = defineBatchJob<N>({
      type: 'broken',
      handler: () => {
        call += 1
        throw new Error(`call ${call}`)
      },
    })
    const { scheduler } = await make({ jobs: [job] })
    const patient = await scheduler.scheduleJob(job, { n: 0 })
    const last = await scheduler.scheduleJob(job, { n: 1 }, { maxRetries: 0 })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(patient)).toMatchObject({ status: 'pending', retryCount: 1 })
    expect(await scheduler.getJob(last)).toMatchObject({ status: 'failed', errorMessage: 'call 1' })
    expect(call).toBe(1)
  })

  it('a job that a Map leaves out has failed; an answer that fits nobody fails all, without a retry', async () => {
    let answer: (jobs: readonly BatchJob<N>[]) => unknown = jobs => new Map([[jobs[0]?.jobId ?? '', 'done']])
    const job = defineBatchJob<N>({ type: 'careless', handler: jobs => answer(jobs) as undefined })
    const { scheduler } = await make({ jobs: [job] })
    const [kept, forgotten] = await many(scheduler, job, 2)
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(kept ?? '')).toMatchObject({ status: 'completed', result: 'done' })
    expect(await scheduler.getJob(forgotten ?? '')).toMatchObject({ status: 'pending', retryCount: 1 })
    expect(await scheduler.getAttempts(forgotten ?? '')).toMatchObject([{ errorCode: 'BELFRY_JOB_FORGOTTEN' }])
    answer = () => ['one answer']
    const ids = await many(scheduler, job, 2)
    await scheduler.runDueJobs()
    for (const id of ids) {
      expect(await scheduler.getJob(id)).toMatchObject({ status: 'failed' })
      expect(await scheduler.getAttempts(id)).toMatchObject([{ errorCode: 'BELFRY_INVALID_ANSWER' }])
    }
  })

  it('a job whose payload does not fit fails alone and is not handed over', async () => {
    const seen: number[] = []
    const job = defineBatchJob({
      type: 'strict',
      payload: z.object({ n: z.number() }),
      handler: jobs => void seen.push(...jobs.map(each => each.payload.n)),
    })
    const { scheduler } = await make({ jobs: [job] })
    const [first, spoiled] = await many(scheduler, job, 3)
    // As an older program would have stored it.
    expect(await changePayload(scheduler, spoiled?.jobId ?? '')).toBe(true)
    await scheduler.runDueJobs()
    expect(seen).toEqual([0, 2])
    expect(await scheduler.getJob(first ?? '')).toMatchObject({ status: 'completed' })
    expect(await scheduler.getJob(spoiled ?? '')).toMatchObject({ status: 'failed' })
    expect(await scheduler.getAttempts(spoiled ?? '')).toMatchObject([{ errorCode: 'BELFRY_INVALID_PAYLOAD' }])
  })

  async function changePayload(scheduler: Scheduler, jobId: string): Promise<boolean> {
    const schema = /"?([a-z_0-9]+)"?\.scheduled_jobs_live/.exec(scheduler.migrationSql())?.[1] ?? ''
    const changed = await engine.database.query(
      `update ${schema}.scheduled_jobs_live set payload = '{"n":"one"}' where job_id = $1::text returning job_id`,
      [jobId],
    )
    return changed.rows.length === 1
  }

  it('middleware goes around each job, and one it refuses is not handed over', async () => {
    const seen: string[] = []
    const job = defineBatchJob<N>({
      type: 'watched',
      handler: jobs => {
        seen.push(`call of ${jobs.length}`)
        return jobs.map(each => each.payload.n * 10)
      },
    })
    const { scheduler } = await make({
      jobs: [job],
      middleware: {
        execution: [
          async ({ payload }, next) => {
            if ((payload as N).n === 1) throw new NonRetryableError('refused')
            const result = await next()
            seen.push(`result ${String(result)}`)
            return result
          },
        ],
      },
    })
    const ids = await many(scheduler, job, 3)
    await scheduler.runDueJobs()
    expect(seen).toEqual(['call of 2', 'result 0', 'result 20'])
    expect(await scheduler.getJob(ids[1] ?? '')).toMatchObject({ status: 'failed', errorMessage: 'refused' })
    expect(await scheduler.getJob(ids[2] ?? '')).toMatchObject({ status: 'completed', result: 20 })
  })

  it('limits count jobs: of a key with one place, one job is in a batch', async () => {
    const calls: number[][] = []
    const job = defineBatchJob<N>({
      type: 'limited',
      limits: { perKey: { concurrency: 1 } },
      handler: jobs => void calls.push(jobs.map(each => each.payload.n)),
    })
    const { scheduler } = await make({ jobs: [job] })
    for (const n of [0, 1, 2]) await scheduler.scheduleJob(job, { n }, { concurrencyKey: 'ada' })
    await scheduler.scheduleJob(job, { n: 3 }, { concurrencyKey: 'bo' })
    await scheduler.runDueJobs()
    expect(calls.map(each => each.length)).toEqual([2, 1, 1])
  })

  it('steps are each job’s own, and what a job schedules exists if that job completed', async () => {
    let reserved = 0
    const job = defineBatchJob<N>({
      type: 'stepping',
      handler: jobs =>
        Promise.all(
          jobs.map(async ({ payload: { n }, context }) => {
            await context.step('reserve', () => (reserved += 1))
            await context.schedule('after', { n })
            return n === 1 && context.attempt === 1 ? new Error('later') : n
          }),
        ),
    })
    const { scheduler, clock } = await make({ jobs: [job] })
    await many(scheduler, job, 2)
    await scheduler.runDueJobs()
    expect((await scheduler.admin.listJobs({ jobType: 'after' })).jobs).toHaveLength(1)
    clock.advance('5m')
    await scheduler.runDueJobs()
    expect(reserved).toBe(2)
    expect((await scheduler.admin.listJobs({ jobType: 'after' })).jobs).toHaveLength(2)
  })

  it('jobs on their last chance run alone', async () => {
    const calls: number[][] = []
    const job = defineBatchJob<N>({
      type: 'suspect',
      maxLost: 2,
      handler: jobs => void calls.push(jobs.map(each => each.payload.n)),
    })
    const { scheduler } = await make({ jobs: [job], schema: `suspects_${engine.database.kind}` })
    const [, second] = await many(scheduler, job, 3)
    await engine.database.query(
      `update suspects_${engine.database.kind}.scheduled_jobs_live set lost_count = 1 where job_id = $1::text`,
      [second?.jobId],
    )
    await scheduler.runDueJobs()
    expect(calls).toContainEqual([1])
    expect(calls.flat().toSorted((a, b) => a - b)).toEqual([0, 1, 2])
  })

  it('each job has its own fence: one that was taken away is refused, the others complete', async () => {
    const schema = `fenced_${engine.database.kind}`
    const job = defineBatchJob<N>({
      type: 'fenced',
      handler: async jobs => {
        await engine.database.query(
          `update ${schema}.scheduled_jobs_live set lease_token = gen_random_uuid() where job_id = $1::text`,
          [jobs[1]?.jobId],
        )
      },
    })
    const { scheduler } = await make({ jobs: [job], schema })
    const lost: string[] = []
    scheduler.on('job:lease-lost', event => lost.push(event.jobId))
    const ids = await many(scheduler, job, 3)
    await scheduler.runDueJobs()
    expect(lost).toEqual([ids[1]?.jobId])
    const statuses = await Promise.all(ids.map(async id => (await scheduler.getJob(id))?.status))
    expect(statuses).toEqual(['completed', 'running', 'completed'])
  })
})
