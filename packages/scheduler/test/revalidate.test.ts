import { defineBatchJob, defineJob, Scheduler, type RevalidateAnswer, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'
type N = { n: number }

describeOnBothEngines('still relevant?', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock(START)
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5, ...options })
    await scheduler.migrate()
    return { clock, scheduler, schema }
  }
  /** A type whose check answers what its payload's number asks for. */
  const asking = (ran: number[], answers: (n: number) => RevalidateAnswer) =>
    defineJob<N>({
      type: 'asked',
      revalidate: ({ n }) => Promise.resolve(answers(n)),
      handler: ({ n }) => void ran.push(n),
    })

  it('run, skip with a reason, or postpone without spending anything', async () => {
    const ran: number[] = []
    let later: RevalidateAnswer = { postpone: '1h' }
    const job = asking(ran, n => (n === 1 ? { skip: 'she came back' } : n === 2 ? later : 'run'))
    const { scheduler, clock } = await make({ jobs: [job] })
    const started: string[] = []
    const settled: string[] = []
    scheduler.on('job:started', event => started.push(event.jobId))
    scheduler.on('job:settled', event => settled.push(`${event.jobId} ${event.outcome}`))
    const ids = (await scheduler.scheduleJobs([0, 1, 2, 3].map(n => ({ job, payload: { n } })))).map(each => each.jobId)
    await scheduler.runDueJobs()
    expect(ran).toEqual([0, 3])
    expect(started).toEqual([ids[0], ids[3]])
    expect(settled).toContain(`${ids[1]} cancelled`)
    expect(await scheduler.getJob(ids[1] ?? '')).toMatchObject({ status: 'cancelled', errorMessage: 'she came back' })
    expect(await scheduler.getAttempts(ids[1] ?? '')).toMatchObject([
      { outcome: 'cancelled', errorMessage: 'she came back' },
    ])
    const put = { status: 'pending', attempt: 0, retryCount: 0, scheduledTime: new Date('2027-03-01T13:00:00Z') }
    expect(await scheduler.getJob(ids[2] ?? '')).toMatchObject(put)
    expect(await scheduler.getAttempts(ids[2] ?? '')).toEqual([])
    later = 'run'
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(ran).toEqual([0, 3, 2])
    expect(await scheduler.getJob(ids[2] ?? '')).toMatchObject({ status: 'completed', attempt: 1 })
  })

  it('a check that throws, answers nonsense or cannot read the payload fails that job alone', async () => {
    const ran: number[] = []
    const job = defineJob({
      type: 'asked',
      payload: z.object({ n: z.number() }),
      revalidate: async ({ n }, { tx }) => {
        if (n === 1) throw new Error('no idea')
        if (n === 2) await tx.query('select 1 / 0')
        if (n === 3) return 'perhaps' as 'run'
        return 'run'
      },
      handler: ({ n }) => void ran.push(n),
    })
    const { scheduler, schema } = await make({ jobs: [job] })
    const ids = await scheduler.scheduleJobs([0, 1, 2, 3, 4, 5].map(n => ({ job, payload: { n } })))
    await engine.database.query(
      `update ${schema}.scheduled_jobs_live set payload = '{"n":"x"}' where job_id = $1::text`,
      [ids[4]?.jobId],
    )
    await scheduler.runDueJobs()
    expect(ran).toEqual([0, 5])
    const jobs = await Promise.all(ids.map(id => scheduler.getJob(id)))
    expect(jobs[1]).toMatchObject({ status: 'pending', retryCount: 1, errorMessage: 'no idea' })
    expect(jobs[2]).toMatchObject({ status: 'pending', retryCount: 1 })
    expect(jobs[3]).toMatchObject({ status: 'failed' })
    expect(jobs[4]).toMatchObject({ status: 'failed' })
    expect(await scheduler.getAttempts(ids[2] ?? '')).toMatchObject([{ outcome: 'failed', errorCode: '22012' }])
    expect(await scheduler.getAttempts(ids[3] ?? '')).toMatchObject([{ errorCode: 'BELFRY_INVALID_ANSWER' }])
    expect(await scheduler.getAttempts(ids[4] ?? '')).toMatchObject([{ errorCode: 'BELFRY_INVALID_PAYLOAD' }])
  })

  it('what a check writes is committed with the claim; what a failed one wrote is not', async () => {
    const { scheduler: first, schema, clock } = await make()
    await engine.database.query(`create table ${schema}.seen (n int)`)
    const job = defineJob<N>({
      type: 'noting',
      revalidate: async ({ n }, { tx }) => {
        await tx.query(`insert into ${schema}.seen values ($1::int)`, [n])
        if (n === 1) throw new Error('after the write')
        return 'run'
      },
      handler: () => {},
    })
    const scheduler = new Scheduler({ database: engine.database, schema, clock, jobs: [job] })
    await first.scheduleJobs([0, 1, 2].map(n => ({ job, payload: { n } })))
    await scheduler.runDueJobs()
    const seen = await engine.database.query<N>(`select n from ${schema}.seen order by n`)
    expect(seen.rows.map(row => row.n)).toEqual([0, 2])
  })

  it('a check that does not end in time fails its job; its tx answers no more', async () => {
    const late = gate<unknown>()
    const free = gate()
    const job = defineJob<N>({
      type: 'slow',
      maxRetries: 0,
      revalidate: async (_payload, { tx, signal }) => {
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        free.promise.then(() => tx.query('select 1')).catch(late.open)
        return new Promise(() => {})
      },
      handler: () => {},
    })
    const { scheduler, clock } = await make({ jobs: [job] })
    const { jobId } = await scheduler.scheduleJob(job, { n: 0 })
    const ticking = setInterval(() => clock.advance('1s'), 5)
    await scheduler.runDueJobs()
    clearInterval(ticking)
    expect(await scheduler.getAttempts(jobId)).toMatchObject([{ outcome: 'failed', errorCode: 'BELFRY_JOB_TIMEOUT' }])
    free.open()
    expect(await late.promise).toMatchObject({ code: 'BELFRY_ATTEMPT_ENDED' })
  })

  it('goes together with limits: a skipped job counts against none, and its followers go on', async () => {
    const ran: number[] = []
    const job = defineJob<N>({
      type: 'both',
      limits: { rate: { limit: 2, per: '1h' }, perKey: { fifo: true } },
      revalidate: async ({ n }) => (n % 2 ? { skip: 'odd' } : n === 2 ? { postpone: '1m' } : 'run'),
      handler: ({ n }) => void ran.push(n),
    })
    const { scheduler } = await make({ jobs: [job] })
    for (let n = 0; n < 6; n += 1) await scheduler.scheduleJob(job, { n }, { concurrencyKey: 'ada' })
    await scheduler.runDueJobs()
    expect(ran).toEqual([0, 4])
    // The last one is not asked before the rate lets another start.
    expect((await scheduler.getStats()).counts).toMatchObject({ completed: 2, cancelled: 2, pending: 2 })
  })

  it('a retry after a failed check comes before its followers in strict order', async () => {
    const ran: number[] = []
    let fails = true
    const job = defineJob<N>({
      type: 'strict',
      limits: { perKey: { fifo: true } },
      revalidate: async ({ n }) => {
        if (n === 0 && fails) throw new Error('not now')
        return 'run'
      },
      handler: ({ n }) => void ran.push(n),
    })
    const { scheduler, clock } = await make({ jobs: [job] })
    for (let n = 0; n < 3; n += 1) {
      await scheduler.scheduleJob(job, { n }, { concurrencyKey: 'ada' })
      clock.advance(1)
    }
    await scheduler.runDueJobs()
    expect(ran).toEqual([])
    fails = false
    clock.advance('5m')
    await scheduler.runDueJobs()
    expect(ran).toEqual([0, 1, 2])
  })

  it('goes together with batches, and with many more jobs than one claim asks about', async () => {
    const calls: number[][] = []
    const job = defineBatchJob<N>({
      type: 'batch',
      size: 50,
      revalidate: async ({ n }) => (n % 3 === 0 ? { skip: 'every third' } : 'run'),
      handler: jobs => void calls.push(jobs.map(each => each.payload.n)),
    })
    const { scheduler } = await make({ jobs: [job] })
    await scheduler.scheduleJobs(Array.from({ length: 60 }, (_, n) => ({ job, payload: { n } })))
    expect(await scheduler.runDueJobs()).toBe(40)
    expect(calls.flat()).toHaveLength(40)
    expect(calls.flat().some(n => n % 3 === 0)).toBe(false)
  })

  it('a job scheduled here and now is asked too, and one that is due later is asked when it is due', async () => {
    const asked: string[] = []
    let at = 0
    const job = defineJob<{ name: string }>({
      type: 'door',
      revalidate: async ({ name }, { scheduledTime }) => {
        asked.push(name)
        at = Date.now() - scheduledTime.getTime()
        return name === 'skipped' ? { skip: 'not any more' } : 'run'
      },
      handler: () => {},
    })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job] })
    await scheduler.start()
    let settled = nextSettled(scheduler)
    await scheduler.scheduleJob(job, { name: 'skipped' })
    expect(await settled).toMatchObject({ outcome: 'cancelled' })
    settled = nextSettled(scheduler)
    await scheduler.scheduleJob(job, { name: 'later' }, { delay: 250 })
    expect(await settled).toMatchObject({ outcome: 'completed' })
    expect(asked).toEqual(['skipped', 'later'])
    // The database says that it was due: this process's own clock may be a moment behind it.
    expect(at).toBeGreaterThan(-50)
    await scheduler.stop()
  })

  it('a check that always says at once is asked once a second at the most', async () => {
    let asked = 0
    const job = defineJob({
      type: 'eager',
      revalidate: async () => {
        asked += 1
        return { postpone: 0 }
      },
      handler: () => {},
    })
    const { scheduler, clock } = await make({ jobs: [job] })
    await scheduler.scheduleJob(job, {})
    await scheduler.runDueJobs()
    clock.advance('999ms')
    await scheduler.runDueJobs()
    expect(asked).toBe(1)
    clock.advance(1)
    await scheduler.runDueJobs()
    expect(asked).toBe(2)
  })
})
