import { parseRule, previewOccurrences, Scheduler, type ScheduleDefinition } from 'belfry'
import { describe, expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { hourly, makeRecurring } from './support/recurring.ts'

describeOnBothEngines('recurring schedules', engine => {
  const make = (start?: string) => makeRecurring(engine, start)

  it('fire what the preview showed, over both changes of the clocks', async () => {
    for (const start of ['2027-03-27T12:00:00Z', '2027-10-30T12:00:00Z']) {
      const { clock, scheduler, ran } = await make(start)
      const rules = ['30 2 * * *', '*/30 1-3 * * *', 'FREQ=DAILY;BYHOUR=2,3']
      for (const rule of rules) {
        await scheduler.applySchedule({ scheduleId: rule, job: 'tick', rule, timeZone: 'Europe/Berlin' })
      }
      const shown = rules.flatMap(rule => {
        const parsed = parseRule(rule, 'Europe/Berlin')
        return previewOccurrences(parsed, new Date(start), 40).filter(
          each => each.getTime() <= clock.now().getTime() + 172_800_000,
        )
      })
      for (let quarter = 0; quarter < 192; quarter += 1) {
        clock.advance('15m')
        await scheduler.runDueJobs()
      }
      expect(ran.toSorted()).toEqual(shown.map(each => each.toISOString()).toSorted())
    }
  })

  describe('after downtime', () => {
    it('fire the last few missed occurrences, the oldest first, and count the others', async () => {
      const { clock, scheduler, ran } = await make()
      await scheduler.applySchedule({ ...hourly, catchUp: { last: 3 } })
      clock.advance('5h20m')
      await scheduler.runDueJobs()
      expect(ran).toEqual(['2027-01-01T03:00:00.000Z', '2027-01-01T04:00:00.000Z', '2027-01-01T05:00:00.000Z'])
      expect(await scheduler.getSchedules()).toMatchObject([{ firedCount: 3, skippedCount: 2 }])
    })

    it('leave out what is too old', async () => {
      const { clock, scheduler, ran } = await make()
      await scheduler.applySchedule({ ...hourly, catchUp: { last: 3, maxAge: '2h' } })
      clock.advance('5h20m')
      await scheduler.runDueJobs()
      expect(ran).toEqual(['2027-01-01T04:00:00.000Z', '2027-01-01T05:00:00.000Z'])
      expect(await scheduler.getSchedules()).toMatchObject([{ firedCount: 2, skippedCount: 3 }])
    })

    it('of three months make one job, not a hundred thousand', async () => {
      const { clock, scheduler, ran } = await make()
      await scheduler.applySchedule({ ...hourly, rule: '* * * * *' })
      clock.advance('90d')
      await scheduler.runDueJobs()
      expect(ran).toEqual(['2027-04-01T00:00:00.000Z'])
      expect(await scheduler.getSchedules()).toMatchObject([
        { firedCount: 1, skippedCount: 999, nextOccurrence: new Date('2027-04-01T00:01Z') },
      ])
    })

    it.each([{ last: 0 }, { last: 101 }, 'all', { last: 2, maxAge: 'long' }])(
      'refuse to catch up %o',
      async catchUp => {
        const { scheduler } = await make()
        const definition = { ...hourly, catchUp } as ScheduleDefinition
        await expect(scheduler.applySchedule(definition)).rejects.toThrow(/catchUp/)
      },
    )
  })

  it('end when their bounds say so', async () => {
    const { clock, scheduler, ran } = await make()
    const start = '2027-01-01T02:00:00Z'
    await scheduler.applySchedule({ ...hourly, rule: { cron: '0 * * * *', start, count: 2 } })
    await scheduler.applySchedule({ ...hourly, scheduleId: 'until', rule: { every: '1h', end: new Date(start) } })
    for (let hour = 0; hour < 6; hour += 1) {
      clock.advance('1h')
      await scheduler.runDueJobs()
    }
    expect(ran.toSorted()).toEqual([
      '2027-01-01T01:00:00.000Z',
      '2027-01-01T02:00:00.000Z',
      '2027-01-01T02:00:00.000Z',
      '2027-01-01T03:00:00.000Z',
    ])
    expect((await scheduler.getSchedules()).map(each => each.nextOccurrence)).toEqual([null, null])
  })

  it('spread their jobs over a window, each at its own fixed delay, and leave the occurrence as it is', async () => {
    const { clock, scheduler, schema } = await make()
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      await scheduler.applySchedule({ ...hourly, job: 'nobody runs this', scheduleId: name, spread: '10m' })
    }
    const delays = async () => {
      const found = await engine.database.query<{ schedule_id: string; ms: number }>(
        `select schedule_id, (extract(epoch from scheduled_time - occurrence) * 1000)::float8 as ms
         from ${schema}.scheduled_jobs order by 1`,
      )
      return found.rows.map(row => row.ms)
    }
    clock.advance('1h')
    await scheduler.runDueJobs()
    const first = await delays()
    expect(Math.min(...first)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...first)).toBeLessThan(600_000)
    expect(new Set(first).size).toBe(6)
    await engine.database.query(`delete from ${schema}.scheduled_jobs`)
    const to = clock.now()
    for (const { scheduleId } of await scheduler.getSchedules()) {
      await scheduler.backfillSchedule(scheduleId, { from: '2027-01-01T01:00:00Z', to })
    }
    expect(await delays()).toEqual(first)
  })

  it('can be triggered now, even when paused, but not against their overlap policy', async () => {
    const { clock, scheduler, ran, jobs } = await make()
    await scheduler.applySchedule({ ...hourly, overlap: 'skip' })
    await scheduler.pauseSchedule('hourly')
    clock.advance('5m')
    expect(await scheduler.triggerSchedule('hourly')).toEqual(expect.any(String))
    expect(await scheduler.triggerSchedule('hourly')).toBeNull()
    await scheduler.runDueJobs()
    expect(ran).toEqual(['2027-01-01T00:05:30.000Z'])
    expect(await jobs()).toEqual(['01-01 00:05 completed'])
    await expect(scheduler.triggerSchedule('nothing')).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
  })

  it('are backfilled, every occurrence once, whatever fired before or fires later', async () => {
    const { clock, scheduler, ran } = await make()
    await scheduler.applySchedule(hourly)
    clock.advance('1h')
    await scheduler.runDueJobs()
    const range = { from: '2026-12-31T23:00:00Z', to: '2027-01-01T02:00:00Z' }
    const first = await scheduler.backfillSchedule('hourly', range)
    expect(first).toEqual({
      jobIds: ['hourly@2026-12-31T23:00:00.000Z', 'hourly@2027-01-01T00:00:00.000Z', 'hourly@2027-01-01T02:00:00.000Z'],
      existing: 1,
    })
    await scheduler.runDueJobs()
    expect(await scheduler.backfillSchedule('hourly', range)).toEqual({ jobIds: [], existing: 4 })
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(ran.toSorted()).toEqual([
      '2026-12-31T23:00:00.000Z',
      '2027-01-01T00:00:00.000Z',
      '2027-01-01T01:00:00.000Z',
      '2027-01-01T02:00:00.000Z',
    ])
    await expect(
      scheduler.backfillSchedule('hourly', { from: '2020-01-01T00:00:00Z', to: '2027-01-01T00:00:00Z' }),
    ).rejects.toThrow(/at most 1000 occurrences/)
    await expect(scheduler.backfillSchedule('hourly', { ...range, from: '2027-01-01' })).rejects.toMatchObject({
      code: 'BELFRY_INVALID_TIME',
    })
  })

  it("change in the caller's own transaction, or not at all", async () => {
    const { clock, scheduler, jobs } = await make()
    await scheduler.applySchedule(hourly)
    const before = await scheduler.getSchedules()
    const undone = engine.database.transaction(async transaction => {
      expect(await scheduler.applySchedule({ ...hourly, scheduleId: 'other' }, { transaction })).toBe('added')
      expect(await scheduler.pauseSchedule('hourly', { transaction })).toBe(true)
      expect(await scheduler.resumeSchedule('hourly', { transaction })).toBe(true)
      expect(await scheduler.triggerSchedule('hourly', { transaction })).toEqual(expect.any(String))
      const range = { from: '2026-12-31T00:00:00Z', to: clock.now() }
      expect((await scheduler.backfillSchedule('hourly', range, { transaction })).jobIds).toHaveLength(25)
      expect(await scheduler.applySchedules([], { removeOthers: 'all', transaction })).toMatchObject({
        removed: ['hourly', 'other'],
      })
      expect(await scheduler.removeSchedule('hourly', { transaction })).toBe(false)
      throw new Error('changed my mind')
    })
    await expect(undone).rejects.toThrow('changed my mind')
    expect(await scheduler.getSchedules()).toEqual(before)
    expect(await jobs()).toEqual([])
    await engine.database.transaction(async transaction => {
      await scheduler.pauseSchedule('hourly', { transaction })
      await scheduler.triggerSchedule('hourly', { transaction })
    })
    expect(await scheduler.getSchedules()).toMatchObject([{ paused: true }])
    expect(await jobs()).toEqual(['01-01 00:00 pending'])
  })

  it('are brought in line with the code: a plan first, then the deed, and what was made at run time stays', async () => {
    const { scheduler } = await make()
    const nightly = { ...hourly, scheduleId: 'nightly', rule: '@daily' }
    const weekly = { ...hourly, scheduleId: 'weekly', rule: '@weekly' }
    expect(await scheduler.applySchedules([nightly, weekly])).toEqual({
      added: ['nightly', 'weekly'],
      changed: [],
      removed: [],
      unchanged: [],
    })
    await scheduler.applySchedule(hourly)
    const next: ScheduleDefinition[] = [
      { ...weekly, timeZone: 'Europe/Berlin' },
      { ...hourly, scheduleId: 'monthly' },
    ]
    const planned = { added: ['monthly'], changed: ['weekly'], removed: ['nightly'], unchanged: [] }
    const before = await scheduler.getSchedules()
    expect(await scheduler.applySchedules(next, { removeOthers: true, dryRun: true })).toEqual(planned)
    expect(await scheduler.getSchedules()).toEqual(before)
    expect(await scheduler.applySchedules(next, { removeOthers: true })).toEqual(planned)
    expect((await scheduler.getSchedules()).map(each => [each.scheduleId, each.origin])).toEqual([
      ['hourly', 'runtime'],
      ['monthly', 'code'],
      ['weekly', 'code'],
    ])
    expect(await scheduler.applySchedules([hourly], { removeOthers: 'all' })).toEqual({
      added: [],
      changed: [],
      removed: ['monthly', 'weekly'],
      unchanged: ['hourly'],
    })
    expect(await scheduler.getSchedules()).toMatchObject([{ scheduleId: 'hourly', origin: 'code' }])
    await expect(scheduler.applySchedules([hourly, { ...hourly, rule: 'never' }])).rejects.toThrow(/never/)
    await expect(scheduler.applySchedules([hourly, hourly])).rejects.toThrow(/"hourly" twice/)
  })

  it('keep their next occurrence when something else about them changes', async () => {
    const { clock, scheduler, ran } = await make()
    await scheduler.applySchedule(hourly)
    clock.advance('1h')
    expect(await scheduler.applySchedule({ ...hourly, payload: { changed: true } })).toBe('changed')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['2027-01-01T01:00:00.000Z'])
  })

  it('fire each occurrence once, however many schedulers look at the same moment', async () => {
    const { clock, scheduler, schema, jobs } = await make()
    for (let index = 0; index < 20; index += 1) {
      await scheduler.applySchedule({ ...hourly, scheduleId: `s${index}`, job: 'nobody runs this' })
    }
    const others = [1, 2, 3].map(() => new Scheduler({ database: engine.database, schema, clock }))
    for (let hour = 0; hour < 3; hour += 1) {
      clock.advance('1h')
      await Promise.all([scheduler, ...others].map(each => each.runDueJobs()))
    }
    expect(await jobs()).toHaveLength(60)
    expect((await scheduler.getSchedules()).map(each => each.firedCount)).toEqual(Array.from({ length: 20 }, () => 3))
  })
})
