import { Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { hourly } from './support/recurring.ts'

describeOnBothEngines('the audit of acts on schedules and single jobs', engine => {
  const make = async () => {
    const clock = new TestClock('2027-01-01T00:00:30Z')
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock })
    await scheduler.migrate()
    /** What was written down since the last look, the first act first. */
    let seen = 0
    const news = async () => {
      const { entries } = await scheduler.admin.listAudit({ limit: 1_000 })
      const fresh = entries.slice(0, entries.length - seen).toReversed()
      seen = entries.length
      return fresh.map(({ actor, action, target, detail }) => [actor, action, target, detail])
    }
    return { clock, schema, scheduler, news }
  }
  const ada = { actor: 'ada' }
  const short = { jobType: 'tick', rule: '0 * * * *', timeZone: 'UTC' }

  it('says who added, changed and removed a schedule, and what was changed; payloads never', async () => {
    const { scheduler, news } = await make()
    await scheduler.applySchedule({ ...hourly, payload: { secret: 1 } }, ada)
    await scheduler.applySchedule({ ...hourly, payload: { secret: 1 } }, ada)
    await scheduler.applySchedule({ ...hourly, payload: { secret: 2 }, rule: '@daily' }, { actor: 'bob' })
    expect(await scheduler.removeSchedule('hourly')).toBe(true)
    expect(await scheduler.removeSchedule('hourly')).toBe(false)
    const written = await news()
    expect(written).toEqual([
      ['ada', 'add_schedule', 'hourly', short],
      ['bob', 'change_schedule', 'hourly', { ...short, rule: '@daily', changed: ['rule', 'payload'], before: short }],
      ['unknown', 'remove_schedule', 'hourly', { ...short, rule: '@daily' }],
    ])
    expect(JSON.stringify(written)).not.toContain('secret')
  })

  it('says of a change of many schedules what became of each, and nothing of those that stay', async () => {
    const { scheduler, news } = await make()
    const others = ['a', 'b', 'c'].map(scheduleId => ({ ...hourly, scheduleId }))
    await scheduler.applySchedules(others)
    await news()
    const next = [{ ...hourly, scheduleId: 'a' }, { ...hourly, scheduleId: 'b', overlap: 'skip' as const }, hourly]
    await scheduler.applySchedules(next, { removeOthers: true, dryRun: true, actor: 'deploy' })
    expect(await news()).toEqual([])
    await scheduler.applySchedules(next, { removeOthers: true, actor: 'deploy' })
    expect(await news()).toEqual([
      ['deploy', 'change_schedule', 'b', { ...short, changed: ['overlap'], before: short }],
      ['deploy', 'add_schedule', 'hourly', short],
      ['deploy', 'remove_schedule', 'c', short],
    ])
  })

  it('says who paused, resumed, triggered and backfilled', async () => {
    const { scheduler, news } = await make()
    await scheduler.applySchedule({ ...hourly, overlap: 'skip' })
    await news()
    await scheduler.pauseSchedule('hourly', ada)
    expect(await scheduler.pauseSchedule('nothing', ada)).toBe(false)
    await scheduler.resumeSchedule('hourly', ada)
    const jobId = await scheduler.triggerSchedule('hourly', ada)
    expect(await scheduler.triggerSchedule('hourly', ada)).toBeNull()
    const range = { from: '2026-12-31T23:00:00.000Z', to: '2027-01-01T00:00:00.000Z' }
    await scheduler.backfillSchedule('hourly', range, ada)
    expect(await news()).toEqual([
      ['ada', 'pause_schedule', 'hourly', {}],
      ['ada', 'resume_schedule', 'hourly', { nextOccurrence: '2027-01-01T01:00:00.000Z' }],
      ['ada', 'trigger_schedule', 'hourly', { jobId }],
      ['ada', 'trigger_schedule', 'hourly', { jobId: null }],
      ['ada', 'backfill_schedule', 'hourly', { ...range, made: 2, existing: 0 }],
    ])
  })

  it('says of a single job who cancelled, changed or redrove it, if somebody put a name to it', async () => {
    const { scheduler, news } = await make()
    const acts = async (options: { actor?: string }) => {
      const { jobId } = await scheduler.scheduleJob('mail', { uniqueKey: 'k', payload: { secret: 1 } })
      await scheduler.changeJob({ jobType: 'mail', uniqueKey: 'k' }, { payload: { secret: 2 }, priority: 5 }, options)
      await scheduler.changeJob(jobId, { scheduledTime: new Date('2027-01-02T00:00:00Z') }, options)
      expect(await scheduler.cancelJob(jobId, { ...options, reason: 'wrong list' })).toBe('cancelled')
      expect(await scheduler.cancelJob(jobId, options)).toBe('finished')
      expect(await scheduler.changeJob(jobId, { delay: 0 }, options)).toBe(false)
      expect(await scheduler.redriveJob(jobId, options)).toBe(true)
      expect(await scheduler.redriveJob(jobId, options)).toBe(false)
      await scheduler.admin.cancelJobs({ jobId })
      return jobId
    }
    const byProgram = await acts({})
    expect(await news()).toMatchObject([['unknown', 'cancel_jobs', byProgram, {}]])
    const byAda = await acts(ada)
    const written = await news()
    expect(written.slice(0, 4)).toEqual([
      ['ada', 'change_job', byAda, { payload: 'changed', priority: 5 }],
      ['ada', 'change_job', byAda, { scheduledTime: '2027-01-02T00:00:00.000Z' }],
      ['ada', 'cancel_job', byAda, { reason: 'wrong list', result: 'cancelled' }],
      ['ada', 'redrive_job', byAda, {}],
    ])
    expect(JSON.stringify(written)).not.toContain('secret')
  })

  it('writes down in the transaction that acts: both, or neither', async () => {
    const { scheduler, schema, news } = await make()
    await scheduler.applySchedule(hourly)
    const { jobId } = await scheduler.scheduleJob('mail', { delay: '1h' })
    await news()
    const undone = engine.database.transaction(async transaction => {
      await scheduler.pauseSchedule('hourly', { ...ada, transaction })
      await scheduler.changeJob(jobId, { priority: 7 }, { ...ada, transaction })
      await scheduler.cancelJob(jobId, { ...ada, transaction })
      throw new Error('changed my mind')
    })
    await expect(undone).rejects.toThrow('changed my mind')
    expect(await news()).toEqual([])
    await engine.database.query(`alter table ${schema}.belfry_audit add constraint refuse check (actor <> 'mallory')`)
    const mallory = { actor: 'mallory' }
    await expect(scheduler.removeSchedule('hourly', mallory)).rejects.toThrow(/refuse/)
    await expect(scheduler.applySchedule({ ...hourly, rule: '@daily' }, mallory)).rejects.toThrow(/refuse/)
    await expect(scheduler.triggerSchedule('hourly', mallory)).rejects.toThrow(/refuse/)
    await expect(scheduler.cancelJob(jobId, mallory)).rejects.toThrow(/refuse/)
    await expect(scheduler.changeJob(jobId, { priority: 7 }, mallory)).rejects.toThrow(/refuse/)
    await expect(scheduler.cancelJob(jobId, { actor: '' })).rejects.toMatchObject({ code: 'BELFRY_INVALID_JOB_ID' })
    expect(await scheduler.getSchedules()).toMatchObject([{ rule: '0 * * * *', paused: false }])
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'pending', priority: 0 })
    expect((await scheduler.getStats()).counts.pending).toBe(1)
  })
})
