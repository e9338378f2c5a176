import { collectMetrics, defineJob, METRICS, Scheduler, type ScheduleDefinition } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { digestOf } from '../../../examples/recurring-people.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { hourly, makeRecurring } from './support/recurring.ts'

const carried = {
  timeout: '2m',
  concurrencyKey: 'guild:7',
  weight: 2,
  cost: 3,
  subjects: ['user:42', 'guild:7'],
  tags: ['digest'],
  metadata: { tenant: 'a' },
} satisfies Partial<ScheduleDefinition>

describeOnBothEngines('what the jobs of a schedule carry', engine => {
  it('is stored with it, listed, and on every job: fired, triggered, backfilled', async () => {
    const { clock, scheduler, schema } = await makeRecurring(engine)
    await scheduler.applySchedule({ ...hourly, ...carried })
    expect(await scheduler.getSchedules()).toMatchObject([{ jobOptions: { ...carried, timeout: 120_000 } }])
    clock.advance('1h')
    await scheduler.runDueJobs()
    await scheduler.triggerSchedule('hourly')
    await scheduler.backfillSchedule('hourly', { from: '2026-12-31T23:00:00Z', to: '2026-12-31T23:00:00Z' })
    const { rows } = await engine.database.query(
      `select timeout_ms::float8 as timeout_ms, lane, subjects, tags, metadata, options->'weight' as weight,
         options->'cost' as cost from ${schema}.scheduled_jobs`,
    )
    const { subjects, tags, metadata } = carried
    const job = { timeout_ms: 120_000, lane: 'guild:7', subjects, tags, metadata, weight: 2, cost: 3 }
    expect(rows).toEqual([job, job, job])
  })

  it('is part of what a schedule is: a changed option is a changed schedule, and shifts no occurrence', async () => {
    const { clock, scheduler } = await makeRecurring(engine)
    await scheduler.applySchedule({ ...hourly, ...carried })
    const [before] = await scheduler.getSchedules()
    const { metadata, ...rest } = carried
    expect(await scheduler.applySchedule({ metadata, ...rest, ...hourly, timeout: 120_000 })).toBe('unchanged')
    clock.advance('90m')
    for (const change of [
      { timeout: '3m' },
      { concurrencyKey: 'guild:8' },
      { weight: 1 },
      { cost: 0 },
      { subjects: ['user:42'] },
      { tags: [] },
      { metadata: { tenant: 'b' } },
    ]) {
      const plan = await scheduler.applySchedules([{ ...hourly, ...carried, ...change }])
      expect(plan).toMatchObject({ changed: ['hourly'] })
      expect(await scheduler.applySchedules([{ ...hourly, ...carried }])).toMatchObject({ changed: ['hourly'] })
    }
    expect(await scheduler.applySchedule(hourly)).toBe('changed')
    const [after] = await scheduler.getSchedules()
    expect(after).toMatchObject({ jobOptions: {}, nextOccurrence: before?.nextOccurrence })
  })

  it('is checked as for a single job, by the same words', async () => {
    const { scheduler } = await makeRecurring(engine)
    const costly = defineJob({ type: 'costly', limits: { budget: { amount: 5, per: '1h' } }, handler: () => {} })
    for (const wrong of [
      { timeout: 'soon' },
      { concurrencyKey: 'x'.repeat(151) },
      { weight: 0 },
      { cost: -1 },
      { cost: 6 },
      { subjects: Array.from({ length: 21 }, (_, index) => `user:${index}`) },
      { tags: [''] },
      { metadata: { long: 'x'.repeat(4_096) } },
    ]) {
      const single = await scheduler.scheduleJob(costly, {}, wrong).catch((error: unknown) => error as Error)
      const recurring = scheduler.applySchedule({ ...hourly, job: costly, ...wrong })
      await expect(recurring).rejects.toThrow((single as Error).message)
      expect((single as { code?: string }).code).toMatch(/^BELFRY_/)
    }
    expect(await scheduler.getSchedules()).toEqual([])
  })

  it('spoiled by hand, it pauses that one schedule', async () => {
    const { clock, scheduler, spoil } = await makeRecurring(engine)
    await scheduler.applySchedule(hourly)
    for (const spoiled of [{ subjects: 'user:42' }, { metadata: { long: 'x'.repeat(5_000) } }, { weight: 'heavy' }]) {
      await spoil(`job_options = '${JSON.stringify(spoiled)}'`)
      clock.advance('1h')
      await scheduler.runDueJobs()
      expect(await scheduler.getSchedules()).toMatchObject([
        { paused: true, errorMessage: expect.stringContaining('expected') },
      ])
      expect(await scheduler.applySchedule(hourly)).toBe('changed')
    }
  })

  it('keeps the jobs of one key in order, those of schedules and single ones alike', async () => {
    const clock = new TestClock('2027-01-01T00:30:00Z')
    const schema = engine.freshSchema()
    const ran: string[] = []
    const job = defineJob<{ name: string }>({
      type: 'ordered',
      limits: { perKey: { fifo: true } },
      backoff: { initial: '1h', jitter: 0 },
      handler: ({ name }, { attempt }) => {
        if (name === 'single' && attempt === 1) throw new Error('not now')
        ran.push(name)
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema, clock, jobs: [job] })
    await scheduler.migrate()
    const payload = { name: 'hourly' }
    await scheduler.applySchedule({ scheduleId: 'h', job, rule: '@hourly', payload, concurrencyKey: 'k' })
    await scheduler.scheduleJob(job, { name: 'single' }, { concurrencyKey: 'k', delay: '20m' })
    for (let quarter = 0; quarter < 8; quarter += 1) {
      clock.advance('15m')
      await scheduler.runDueJobs()
    }
    expect(ran.slice(0, 2)).toEqual(['single', 'hourly'])
  })

  it('about somebody goes with them: erasing a subject removes its schedules too', async () => {
    const { clock, scheduler, jobs } = await makeRecurring(engine)
    const digest = digestOf({ id: '42', guild: 'guild:7', timeZone: 'Europe/Berlin' })
    await scheduler.applySchedules([digest, { ...hourly, subjects: ['guild:7', 'user:42'] }])
    await scheduler.applySchedule({ ...hourly, scheduleId: 'other', subjects: ['user:421'] })
    await scheduler.applySchedule({ ...hourly, scheduleId: 'none', tags: ['user:42'] })
    clock.advance('1h')
    await scheduler.runDueJobs()
    const { admin } = scheduler
    expect(await admin.eraseSubject('user:42', { dryRun: true })).toMatchObject({ schedules: 2, finished: 1 })
    expect(await admin.eraseSubject('user:42')).toMatchObject({ schedules: 2, finished: 1 })
    expect((await scheduler.getSchedules()).map(each => each.scheduleId)).toEqual(['none', 'other'])
    expect((await admin.listAudit({ action: 'erase_subject' })).entries).toMatchObject([{ detail: { schedules: 2 } }])
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await jobs()).toHaveLength(4)
  })

  it('does not change who hears of them: occurrences are told and counted as any stored job, once committed', async () => {
    const { clock, scheduler } = await makeRecurring(engine)
    const told: string[] = []
    const counted: unknown[] = []
    scheduler.on('job:scheduled', ({ jobId, jobType, conflict }) => told.push(`${jobType} ${jobId} ${conflict}`))
    const stop = collectMetrics(scheduler, {
      add: ({ name }, value, labels) => {
        if (name === METRICS.jobsScheduled.name) counted.push([value, labels])
      },
      set: () => {},
      observe: () => {},
    })
    await scheduler.applySchedule({ ...hourly, catchUp: { last: 2 } })
    clock.advance('2h')
    await scheduler.runDueJobs()
    const extra = await scheduler.triggerSchedule('hourly')
    const range = { from: '2026-12-31T22:00:00Z', to: '2026-12-31T23:00:00Z' }
    await scheduler.backfillSchedule('hourly', range)
    await scheduler.backfillSchedule('hourly', range)
    expect(told).toEqual([
      'tick hourly@2027-01-01T01:00:00.000Z false',
      'tick hourly@2027-01-01T02:00:00.000Z false',
      `tick ${extra} false`,
      'tick hourly@2026-12-31T22:00:00.000Z false',
      'tick hourly@2026-12-31T23:00:00.000Z false',
    ])
    expect(counted).toEqual(told.map(() => [1, { type: 'tick' }]))
    stop()
  })
})
