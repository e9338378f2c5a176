import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { hourly, makeRecurring } from './support/recurring.ts'

describeOnBothEngines('a schedule that is paused or resumed twice', engine => {
  it('was resumed or paused once: what it has missed meanwhile is made up for, and nothing is written down', async () => {
    const { clock, scheduler, ran } = await makeRecurring(engine)
    await scheduler.applySchedule({ ...hourly, catchUp: { last: 3 } })
    clock.advance('2h')
    expect(await scheduler.resumeSchedule('hourly')).toBe(true)
    await scheduler.runDueJobs()
    expect(ran).toEqual(['2027-01-01T01:00:00.000Z', '2027-01-01T02:00:00.000Z'])
    for (let time = 0; time < 2; time += 1) expect(await scheduler.pauseSchedule('hourly')).toBe(true)
    for (let time = 0; time < 2; time += 1) expect(await scheduler.resumeSchedule('hourly')).toBe(true)
    expect(await scheduler.resumeSchedule('nobody')).toBe(false)
    const { entries } = await scheduler.admin.listAudit()
    expect(entries.map(each => each.action)).toEqual(['resume_schedule', 'pause_schedule', 'add_schedule'])
  })

  it('paused for an error and then by hand, it stays paused when it is applied', async () => {
    const { clock, scheduler, spoil } = await makeRecurring(engine)
    await scheduler.applySchedule(hourly)
    await spoil(`rule = 'never'`)
    clock.advance('2h')
    await scheduler.runDueJobs()
    expect(await scheduler.getSchedules()).toMatchObject([{ paused: true }])
    await scheduler.pauseSchedule('hourly')
    await scheduler.applySchedule(hourly)
    expect(await scheduler.getSchedules()).toMatchObject([{ paused: true }])
  })
})
