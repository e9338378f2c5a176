import { defineBatchJob, defineJob, parseRule, Scheduler, type BatchJob, type Job, type ScheduledJob } from 'belfry'
import type { Database, Queryable } from 'belfry/database'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

/** Never called: what matters is that it compiles, and that the marked lines do not. */
export function calls(scheduler: Scheduler, database: Database, queryable: Queryable): unknown[] {
  const remind = defineJob({ type: 'remind', payload: z.object({ userId: z.string(), times: z.number().default(1) }) })
  return [
    scheduler.scheduleJob(remind, { userId: '42' }),
    scheduler.scheduleJob(
      remind,
      { userId: '42' },
      { delay: '1h', uniqueKey: 'a', onConflict: 'replace', maxWait: '1d' },
    ),
    scheduler.scheduleJob('any', { payload: { a: 1 }, scheduledTime: new Date() }),
    // @ts-expect-error a payload that does not fit
    scheduler.scheduleJob(remind, { userId: 42 }),
    // @ts-expect-error a payload that is missing
    scheduler.scheduleJob(remind),
    // @ts-expect-error two times at once
    scheduler.scheduleJob(remind, { userId: '42' }, { delay: '1h', scheduledTime: new Date() }),
    // @ts-expect-error what to do on a conflict that cannot happen
    scheduler.scheduleJob(remind, { userId: '42' }, { onConflict: 'replace' }),
    // @ts-expect-error a wait bound where nothing is put off
    scheduler.scheduleJob(remind, { userId: '42' }, { uniqueKey: 'a', maxWait: '1d' }),
    scheduler.scheduleJob(
      remind,
      { userId: '42' },
      { dependsOn: ['a', { jobId: 'b' }, { job: 'c', onFailure: 'wait' }] },
    ),
    scheduler.scheduleJob(remind, { userId: '42' }, { uniqueKey: 'a', onConflict: 'rerun' }),
    // @ts-expect-error a wait bound where nothing is put off
    scheduler.scheduleJob(remind, { userId: '42' }, { uniqueKey: 'a', onConflict: 'rerun', maxWait: '1d' }),
    // @ts-expect-error a policy nobody knows
    scheduler.scheduleJob(remind, { userId: '42' }, { dependsOn: [{ job: 'c', onFailure: 'hope' }] }),
    scheduler.scheduleFlow({
      a: { job: remind, payload: { userId: '42' } },
      b: { job: 'any', payload: { n: 1 }, after: ['a'], delay: '1h' },
      c: { job: remind, payload: { userId: '42' }, after: ['a', { job: 'b', onFailure: 'run' }] },
    }),
    scheduler.scheduleFlow({
      a: { job: remind, payload: { userId: '42' } },
      // @ts-expect-error a name that is not in the flow
      b: { job: remind, payload: { userId: '42' }, after: ['c'] },
    }),
    scheduler.scheduleFlow({
      // @ts-expect-error a payload that does not fit
      a: { job: remind, payload: { userId: 42 } },
    }),
    scheduler.scheduleFlow({ a: { job: remind, payload: { userId: '42' } } }).then(flow => [
      flow.a.jobId,
      // @ts-expect-error a name that was not in the flow
      flow.b,
    ]),
    scheduler.scheduleJob('any', { uniqueKey: 'a', onConflict: 'append', keepTime: true, payload: [] }),
    scheduler.scheduleJob('any', { uniqueKey: 'a', uniqueWhile: 'pending', onConflict: 'replace', maxWait: '1h' }),
    scheduler.scheduleJob('any', { uniqueKey: 'a', uniqueFor: '1h' }),
    // @ts-expect-error a time that is kept, and a bound for moving it
    scheduler.scheduleJob('any', { uniqueKey: 'a', onConflict: 'append', keepTime: true, maxWait: '1h' }),
    // @ts-expect-error a period without a key
    scheduler.scheduleJob('any', { uniqueFor: '1h' }),
    // @ts-expect-error a period, and a scope of another kind
    scheduler.scheduleJob('any', { uniqueKey: 'a', uniqueFor: '1h', uniqueWhile: 'pending' }),
    // @ts-expect-error a period in which the job may have ended long ago, and a wish to change it
    scheduler.scheduleJob('any', { uniqueKey: 'a', uniqueFor: '1h', onConflict: 'replace' }),
    // @ts-expect-error elements that would have nowhere to go while the job runs
    scheduler.scheduleJob('any', { uniqueKey: 'a', onConflict: 'append', uniqueWhile: 'unfinished' }),
    scheduler.cancelJob({ job: remind, uniqueKey: 'a' }),
    scheduler.changeJob({ jobType: 'any', uniqueKey: 'a' }, { delay: 0 }, { transaction: queryable }),
    // @ts-expect-error a finished job has no key that would name it
    scheduler.redriveJob({ jobType: 'any', uniqueKey: 'a' }),
    scheduler.scheduleJob('any', { timeZone: 'Europe/Berlin' }),
    scheduler.scheduleJob('any', { window: { from: '09:00', to: '20:00', timeZone: 'Europe/Berlin', spread: '1h' } }),
    scheduler.changeJob('id', { window: false, delay: 0 }),
    // @ts-expect-error a whole database, whose statements are committed one by one
    scheduler.changeJob('id', { delay: 0 }, { transaction: database }),
    // @ts-expect-error two time zones
    scheduler.scheduleJob('any', { window: { from: '09:00', to: '20:00' }, timeZone: 'Europe/Berlin' }),
    // @ts-expect-error the zone of a window that is none
    scheduler.scheduleJob('any', { window: false, timeZone: 'Europe/Berlin' }),
    // @ts-expect-error hours in two ways
    defineJob({ type: 'a', window: { from: '09:00', to: '20:00', hours: [{ from: '09:00', to: '20:00' }] } }),
    // @ts-expect-error no such day
    defineJob({ type: 'a', window: { from: '09:00', to: '20:00', days: ['monday'] } }),
    defineJob({
      type: 'a',
      limits: { rate: { limit: 50_000, per: '1m', burst: 10 }, perKey: { fair: true, fifo: true } },
    }),
    // @ts-expect-error one at a time, and four at a time
    defineJob({ type: 'a', limits: { perKey: { fifo: true, concurrency: 4 } } }),
    // @ts-expect-error a bucket without a rate to fill it
    defineJob({ type: 'a', limits: { rate: { burst: 10, per: '1m' } } }),
    // @ts-expect-error a budget without a span
    defineJob({ type: 'a', limits: { budget: { amount: 10 } } }),
    // @ts-expect-error an option nobody knows
    new Scheduler({ database, concurency: 5 }),
    // @ts-expect-error no database
    new Scheduler({}),
  ]
}

