import { Scheduler, silentLogger, type LogFields, type SchedulerEvents, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { hourly } from './support/recurring.ts'

describeOnBothEngines('schedules that a program declares', engine => {
  const named = (scheduleId: string, rule = '@hourly') => ({ ...hourly, scheduleId, rule })

  const make = () => {
    const schema = engine.freshSchema()
    const lines: [LogFields, string][] = []
    const logger = { ...silentLogger, info: (fields: LogFields, message: string) => void lines.push([fields, message]) }
    const schedulerWith = (options: Pick<SchedulerOptions, 'schedules' | 'removeOtherSchedules'>) =>
      new Scheduler({ database: engine.database, schema, clock: new TestClock(), logger, ...options })
    /** One life of a program: what it told of its schedules. */
    const live = async (options: Pick<SchedulerOptions, 'schedules' | 'removeOtherSchedules'>) => {
      const scheduler = schedulerWith(options)
      const told: SchedulerEvents['schedules:applied'][] = []
      scheduler.on('schedules:applied', plan => told.push(plan))
      await scheduler.start()
      await scheduler.stop()
      return told
    }
    const scheduler = schedulerWith({})
    const ids = async () => (await scheduler.getSchedules()).map(each => each.scheduleId)
    return { scheduler, live, ids, lines }
  }

  it('are brought in line at start, and what that changed is told and logged by name', async () => {
    const { scheduler, live, ids, lines } = make()
    const first = { added: ['a', 'b', 'c'], changed: [], removed: [], unchanged: [] }
    expect(await live({ schedules: [named('a'), named('b'), named('c')] })).toEqual([first])
    await scheduler.applySchedule(named('at run time'))
    const second = { added: ['d'], changed: ['b'], removed: [], unchanged: ['a'] }
    const next = [named('a'), named('b', '@daily'), named('d')]
    expect(await live({ schedules: next })).toEqual([second])
    expect(await ids()).toEqual(['a', 'at run time', 'b', 'c', 'd'])
    expect(lines.filter(([{ event }]) => event === 'schedules_applied')).toEqual([
      [{ event: 'schedules_applied', ...first }, 'schedules: 3 added, 0 changed, 0 removed, 0 unchanged'],
      [{ event: 'schedules_applied', ...second }, 'schedules: 1 added, 1 changed, 0 removed, 1 unchanged'],
    ])
    const { entries } = await scheduler.admin.listAudit({ actor: 'program' })
    expect(entries.map(each => `${each.action} ${each.target}`).toReversed()).toEqual([
      'add_schedule a',
      'add_schedule b',
      'add_schedule c',
      'change_schedule b',
      'add_schedule d',
    ])
  })

  it('replace those of an earlier version on request, and what was made at run time only when that is asked for too', async () => {
    const { scheduler, live, ids } = make()
    await live({ schedules: [named('old'), named('kept')] })
    await scheduler.applySchedule(named('at run time'))
    expect(await live({ schedules: [named('kept')], removeOtherSchedules: true })).toEqual([
      { added: [], changed: [], removed: ['old'], unchanged: ['kept'] },
    ])
    expect(await live({ schedules: [], removeOtherSchedules: true })).toMatchObject([{ removed: ['kept'] }])
    expect(await ids()).toEqual(['at run time'])
    expect(await live({ schedules: [], removeOtherSchedules: 'all' })).toMatchObject([{ removed: ['at run time'] }])
    expect(await ids()).toEqual([])
  })

  it('are left alone by a program that declares none, and by one whose options make no sense', async () => {
    const { live, ids } = make()
    await live({ schedules: [named('a')] })
    expect(await live({})).toEqual([])
    expect(await live({ schedules: [] })).toEqual([])
    await expect(live({ removeOtherSchedules: true })).rejects.toThrow(/expected schedules beside it/)
    await expect(live({ schedules: [], removeOtherSchedules: 'code' as never })).rejects.toMatchObject({
      code: 'BELFRY_INVALID_OPTION',
    })
    expect(await ids()).toEqual(['a'])
  })
})
