import {
  CancelError,
  defineBatchJob,
  defineJob,
  Scheduler,
  type BatchJob,
  type BulkJob,
  type EndedJob,
  type Job,
  type JobDefinition,
  type ScheduledJob,
  type ScheduleDefinition,
} from 'belfry'
import type { Database, Queryable } from 'belfry/database'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

interface Rendered {
  urls: string[]
  pages: number
}

/** Never called: what matters is that it compiles, and that the marked lines do not. */
export function calls(scheduler: Scheduler, database: Database): unknown[] {
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
    scheduler.changeJob({ jobType: 'any', uniqueKey: 'a' }, { delay: 0 }, { transaction: database }),
    // @ts-expect-error a finished job has no key that would name it
    scheduler.redriveJob({ jobType: 'any', uniqueKey: 'a' }),
    scheduler.scheduleJob('any', { timeZone: 'Europe/Berlin' }),
    scheduler.scheduleJob('any', { window: { from: '09:00', to: '20:00', timeZone: 'Europe/Berlin', spread: '1h' } }),
    scheduler.changeJob('id', { window: false, delay: 0 }),
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

/** Never called, as above: payloads of many jobs, of schedules, and of a job that is there already. */
export function payloads(scheduler: Scheduler, names: readonly string[], database: Database): unknown[] {
  const mail = defineJob({ type: 'mail', payload: z.object({ to: z.string(), copies: z.number().default(1) }) })
  const count = defineJob<{ n: number }>({ type: 'count' })
  const tick = defineJob({ type: 'tick' })
  const sweep = defineJob({ type: 'sweep', payload: z.object({ deep: z.boolean().optional() }) })
  const mails = names.map(to => ({ job: mail, payload: { to }, delay: '1h' as const }))
  const counts = names.map(n => ({ job: count, payload: { n } }))
  const crossed = names.map((to, n) => (n > 9 ? { job: count, payload: { to } } : { job: mail, payload: { n } }))
  const collected: BulkJob[] = [...mails, { job: count, payload: { n: 1 } }, { job: 'any' }]
  const rule = '@daily'
  const weekly = { scheduleId: 'a', job: mail, payload: { to: '42' }, rule } satisfies ScheduleDefinition
  const spoiled = { scheduleId: 'a', job: mail, payload: { to: 42 }, rule } satisfies ScheduleDefinition
  return [
    scheduler.scheduleJobs([]),
    scheduler.scheduleJobs(mails),
    scheduler.scheduleJobs(Object.freeze(mails), { transaction: database }),
    scheduler.scheduleJobs(collected),
    scheduler.scheduleJobs(
      names.map((to, n) => (n > 9 ? { job: mail, payload: { to } } : { job: count, payload: { n } })),
    ),
    scheduler.scheduleJobs(names.map((to, n) => (n > 9 ? { job: mail, payload: { to } } : { job: 'any', tags: [to] }))),
    scheduler.scheduleJobs([...mails, ...names.map(name => ({ job: 'any', tags: [name] }))]),
    scheduler.scheduleJobs(Array.from(names, to => ({ job: 'any', payload: { to } }))),
    scheduler.scheduleJobs([
      ...mails,
      { job: count, payload: { n: 1 } },
      { job: tick },
      { job: sweep },
      { job: 'any', payload: [] },
    ]),
    scheduler.scheduleBatch(mails, { job: count, payload: { n: 1 }, delay: '1h' }),
    scheduler.scheduleBatch([], { job: 'any' }),
    // @ts-expect-error a payload that does not fit
    scheduler.scheduleJobs([{ job: count, payload: { n: 1 } }, { job: mail, payload: { to: 42 } }, { job: 'any' }]),
    // @ts-expect-error a payload that is missing
    scheduler.scheduleJobs([{ job: mail }]),
    // @ts-expect-error payloads that do not fit, however many
    scheduler.scheduleJobs(counts),
    // @ts-expect-error payloads of one another
    scheduler.scheduleJobs(crossed),
    // @ts-expect-error a transaction for one of them
    scheduler.scheduleJobs([{ job: 'any', transaction: database }]),
    // @ts-expect-error an option nobody knows
    scheduler.scheduleJobs([{ job: mail, payload: { to: '42' }, dely: '1h' }]),
    // @ts-expect-error payloads that do not fit, however many
    scheduler.scheduleBatch(counts, { job: 'any' }),
    // @ts-expect-error a completion whose payload does not fit
    scheduler.scheduleBatch(mails, { job: count, payload: { n: '1' } }),
    scheduler.applySchedule({ scheduleId: 'a', job: tick, rule }),
    scheduler.applySchedules([weekly, { scheduleId: 'b', job: 'any', payload: 1, rule }]),
    new Scheduler({ database, schedules: [weekly, { scheduleId: 'b', job: count, payload: { n: 1 }, rule }] }),
    // @ts-expect-error a payload that does not fit
    scheduler.applySchedule({ scheduleId: 'a', job: mail, payload: { to: 42 }, rule }),
    // @ts-expect-error a payload that is missing
    scheduler.applySchedule({ scheduleId: 'a', job: mail, rule }),
    // @ts-expect-error a payload that does not fit, known from elsewhere
    scheduler.applySchedules([weekly, spoiled]),
    // @ts-expect-error a payload that does not fit
    new Scheduler({ database, schedules: [weekly, { scheduleId: 'b', job: count, payload: { n: '1' }, rule }] }),
    scheduler.changeJob('id', { payload: 42 }),
    scheduler.changeJob({ jobType: 'mail', uniqueKey: 'a' }, { payload: 42 }),
    scheduler.changeJob({ job: mail, uniqueKey: 'a' }, { payload: { to: '42' }, delay: '1h' }),
    scheduler.changeJob({ job: mail, uniqueKey: 'a' }, { delay: '1h' }),
    // @ts-expect-error a payload that does not fit
    scheduler.changeJob({ job: mail, uniqueKey: 'a' }, { payload: { to: 42 } }),
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

  it('from handlers to whoever waits for their results', () => {
    const payload = z.object({ pages: z.number() })
    const render = defineJob({ type: 'render', payload, handler: async ({ pages }) => ({ urls: ['a'], pages }) })
    const plain = defineJob({ type: 'plain', handler: (of: { n: number }, { log }) => (log('n'), of.n > 1) })
    const stored = defineJob({
      type: 'stored',
      transactional: true,
      handler: async (_payload, { tx }) => (await tx.query('select')).rows.length,
    })
    const silent = defineJob({ type: 'silent', payload, handler: () => {} })
    const remote = defineJob({ type: 'remote', payload })
    const batch = defineBatchJob({
      type: 'batch',
      payload,
      handler: async jobs => jobs.map(({ payload: { pages } }) => (pages > 0 ? pages : new CancelError('none'))),
    })
    const mapped = defineBatchJob({ type: 'mapped', handler: jobs => new Map(jobs.map(({ jobId }) => [jobId, jobId])) })
    expectTypeOf(render).toEqualTypeOf<JobDefinition<{ pages: number }, { pages: number }, Rendered>>()
    expectTypeOf(plain).toEqualTypeOf<JobDefinition<{ n: number }, { n: number }, boolean>>()
    expectTypeOf(stored).toEqualTypeOf<JobDefinition<unknown, unknown, number>>()
    expectTypeOf(silent).toEqualTypeOf<JobDefinition<{ pages: number }, { pages: number }, void>>()
    expectTypeOf(remote).toEqualTypeOf<JobDefinition<{ pages: number }>>()
    expectTypeOf(batch).toEqualTypeOf<JobDefinition<{ pages: number }, { pages: number }, number>>()
    expectTypeOf(mapped).toEqualTypeOf<JobDefinition<unknown, unknown, string>>()
    // Never called, as above.
    const waits = async (scheduler: Scheduler) => {
      const rendered = await scheduler.waitFor(await scheduler.scheduleJob(render, { pages: 1 }))
      if (rendered.status === 'completed') expectTypeOf(rendered.result).toEqualTypeOf<Rendered>()
      else expectTypeOf(rendered.result).toEqualTypeOf<null>()
      const job = await scheduler.scheduleJob(remote, { pages: 1 })
      expectTypeOf(await scheduler.waitFor(job)).toEqualTypeOf<EndedJob>()
      expectTypeOf(await scheduler.waitFor<Rendered>(job)).toEqualTypeOf<EndedJob<Rendered>>()
      expectTypeOf(await scheduler.waitFor<Rendered>('id')).toEqualTypeOf<EndedJob<Rendered>>()
      expectTypeOf(await scheduler.waitFor('id')).toEqualTypeOf<EndedJob>()
      const named = await scheduler.scheduleJob('any', { payload: 1 })
      expectTypeOf(await scheduler.waitFor(named)).toEqualTypeOf<EndedJob>()
    }
    expectTypeOf(waits).toBeFunction()
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
})
