import { failureWebhooks, payloadCipher, Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

const nothing = null as never

describeOnBothEngines('null for options', engine => {
  const scheduler = () => new Scheduler({ database: engine.database, schema: engine.freshSchema() })

  const CALLS: [string, (of: Scheduler) => unknown][] = [
    ['applySchedule', of => of.applySchedule(nothing)],
    ['applySchedule without a definition', of => of.applySchedule(undefined as never)],
    ['applySchedules', of => of.applySchedules(nothing)],
    ['applySchedules with a hole', of => of.applySchedules([undefined as never])],
    ['backfillSchedule', of => of.backfillSchedule('hourly', nothing)],
    ['scheduleBatch', of => of.scheduleBatch(nothing, { job: 'last', payload: {} })],
    ['scheduleBatch, its completion', of => of.scheduleBatch([], nothing)],
    ['scheduleJobs', of => of.scheduleJobs(nothing)],
    ['scheduleJobs, its options', of => of.scheduleJobs([], nothing)],
    ['sendEvent', of => of.sendEvent('paid', nothing)],
    ['cancelJob', of => of.cancelJob('one', nothing)],
    ['redriveJob', of => of.redriveJob('one', nothing)],
    ['listJobs, its filter', of => of.admin.listJobs(nothing)],
    ['listJobs, its page', of => of.admin.listJobs({}, nothing)],
    ['listAudit', of => of.admin.listAudit(nothing)],
    ['deadLetters', of => of.admin.deadLetters(nothing)],
    ['forecast', of => of.admin.forecast(nothing)],
    ['graph', of => of.admin.graph('one', nothing)],
    ['pause, its options', of => of.admin.pause({}, nothing)],
    ['resume, its options', of => of.admin.resume({}, nothing)],
    ['setLimits, its options', of => of.admin.setLimits('mail', nothing, nothing)],
    ['payloadCipher', () => payloadCipher(nothing)],
    ['failureWebhooks', () => failureWebhooks(nothing)],
  ]
  it.each(CALLS)('%s says so, before it asks the database', async (_, call) => {
    await expect(async () => call(scheduler())).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
  })

  it('a test clock refuses an instant that is none', () => {
    const invalid = expect.objectContaining({ code: 'BELFRY_INVALID_TIME' }) as Error
    expect(() => new TestClock('garbage')).toThrow(invalid)
    const clock = new TestClock()
    expect(() => clock.moveTo(new Date('soon'))).toThrow(invalid)
    expect(clock.now()).toEqual(new Date('2027-01-01T12:00:00Z'))
  })
})
