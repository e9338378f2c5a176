import { defineJob, Scheduler, type Job, type ScheduledJob } from 'belfry'
import type { Database } from 'belfry/database'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

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

describe('types flow from the definition', () => {
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
