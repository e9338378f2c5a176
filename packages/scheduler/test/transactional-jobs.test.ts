import { defineJob, NonRetryableError, Scheduler, SnoozeError, type SchedulerOptions } from 'belfry'
import type { Queryable } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

type Note = { text: string }

describeOnBothEngines('transactional handlers', engine => {
  /** A scheduler, and a table of the program's own. */
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, ...options })
    await scheduler.migrate()
    await engine.database.query(`create table ${schema}.notes (text text not null)`)
    const write = async (tx: Queryable, text: string) => {
      await tx.query(`insert into ${schema}.notes values ($1::text)`, [text])
    }
    const notes = async () => {
      const found = await engine.database.query<Note>(`select text from ${schema}.notes order by text`)
      return found.rows.map(row => row.text)
    }
    return { scheduler, schema, write, notes }
  }

  it('what it writes, what it schedules and its completion are one: all of it or nothing', async () => {
    let fails = true
    const clock = new TestClock()
    const { scheduler, schema, write, notes } = await make({ clock })
    const job = defineJob<Note>({
      type: 'note',
      transactional: true,
      handler: async ({ text }, { tx, schedule, log, attempt }) => {
        log(`attempt ${attempt}`)
        await write(tx, text)
        await schedule('told', { text })
        await scheduler.scheduleJob('told too', { payload: { text }, transaction: tx })
        if (fails) throw new Error('after all the work')
        return { text }
      },
    })
    const other = new Scheduler({ database: engine.database, schema, clock, jobs: [job] })
    const { jobId } = await other.scheduleJob(job, { text: 'one' })
    await other.runDueJobs()
    expect(await notes()).toEqual([])
    expect(await other.getJob(jobId)).toMatchObject({ status: 'pending', retryCount: 1 })
    expect((await other.admin.listJobs({ jobType: ['told', 'told too'] })).jobs).toEqual([])
    fails = false
    clock.advance('1h')
    await other.runDueJobs()
    expect(await notes()).toEqual(['one'])
    expect(await other.getJob(jobId)).toMatchObject({ status: 'completed', result: { text: 'one' }, attempt: 2 })
    expect(await other.getAttempts(jobId)).toMatchObject([
      { outcome: 'failed', errorMessage: 'after all the work', log: ['attempt 1'] },
      { outcome: 'completed', log: ['attempt 2'] },
    ])
    expect((await other.admin.listJobs({ jobType: ['told', 'told too'] })).jobs).toHaveLength(2)
  })

  it('every other end rolls back and is what it is without a transaction', async () => {
    const { scheduler, write, notes, schema } = await make()
    const ends: Record<string, () => unknown> = {
      snoozed: () => Promise.reject(new SnoozeError('1h')),
      failed: () => Promise.reject(new NonRetryableError('never')),
      'caught sql': () => 'as if nothing were',
    }
    const job = defineJob<{ end: string }>({
      type: 'ending',
      transactional: true,
      maxRetries: 0,
      handler: async ({ end }, { tx }) => {
        await write(tx, end)
        if (end === 'caught sql') await tx.query('select 1 / 0').catch(() => {})
        return ends[end]?.()
      },
    })
    const runs = new Scheduler({ database: engine.database, schema, jobs: [job] })
    const ids = []
    for (const end of Object.keys(ends)) ids.push(await scheduler.scheduleJob(job, { end }))
    await runs.runDueJobs()
    const jobs = await Promise.all(ids.map(id => runs.getJob(id)))
    expect(jobs[0]).toMatchObject({ status: 'pending', retryCount: 0, lastOutcome: 'snoozed' })
    expect(jobs[1]).toMatchObject({ status: 'failed', errorMessage: 'never' })
    // An error that was swallowed has ended the transaction all the same: it could not be committed.
    expect(jobs[2]).toMatchObject({ status: 'failed' })
    expect(await notes()).toEqual([])
  })

  it('a stale handler’s writes are rolled back: its lease was lost meanwhile', async () => {
    const { scheduler, write, notes, schema } = await make()
    const job = defineJob<Note>({
      type: 'stale',
      transactional: true,
      handler: async ({ text }, { tx, jobId, attempt }) => {
        await write(tx, `${text} ${attempt}`)
        if (attempt > 1) return
        // As if another process had rescued and claimed it. Through the same connection where there is only one.
        const others = engine.database.kind === 'embedded' ? tx : engine.database
        await others.query(
          `update ${schema}.scheduled_jobs_live set lease_token = gen_random_uuid() where job_id = $1::text`,
          [jobId],
        )
      },
    })
    const runs = new Scheduler({ database: engine.database, schema, jobs: [job] })
    const lost: string[] = []
    runs.on('job:lease-lost', event => lost.push(event.jobId))
    const { jobId } = await scheduler.scheduleJob(job, { text: 'attempt' })
    await runs.runDueJobs()
    expect(lost).toEqual([jobId])
    // On the embedded database the theft was rolled back too, so that the job was given back and ran again.
    expect(await notes()).toEqual(engine.database.kind === 'embedded' ? ['attempt 2'] : [])
  })

  it('cancelled while it ran: even a handler that returned is rolled back', async () => {
    const { scheduler, write, notes, schema } = await make()
    const job = defineJob<Note>({
      type: 'unwanted',
      transactional: true,
      handler: async ({ text }, { tx, jobId }) => {
        await write(tx, text)
        const transaction = engine.database.kind === 'embedded' ? { transaction: tx } : {}
        await engineCancel(scheduler, jobId, transaction)
      },
    })
    const runs = new Scheduler({ database: engine.database, schema, jobs: [job] })
    const { jobId } = await scheduler.scheduleJob(job, { text: 'unwanted' })
    await runs.runDueJobs()
    expect(await notes()).toEqual([])
    const found = await runs.getJob(jobId)
    // On the embedded database the wish was part of the transaction, and is rolled back with it.
    expect(found).toMatchObject({ status: 'cancelled' })
  })

  async function engineCancel(scheduler: Scheduler, jobId: string, options: { transaction?: Queryable }) {
    expect(await scheduler.cancelJob(jobId, options)).toBe('requested')
  }

  it('a handler that outlives its timeout is rolled back at once, and its tx answers no more', async () => {
    const { write, notes, schema } = await make()
    const free = gate()
    const late = gate<unknown>()
    const job = defineJob<Note>({
      type: 'deaf',
      transactional: true,
      timeout: 50,
      maxRetries: 0,
      handler: async ({ text }, { tx }) => {
        await write(tx, text)
        await free.promise
        await write(tx, 'late').catch(late.open)
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job] })
    await scheduler.start()
    const settled = nextSettled(scheduler)
    await scheduler.scheduleJob(job, { text: 'early' })
    expect(await settled).toMatchObject({ outcome: 'failed', error: { code: 'BELFRY_JOB_TIMEOUT' } })
    expect(await notes()).toEqual([])
    free.open()
    expect(await late.promise).toMatchObject({ code: 'BELFRY_ATTEMPT_ENDED' })
    await scheduler.stop()
    expect(await notes()).toEqual([])
  })

  it('a stopping process rolls back what does not end in time, and gives back what waits', async () => {
    const { write, notes, schema } = await make()
    const running = gate()
    const job = defineJob<Note>({
      type: 'halted',
      transactional: true,
      handler: async ({ text }, { tx, signal }) => {
        await write(tx, text)
        running.open()
        await new Promise(resolve => signal.addEventListener('abort', resolve))
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job], gracePeriod: 0 })
    await scheduler.migrate()
    const ids = await scheduler.scheduleJobs(
      Array.from({ length: 12 }, (_, n) => ({ job, payload: { text: `note ${n}` } })),
    )
    await scheduler.start()
    await running.promise
    await scheduler.stop()
    expect(await notes()).toEqual([])
    for (const id of ids) {
      expect(await scheduler.getJob(id)).toMatchObject({ status: 'pending', retryCount: 0, lostCount: 0 })
    }
  })

  it('progress and heartbeats work inside; what would outlive a rollback is refused', async () => {
    const { schema } = await make()
    const refused: unknown[] = []
    const job = defineJob({
      type: 'inside',
      transactional: true,
      handler: async (_payload, context) => {
        await context.progress({ half: true })
        await context.heartbeat()
        for (const name of ['step', 'sleep', 'waitForEvent', 'once', 'confirmEffect', 'confirmedEffect'] as const) {
          // @ts-expect-error not there inside a transaction
          const use = () => context[name]
          try {
            use()
          } catch (error) {
            refused.push((error as { code: string }).code)
          }
        }
        return context.effectKey().length
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job] })
    const { jobId } = await scheduler.scheduleJob(job, {})
    await scheduler.runDueJobs()
    expect(refused).toEqual(Array.from({ length: 6 }, () => 'BELFRY_NOT_IN_TRANSACTION'))
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: 25, progress: { half: true } })
  })

  it('a follower whose id is taken fails the job for good, and nothing is written', async () => {
    const { write, notes, schema } = await make()
    const job = defineJob<Note>({
      type: 'leader',
      transactional: true,
      handler: async ({ text }, { tx, schedule }) => {
        await write(tx, text)
        await schedule('follower', {}, { jobId: 'taken' })
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job] })
    await scheduler.scheduleJob('any', { jobId: 'taken' })
    const { jobId } = await scheduler.scheduleJob(job, { text: 'none' })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'failed' })
    expect(await scheduler.getAttempts(jobId)).toMatchObject([{ errorCode: 'BELFRY_DUPLICATE_JOB_ID' }])
    expect(await notes()).toEqual([])
  })

  it('limits are given back when the transaction has ended, and many jobs take turns', async () => {
    const { write, notes, schema } = await make()
    let open = 0
    let most = 0
    const job = defineJob<Note>({
      type: 'crowd',
      transactional: true,
      limits: { perKey: { concurrency: 1 } },
      handler: async ({ text }, { tx }) => {
        open += 1
        most = Math.max(most, open)
        await write(tx, text)
        open -= 1
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job] })
    const texts = Array.from({ length: 30 }, (_, n) => `${n}`.padStart(2, '0'))
    await scheduler.scheduleJobs(texts.map((text, n) => ({ job, payload: { text }, concurrencyKey: `key ${n % 10}` })))
    expect(await scheduler.runDueJobs()).toBe(30)
    expect(await notes()).toEqual(texts)
    expect(most).toBeLessThanOrEqual(Math.max(1, engine.database.maxConnections - 3))
  })

  it('scheduling past the transaction is refused where there is one connection, instead of waiting for ever', async () => {
    const { schema } = await make()
    const job = defineJob({
      type: 'past',
      transactional: true,
      maxRetries: 0,
      handler: async () => {
        await scheduler.scheduleJob('other', {})
      },
    })
    const scheduler: Scheduler = new Scheduler({ database: engine.database, schema, jobs: [job] })
    await scheduler.start()
    const settled = nextSettled(scheduler, event => event.jobType === 'past')
    await scheduler.scheduleJob(job, {})
    expect(await settled).toMatchObject(
      engine.database.kind === 'server'
        ? { outcome: 'completed' }
        : { outcome: 'failed', error: { code: 'BELFRY_NESTED_QUERY' } },
    )
    await scheduler.stop()
  })
})
