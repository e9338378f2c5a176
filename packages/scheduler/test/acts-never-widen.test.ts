import { Scheduler, type JobFilter, type PauseTarget } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('a slip never widens an act', engine => {
  const make = async () => {
    const clock = new TestClock()
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock })
    await scheduler.migrate()
    return { clock, scheduler, admin: scheduler.admin }
  }

  const TARGETS: [string, unknown][] = [
    ['a text', 'mail'],
    ['a list', ['mail']],
    ['null', null],
    ['a name misspelt', { jobtype: 'mail' }],
    ['a type that is undefined', { jobType: undefined }],
    ['a key that is undefined', { jobType: 'mail', concurrencyKey: undefined }],
    ['the sign for every type', { jobType: '*' }],
    ['a key without a type', { concurrencyKey: 'guild:1' }],
  ]
  it.each(TARGETS)('pause and resume refuse %s', async (_, target) => {
    const { admin } = await make()
    await admin.pause({ jobType: 'mail' })
    const invalid = { code: 'BELFRY_INVALID_OPTION' }
    await expect(async () => admin.pause(target as PauseTarget)).rejects.toMatchObject(invalid)
    await expect(async () => admin.resume(target as PauseTarget)).rejects.toMatchObject(invalid)
    expect((await admin.listPauses()).map(pause => pause.jobType)).toEqual(['mail'])
    expect((await admin.listAudit()).entries).toHaveLength(1)
  })

  const FILTERS: [string, JobFilter][] = [
    ['an id', { status: 'pending', jobId: undefined }],
    ['one end of a span', { created: { from: undefined, to: new Date('2030-01-01') } }],
  ]
  it.each(FILTERS)('acts on many refuse a filter in which %s is undefined; lists take it', async (_, filter) => {
    const { admin, scheduler } = await make()
    await scheduler.scheduleJob('mail', { payload: {} })
    const acts = [
      () => admin.cancelJobs(filter),
      () => admin.deleteJobs(filter, { dryRun: true }),
      () => admin.redriveJobs(filter),
      () => admin.postponeJobs(filter, { by: '1h' }),
    ]
    for (const act of acts) {
      await expect(act).rejects.toMatchObject({
        code: 'BELFRY_INVALID_OPTION',
        message: expect.stringContaining('got undefined') as string,
      })
    }
    expect((await admin.listJobs(filter)).jobs).toMatchObject([{ status: 'pending' }])
  })

  it('a pause stands since it was asked for, by the clock of its process; asked for again, nothing was done', async () => {
    const { admin, clock } = await make()
    const since = clock.now()
    await admin.pause({ jobType: 'mail' }, { reason: 'provider down' })
    clock.advance('1h')
    await admin.pause({ jobType: 'mail' }, { reason: 'provider down' })
    expect(await admin.listPauses()).toMatchObject([{ since, reason: 'provider down' }])
    await admin.pause({ jobType: 'mail' }, { reason: 'still down' })
    expect(await admin.listPauses()).toMatchObject([{ since, reason: 'still down' }])
    expect(await admin.resume({ jobType: 'mail' })).toBe(true)
    expect(await admin.resume({ jobType: 'mail' })).toBe(false)
    const { entries } = await admin.listAudit()
    expect(entries.map(each => each.detail.reason ?? each.action)).toEqual(['resume', 'still down', 'provider down'])
  })
})