/** Never called, as above. */
export function definitions(scheduler: Scheduler): unknown[] {
  const type = 'any'
  const batch = defineBatchJob<{ n: number }>({ type, size: 10, wait: '50ms' })
  return [
    scheduler.scheduleJob(batch, { n: 1 }),
    // @ts-expect-error a payload that does not fit
    scheduler.scheduleJob(batch, { n: '1' }),
    defineJob<{ n: number }>({ type, revalidate: async ({ n }) => (n > 0 ? 'run' : { skip: 'none' }) }),
    defineJob({ type, revalidate: async () => 'run', transactional: true, handler: (_payload, { tx }) => tx }),
    // @ts-expect-error an answer that says nothing
    defineJob({ type, revalidate: async () => true }),
    // @ts-expect-error no transaction was asked for
    defineJob({ type, handler: (_payload, { tx }) => tx }),
    // @ts-expect-error no transaction was asked for
    defineJob({ type, transactional: false, handler: (_payload, { tx }) => tx }),
    // @ts-expect-error steps outlive a rollback
    defineJob({ type, transactional: true, handler: (_payload, { step }) => step }),
    // @ts-expect-error a batch is no transaction
    defineBatchJob({ type, transactional: true, handler: () => {} }),
    // @ts-expect-error an answer that fits no job
    defineBatchJob({ type, handler: () => 5 }),
    // @ts-expect-error options of a batch
    defineJob({ type, size: 10, handler: () => {} }),
  ]
}

/** Never called, as above: options that contradict one another, and rules that do. */
export function contradictions(scheduler: Scheduler, database: Database): unknown[] {
  const [start, by, rule] = [new Date(), '1h' as const, '@daily']
  const mail = defineJob<{ to: string }>({ type: 'mail', backoff: (retry, error) => (error ? retry : '1h') })
  const retries = { maxLost: 1, backoff: { initial: '1s', max: '1m', factor: 1.5, jitter: 0 } } as const
  return [
    parseRule({ cron: rule, start, count: 5 }),
    parseRule({ every: '1h', start, end: start }),
    // @ts-expect-error occurrences that are counted from nowhere
    parseRule({ cron: rule, count: 5 }),
    // @ts-expect-error occurrences that are counted from nowhere
    scheduler.applySchedule({ scheduleId: 'a', job: 'any', rule: { rrule: 'FREQ=DAILY', count: 5 } }),
    // @ts-expect-error two rules
    parseRule({ cron: rule, every: '1h' }),
    // @ts-expect-error two rules
    parseRule({ every: '1h', rrule: 'FREQ=DAILY' }),
    scheduler.scheduleJob('any', { expiresAt: start, delay: '1h' }),
    // @ts-expect-error two deadlines
    scheduler.scheduleJob('any', { expiresAt: start, expireAfter: '1h' }),
    scheduler.changeJob('id', { delay: '1h', timeZone: 'Europe/Berlin' }),
    // @ts-expect-error two times
    scheduler.changeJob('id', { delay: '1h', scheduledTime: start }),
    scheduler.admin.postponeJobs({ subject: 'user:42' }, { by }),
    // @ts-expect-error a span, and an instant
    scheduler.admin.postponeJobs({ subject: 'user:42' }, { by, to: start }),
    // @ts-expect-error neither
    scheduler.admin.postponeJobs({ subject: 'user:42' }, {}),
    // @ts-expect-error a transaction of one job among several
    scheduler.scheduleFlow({ a: { job: 'any', payload: 1, transaction: database } }),
    // @ts-expect-error a transaction of one job among several
    scheduler.scheduleBatch([{ job: 'any', transaction: database }], { job: 'any' }),
    // @ts-expect-error a transaction of one job among several
    scheduler.scheduleBatch([], { job: 'any', transaction: queryable }),
    scheduler.scheduleJob(mail, { to: '42' }, retries),
    scheduler.scheduleJobs([{ job: mail, payload: { to: '42' }, ...retries }]),
    // @ts-expect-error a function, which cannot be stored
    scheduler.scheduleJob('any', { backoff: () => '1h' }),
  ]
}

