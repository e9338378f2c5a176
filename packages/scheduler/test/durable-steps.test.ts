import { BelfryError, Scheduler, type JobContext, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

const codeOf = (error: unknown) => (error instanceof BelfryError ? error.code : error)

describeOnBothEngines('durable steps', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5, ...options })
    await scheduler.migrate()
    const steps = async () =>
      (await engine.database.query<{ job_id: string; name: string }>(`select job_id, name from ${schema}.belfry_steps`))
        .rows
    /** Runs the job, and again after every backoff, until it has ended. */
    const runOut = async (jobId: string) => {
      for (;;) {
        await scheduler.runDueJobs()
        const job = await scheduler.getJob(jobId)
        if (job?.status !== 'pending') return job
        clock.advance('1h')
      }
    }
    return { clock, schema, scheduler, steps, runOut }
  }

  it('a step that ended is not done again when a later one fails', async () => {
    const { scheduler, runOut } = await make()
    const calls: string[] = []
    scheduler.registerHandler('import', async (_payload, { step, attempt }) => {
      const rows = await step('download', () => {
        calls.push('download')
        return Promise.resolve([{ id: 1 }, { id: 2 }])
      })
      const count = await step('store', () => {
        calls.push('store')
        if (attempt < 3) throw new Error('disk full')
        return rows.length
      })
      return { count }
    })
    const { jobId } = await scheduler.scheduleJob('import', { payload: {} })
    expect(await runOut(jobId)).toMatchObject({ status: 'completed', result: { count: 2 }, attempt: 3, retryCount: 2 })
    expect(calls).toEqual(['download', 'store', 'store', 'store'])
  })

  it('answers the first time what it will answer ever after: the result as JSON has it', async () => {
    const { scheduler, runOut } = await make()
    const answers: unknown[] = []
    scheduler.registerHandler('dated', async (_payload, { step, attempt }) => {
      const day = new Date('2027-03-01T00:00:00Z')
      answers.push([
        await step('date', () => ({ day, gone: undefined })),
        await step('nothing', () => undefined),
        await step('null', () => null),
        await step('false', () => Promise.resolve(false)),
      ])
      if (attempt === 1) throw new Error('once more')
    })
    await runOut((await scheduler.scheduleJob('dated', { payload: {} })).jobId)
    const answer = [{ day: '2027-03-01T00:00:00.000Z' }, undefined, null, false]
    expect(answers).toEqual([answer, answer])
  })

  it('a name is used once per attempt, and checked', async () => {
    const { scheduler } = await make()
    const codes: unknown[] = []
    scheduler.registerHandler('twice', async (_payload, { step }) => {
      await step('same', () => 1)
      for (const name of ['same', '', 'a\0b', 'x'.repeat(256), 7 as never]) {
        codes.push(
          codeOf(
            await step(name, () => 2).then(
              value => value,
              (error: unknown) => error,
            ),
          ),
        )
      }
    })
    await scheduler.scheduleJob('twice', { payload: {} })
    await scheduler.runDueJobs()
    expect(codes).toEqual(['BELFRY_DUPLICATE_STEP', ...Array.from({ length: 4 }, () => 'BELFRY_INVALID_JOB_ID')])
  })

  it('names that look like parts of objects are names like any other', async () => {
    const { scheduler, runOut } = await make()
    const names = ['__proto__', 'constructor', 'a b', 'it\'s "quoted" $1', 'ä 😀']
    let calls = 0
    scheduler.registerHandler('odd', async (_payload, { step, attempt }) => {
      const found = []
      for (const name of names) found.push(await step(name, () => ({ name, call: ++calls })))
      if (attempt === 1) throw new Error('once more')
      return found
    })
    const { jobId } = await scheduler.scheduleJob('odd', { payload: {} })
    expect(await runOut(jobId)).toMatchObject({ result: names.map((name, n) => ({ name, call: n + 1 })) })
  })

  it.each([
    ['too large', 'x'.repeat(300)],
    ['no JSON', { big: 1n }],
  ])('a result that is %s fails the job at once: the work is done and must not be done again', async (_, result) => {
    const { scheduler, runOut, steps } = await make({ maxPayloadBytes: 200 })
    let calls = 0
    scheduler.registerHandler('large', (_payload, { step }) =>
      step('work', () => {
        calls += 1
        return result
      }),
    )
    const { jobId } = await scheduler.scheduleJob('large', { payload: {} })
    const job = await runOut(jobId)
    expect(job).toMatchObject({ status: 'failed', attempt: 1 })
    expect(await scheduler.getAttempts(jobId)).toMatchObject([{ errorCode: 'BELFRY_STEP_RESULT' }])
    expect(calls).toBe(1)
    expect(await steps()).toEqual([])
  })

  it('a failed job that is redriven goes on where it failed', async () => {
    const { scheduler, runOut } = await make()
    let broken = true
    const calls: string[] = []
    scheduler.registerHandler('redriven', async (_payload, { step }) => {
      await step('first', () => void calls.push('first'))
      await step('second', () => {
        calls.push('second')
        if (broken) throw new Error('broken')
      })
    })
    const { jobId } = await scheduler.scheduleJob('redriven', { payload: {}, maxRetries: 0 })
    expect(await runOut(jobId)).toMatchObject({ status: 'failed' })
    broken = false
    await scheduler.redriveJob(jobId)
    expect(await runOut(jobId)).toMatchObject({ status: 'completed' })
    expect(calls).toEqual(['first', 'second', 'second'])
  })

  it('steps go when the job goes: by retention, and by hand', async () => {
    const { clock, schema, scheduler, steps } = await make()
    scheduler.registerHandler('stepping', (_payload, { step }) => step('only', () => 1))
    const { jobId } = await scheduler.scheduleJob('stepping', { payload: {} })
    await scheduler.runDueJobs()
    expect(await steps()).toHaveLength(1)
    clock.advance('8d')
    const young = await scheduler.scheduleJob('stepping', { payload: {} })
    await scheduler.runDueJobs()
    await scheduler.prune()
    expect(await scheduler.getJob(jobId)).toBeUndefined()
    expect(await steps()).toEqual([{ job_id: young.jobId, name: 'only' }])
    await engine.database.query(`delete from ${schema}.scheduled_jobs where job_id = $1`, [young.jobId])
    expect(await steps()).toEqual([])
  })

  it('steps go when everything about a person is erased, and when jobs are deleted in bulk', async () => {
    const { clock, scheduler, steps } = await make()
    scheduler.registerHandler('personal', async (payload, { step, sleep }) => {
      await step('noted', () => 'something personal')
      if ((payload as { sleeps: boolean }).sleeps) await sleep('long', '9d')
    })
    const subjects = ['user:42']
    await scheduler.scheduleJobs([
      { job: 'personal', payload: { sleeps: true }, subjects },
      { job: 'personal', payload: { sleeps: false }, subjects },
      { job: 'personal', payload: { sleeps: false } },
    ])
    await scheduler.runDueJobs()
    expect(await steps()).toHaveLength(4)
    await scheduler.admin.eraseSubject('user:42')
    expect(await steps()).toHaveLength(1)
    clock.advance('1s')
    await scheduler.admin.deleteJobs({ jobType: 'personal' })
    expect(await steps()).toEqual([])
  })

  it('costs no statement where nothing durable is done, and none to begin with in a first attempt', async () => {
    const statements: string[] = []
    const { database } = engine
    const counted = {
      ...database,
      query: <Row>(text: string, values?: readonly unknown[]) => {
        statements.push(text)
        return database.query<Row>(text, values)
      },
    }
    const { scheduler } = await make({ database: counted })
    scheduler.registerHandler('plain', (_payload, { effectKey }) => effectKey())
    scheduler.registerHandler('stepping', (_payload, { step }) => step('only', () => 1))
    const about = () => statements.filter(text => text.includes('belfry_steps') || text.includes('belfry_event')).length
    await scheduler.scheduleJob('plain', { payload: {} })
    await scheduler.runDueJobs()
    expect(about()).toBe(0)
    await scheduler.scheduleJob('stepping', { payload: {} })
    await scheduler.runDueJobs()
    expect(about()).toBe(1)
  })

  it('an attempt that lost its lease stores no step and is told so', async () => {
    const { schema, scheduler, steps } = await make()
    const heard: unknown[] = []
    scheduler.registerHandler('robbed', async (_payload, { step, heartbeat, signal, jobId }) => {
      await heartbeat()
      await step('kept', () => 1)
      await engine.database.query(`update ${schema}.scheduled_jobs_live set lease_token = gen_random_uuid()
        where job_id = '${jobId}'`)
      heard.push(codeOf(await step('refused', () => 2).catch((error: unknown) => error)))
      heard.push(codeOf(signal.reason))
      heard.push(codeOf(await heartbeat().catch((error: unknown) => error)))
    })
    await scheduler.scheduleJob('robbed', { payload: {} })
    await scheduler.runDueJobs()
    expect(heard).toEqual(['BELFRY_LEASE_LOST', 'BELFRY_LEASE_LOST', 'BELFRY_LEASE_LOST'])
    expect((await steps()).map(row => row.name)).toEqual(['kept'])
  })

  it('a heartbeat finds a lease that was lost, and a wish to cancel', async () => {
    const { schema, scheduler } = await make()
    const heard: unknown[] = []
    scheduler.registerHandler('long', async (payload, { heartbeat, jobId }) => {
      const { sql } = payload as { sql: string }
      await engine.database.query(`update ${schema}.scheduled_jobs_live set ${sql} where job_id = '${jobId}'`)
      heard.push(codeOf(await heartbeat().catch((error: unknown) => error)))
    })
    await scheduler.scheduleJob('long', { payload: { sql: 'lease_token = gen_random_uuid()' } })
    await scheduler.runDueJobs()
    const cancelled = await scheduler.scheduleJob('long', { payload: { sql: 'cancel_requested = true' } })
    await scheduler.runDueJobs()
    expect(heard).toEqual(['BELFRY_LEASE_LOST', 'BELFRY_JOB_CANCELLED'])
    // It returned all the same: what it did is done.
    expect(await scheduler.getJob(cancelled)).toMatchObject({ status: 'completed' })
  })

  it('a context that is used after its attempt ended says so', async () => {
    const { scheduler, steps } = await make()
    let leaked: JobContext | undefined
    const left = gate()
    let slow: Promise<unknown> = Promise.resolve()
    scheduler.registerHandler('leaking', (_payload, context) => {
      leaked = context
      slow = context.step('left behind', () => left.promise).catch((error: unknown) => error)
    })
    await scheduler.scheduleJob('leaking', { payload: {} })
    await scheduler.runDueJobs()
    left.open()
    const late = [
      slow,
      leaked?.step('late', () => 1),
      leaked?.sleep('late', 10),
      leaked?.waitForEvent('late', { timeout: 10 }),
      leaked?.once('late', () => 1),
      leaked?.confirmedEffect('late'),
      leaked?.heartbeat(),
      leaked?.progress(1),
    ]
    const codes = await Promise.all(late.map(async each => each?.catch((error: unknown) => error)))
    expect(codes.map(codeOf)).toEqual(Array.from({ length: late.length }, () => 'BELFRY_ATTEMPT_ENDED'))
    expect(await steps()).toEqual([])
  })

  it('an attempt that ran into its timeout takes no further step', async () => {
    const { scheduler } = await make()
    const heard = gate<unknown>()
    const begun = gate()
    const { clock } = await make()
    const timed = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock })
    await timed.migrate()
    timed.registerHandler('slow', async (_payload, { step, signal }) => {
      begun.open()
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      heard.open(codeOf(await step('after', () => 1).catch((error: unknown) => error)))
      throw signal.reason
    })
    const settled = nextSettled(timed)
    await timed.scheduleJob('slow', { payload: {}, timeout: '1s' })
    const running = timed.runDueJobs()
    await begun.promise
    clock.advance('2s')
    await running
    expect(await heard.promise).toBe('BELFRY_JOB_TIMEOUT')
    expect(await settled).toMatchObject({ outcome: 'failed', willRetry: true })
    await scheduler.stop()
  })
})
