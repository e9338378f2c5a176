import { defineJob, payloadCipher, Scheduler } from 'belfry'
import { assertScheduled, TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { nextSettled } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'

describeOnBothEngines('options of a job', engine => {
  function begin(options: Partial<ConstructorParameters<typeof Scheduler>[0]> = {}) {
    const clock = new TestClock(START)
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock, ...options })
    return { clock, scheduler }
  }

  it('priority: of jobs that wait, those of higher priority come first, and waiting makes up for a low one', async () => {
    const order: string[] = []
    const job = defineJob<{ name: string }>({
      type: 'ranked',
      concurrency: 1,
      handler: ({ name }) => void order.push(name),
    })
    const { scheduler, clock } = begin({ jobs: [job] })
    await scheduler.migrate()
    await scheduler.scheduleJob(job, { name: 'old and low' }, { priority: -1 })
    clock.advance('15s')
    await scheduler.scheduleJob(job, { name: 'plain' })
    await scheduler.scheduleJob(job, { name: 'low' }, { priority: -10 })
    await scheduler.scheduleJob(job, { name: 'high' }, { priority: 5 })
    await scheduler.scheduleJob(job, { name: 'highest, but later' }, { priority: 100, delay: '1s' })
    // A low one waits for the others, not for its own sake: it runs as soon as a slot would be idle.
    expect(await scheduler.runDueJobs()).toBe(4)
    expect(order).toEqual(['high', 'old and low', 'plain', 'low'])
    clock.advance('1s')
    await scheduler.runDueJobs()
    expect(order.at(-1)).toBe('highest, but later')
  })

  it('a waiting job can be moved ahead and given more retries', async () => {
    const order: string[] = []
    const job = defineJob<{ name: string }>({ type: 'moved', handler: ({ name }) => void order.push(name) })
    const { scheduler } = begin({ jobs: [job] })
    await scheduler.migrate()
    await scheduler.scheduleJob(job, { name: 'first' })
    const late = await scheduler.scheduleJob(job, { name: 'second' })
    expect(await scheduler.changeJob(late, { priority: 7, maxRetries: 9 })).toBe(true)
    await expect(scheduler.changeJob(late, { priority: 700 })).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
    await scheduler.runDueJobs()
    expect(order).toEqual(['second', 'first'])
    expect(await scheduler.getJob(late)).toMatchObject({ priority: 7, maxRetries: 9 })
  })

  it('assertScheduled answers the jobs a test expects, or says what is there instead', async () => {
    const { scheduler } = begin()
    await scheduler.migrate()
    await scheduler.scheduleJob('mail', { payload: { to: 'ada' }, subjects: ['user:1'] })
    const [job] = await assertScheduled(scheduler, { jobType: 'mail', subject: 'user:1', times: 1 })
    expect(job?.payload).toEqual({ to: 'ada' })
    const wrong = { jobType: 'mail', payload: (payload: unknown) => JSON.stringify(payload).includes('bo') }
    await expect(assertScheduled(scheduler, wrong)).rejects.toThrow(/expected a job of type "mail", got 0.*ada/)
    await expect(assertScheduled(scheduler, { jobType: 'mail', times: 2 })).rejects.toMatchObject({
      code: 'BELFRY_NOT_SCHEDULED',
    })
  })

  it('a deadline: a job that could not start in time is cancelled, run late, or put off with its deadline', async () => {
    const ran: string[] = []
    const types = (['drop', 'run', { reschedule: '1h' }] as const).map(onExpired =>
      defineJob({
        type: typeof onExpired === 'string' ? onExpired : 'reschedule',
        expireAfter: '5m',
        onExpired,
        handler: (_payload, { jobType }) => void ran.push(jobType),
      }),
    )
    const { scheduler, clock } = begin({ jobs: types })
    await scheduler.migrate()
    const ids: string[] = []
    for (const job of types) ids.push((await scheduler.scheduleJob(job, {})).jobId)
    clock.advance('6m')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['run'])
    expect(await scheduler.getJob(ids[0] ?? '')).toMatchObject({ status: 'cancelled', errorMessage: 'expired' })
    const putOff = await scheduler.getJob(ids[2] ?? '')
    expect(putOff).toMatchObject({
      status: 'pending',
      retryCount: 0,
      scheduledTime: new Date('2027-03-01T13:06:00Z'),
      expiresAt: new Date('2027-03-01T13:11:00Z'),
    })
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['run', 'reschedule'])
  })

  it('subjects, tags and metadata are kept with the job, live and finished', async () => {
    const { scheduler } = begin()
    scheduler.registerHandler('noted', () => 'done')
    await scheduler.migrate()
    const about = { subjects: ['user:42', 'guild:7'], tags: ['mail'], metadata: { source: 'web' } }
    const { jobId } = await scheduler.scheduleJob('noted', { ...about })
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'pending', ...about })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', ...about })
  })

  it('encrypted payloads are unreadable in the table, readable by handlers, also under an older key', async () => {
    const oldKey = Buffer.alloc(32, 1)
    const seen: unknown[] = []
    const job = defineJob<{ secret: string }>({ type: 'private', handler: payload => void seen.push(payload) })
    const { scheduler } = begin({
      jobs: [job],
      schema: 'cipher_story',
      payloadCipher: payloadCipher({ keys: { old: oldKey }, current: 'old' }),
    })
    await scheduler.migrate()
    const { jobId } = await scheduler.scheduleJob(job, { secret: 'the cake is in the oven' })
    const rows = await engine.database.query<{ text: string }>(
      `select payload::text as text from cipher_story.scheduled_jobs where job_id = $1::text`,
      [jobId],
    )
    expect(rows.rows[0]?.text).not.toContain('cake')
    const rotated = begin({
      jobs: [job],
      schema: 'cipher_story',
      payloadCipher: payloadCipher({ keys: { old: oldKey, new: Buffer.alloc(32, 2) }, current: 'new' }),
    }).scheduler
    expect((await rotated.getJob(jobId))?.payload).toEqual({ secret: 'the cake is in the oven' })
    expect(await rotated.runDueJobs()).toBe(1)
    expect(seen).toEqual([{ secret: 'the cake is in the oven' }])
    const keyless = begin({ schema: 'cipher_story' }).scheduler
    expect(JSON.stringify((await keyless.getJob(jobId))?.payload)).toContain('aes-256-gcm')
    await expect(
      keyless.scheduleJob('private', { payload: (await keyless.getJob(jobId))?.payload }),
    ).rejects.toMatchObject({ code: 'BELFRY_INVALID_PAYLOAD' })
  })

  it('middleware sees every call and every attempt, and what it leaves with a job comes back to it', async () => {
    const seen: string[] = []
    const job = defineJob<{ n: number }>({ type: 'watched', handler: ({ n }) => n * 2 })
    const { scheduler } = begin({
      jobs: [job],
      middleware: {
        scheduling: [
          (call, next) => {
            for (const each of call.jobs) each.metadata['trace'] = 'abc'
            return next()
          },
        ],
        execution: [
          async ({ job: facts, payload }, next) => {
            const result = await next()
            seen.push(
              `${facts.jobType} ${JSON.stringify(payload)} ${facts.metadata['trace']} ${JSON.stringify(result)}`,
            )
            return result
          },
        ],
      },
    })
    await scheduler.migrate()
    const { jobId } = await scheduler.scheduleJob(job, { n: 21 })
    await scheduler.runDueJobs()
    expect(seen).toEqual(['watched {"n":21} abc 42'])
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: 42, metadata: { trace: 'abc' } })
  })

  it('a job that its own process takes in passing keeps its metadata, deadline and zone', async () => {
    const schema = engine.freshSchema()
    const seen: unknown[] = []
    const scheduler = new Scheduler({
      database: engine.database,
      schema,
      middleware: { execution: [({ job }, next) => (seen.push(job.metadata), next())] },
    })
    scheduler.registerHandler('noted', () => {})
    await scheduler.start()
    const settled = nextSettled(scheduler)
    await scheduler.scheduleJob('noted', { metadata: { source: 'web' }, expireAfter: '1h', timeZone: 'Asia/Tokyo' })
    await settled
    await scheduler.stop()
    expect(seen).toEqual([{ source: 'web' }])
  })

  it('options that make no sense are refused at the call, and nothing is written', async () => {
    const { scheduler } = begin()
    await scheduler.migrate()
    const refused = [
      { priority: 101 },
      { priority: 1.5 },
      { subjects: ['a\u0000b'] },
      { subjects: Array.from({ length: 30 }, (_, n) => `s${n}`) },
      { tags: [''] },
      { metadata: { big: 'x'.repeat(5_000) } },
      { expireAfter: -1 },
      { expiresAt: new Date('9999-01-01') },
    ]
    for (const options of refused) {
      await expect(scheduler.scheduleJob('any', options)).rejects.toMatchObject({
        code: expect.stringMatching(/^BELFRY_/) as string,
      })
    }
    expect((await scheduler.getStats()).counts.pending).toBe(0)
  })
})