describe('types flow from the definition', () => {
  it('to batches and transactions', () => {
    const payload = z.object({ when: z.coerce.date() })
    defineBatchJob({
      type: 'batch',
      payload,
      handler: (jobs, { signal }) => {
        expectTypeOf(jobs).toEqualTypeOf<readonly BatchJob<{ when: Date }>[]>()
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
        return jobs.map(each => each.payload.when)
      },
    })
    defineJob({
      type: 'transaction',
      payload,
      transactional: true,
      revalidate: async (checked, { tx }) => {
        expectTypeOf(checked).toEqualTypeOf<{ when: Date }>()
        expectTypeOf(tx).toEqualTypeOf<Queryable>()
        return 'run'
      },
      handler: (parsed, { tx }) => {
        expectTypeOf(parsed).toEqualTypeOf<{ when: Date }>()
        expectTypeOf(tx).toEqualTypeOf<Queryable>()
      },
    })
  })

  it('to handlers and answers', () => {
    const job = defineJob({
      type: 'typed',
      payload: z.object({ when: z.coerce.date() }),
      handler: (payload, context) => {
        expectTypeOf(payload).toEqualTypeOf<{ when: Date }>()
        expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>()
      },
    })
    expectTypeOf(job.type).toEqualTypeOf<string>()
    expectTypeOf<Awaited<ReturnType<Scheduler['getJob']>>>().toEqualTypeOf<Job | undefined>()
    expectTypeOf<Awaited<ReturnType<Scheduler['scheduleJobs']>>>().toEqualTypeOf<readonly ScheduledJob[]>()
  })

  it('from handlers to whoever waits for their result, as it comes back from the database', () => {
    const count = defineJob({ type: 'count', payload: z.object({ n: z.number() }), handler: async ({ n }) => n + 1 })
    const book = defineJob({
      type: 'book',
      handler: () => ({ at: new Date(), seats: ['a'] as const, note: undefined as string | undefined, undo: () => {} }),
    })
    const silent = defineJob({ type: 'silent', handler: async () => {} })
    const resultOf = <Ended extends { status: string; result: unknown }>(ended: Ended) =>
      ended as Extract<Ended, { status: 'completed' }>
    expectTypeOf(async (scheduler: Scheduler) => {
      const [counted, booked, named] = await scheduler.scheduleJobs([
        { job: count, payload: { n: 1 } },
        { job: book },
        { job: 'any' },
      ])
      expectTypeOf(resultOf(await scheduler.waitFor(counted)).result).toEqualTypeOf<number>()
      expectTypeOf(resultOf(await scheduler.waitFor(booked)).result).toEqualTypeOf<{
        at: string
        seats: readonly ['a']
        note: string | undefined
      }>()
      expectTypeOf(resultOf(await scheduler.waitFor(named)).result).toEqualTypeOf<unknown>()
      const many = await scheduler.scheduleJobs([1, 2].map(n => ({ job: count, payload: { n } })))
      expectTypeOf(many).toEqualTypeOf<readonly ScheduledJob<number>[]>()
      const flow = await scheduler.scheduleFlow({
        one: { job: count, payload: { n: 1 } },
        two: { job: silent, after: ['one'] },
      })
      expectTypeOf(resultOf(await scheduler.waitFor(flow.one)).result).toEqualTypeOf<number>()
      expectTypeOf(resultOf(await scheduler.waitFor(flow.two)).result).toEqualTypeOf<null>()
      const batch = await scheduler.scheduleBatch([{ job: count, payload: { n: 1 } }], { job: book })
      expectTypeOf(batch.jobs[0]).toEqualTypeOf<ScheduledJob<number>>()
      expectTypeOf(resultOf(await scheduler.waitFor(batch.completion)).result.at).toEqualTypeOf<string>()
    }).toBeFunction()
  })
})
