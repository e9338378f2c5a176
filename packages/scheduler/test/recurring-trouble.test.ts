import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { hourly, makeRecurring } from './support/recurring.ts'

describeOnBothEngines('recurring schedules in trouble', engine => {
  const make = () => makeRecurring(engine)

  it('go on when the clock is put forward and back, and fire nothing twice', async () => {
    const { clock, scheduler, ran } = await make()
    await scheduler.applySchedule(hourly)
    clock.advance('1h')
    await scheduler.runDueJobs()
    clock.moveTo('2031-01-01T00:00:30Z')
    await scheduler.runDueJobs()
    clock.moveTo('2027-01-01T00:30:00Z')
    await scheduler.runDueJobs()
    for (let hour = 0; hour < 3; hour += 1) {
      clock.advance('1h')
      await scheduler.runDueJobs()
    }
    expect(ran).toEqual([
      '2027-01-01T01:00:00.000Z',
      '2031-01-01T00:00:00.000Z',
      '2027-01-01T02:00:00.000Z',
      '2027-01-01T03:00:00.000Z',
    ])
  })

  it.each([
    ['rule', `rule = 'whenever'`],
    ['zone', `time_zone = 'Mars/Olympus'`],
    ['policy', `overlap = 'perhaps'`],
    ['catching up', `catch_up = '{"last": 100000}'`],
    ['bounds', `rule_options = '{"start": "soon"}'`],
    ['spread', `rule_options = '{"spreadMs": "for ever"}'`],
    ['job type', `job_type = ''`],
    ['priority', `rule_options = '{"priority": 1e99}'`],
  ])('whose %s was spoiled by hand are paused, say why, and hold up nobody', async (_what, change) => {
    const { clock, scheduler, ran, spoil } = await make()
    await scheduler.applySchedule(hourly)
    await scheduler.applySchedule({ ...hourly, scheduleId: 'spoiled' })
    await spoil(`${change} where schedule_id = 'spoiled'`)
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['2027-01-01T01:00:00.000Z'])
    expect(await scheduler.getSchedules()).toMatchObject([
      { paused: false, errorMessage: null },
      { paused: true, errorMessage: expect.stringMatching(/.{5}/) },
    ])
    expect(await scheduler.applySchedule({ ...hourly, scheduleId: 'spoiled' })).toBe('changed')
    expect(await scheduler.getSchedules()).toMatchObject([{ paused: false }, { paused: false, errorMessage: null }])
  })

  it.each(['infinity', '-infinity', '1066-10-14'])(
    'whose next occurrence was set to %s by hand do no harm',
    async time => {
      const { clock, scheduler, ran, spoil } = await make()
      await scheduler.applySchedule(hourly)
      await scheduler.applySchedule({ ...hourly, scheduleId: 'spoiled' })
      await spoil(`next_occurrence = '${time}' where schedule_id = 'spoiled'`)
      clock.advance('1h')
      await scheduler.runDueJobs()
      expect(ran).toContain('2027-01-01T01:00:00.000Z')
      expect(ran.length).toBeLessThanOrEqual(2)
    },
  )
})
