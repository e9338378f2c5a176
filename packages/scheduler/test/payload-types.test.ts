import {
  CancelError,
  defineBatchJob,
  defineJob,
  Scheduler,
  type BulkJob,
  type EndedJob,
  type JobDefinition,
  type ScheduleDefinition,
} from 'belfry'
import type { Database, Queryable } from 'belfry/database'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

interface Rendered {
  urls: string[]
  pages: number
}

/** Never called: what matters is that it compiles, and that the marked lines do not. Payloads of many jobs, of schedules, and of a job that is there already. */
export function payloads(
  scheduler: Scheduler,
  names: readonly string[],
  { database, queryable }: { database: Database; queryable: Queryable },
): unknown[] {
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
    scheduler.scheduleJobs(Object.freeze(mails), { transaction: queryable }),
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

describe('types of results', () => {
  it('flow from handlers to whoever waits', () => {
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
})
