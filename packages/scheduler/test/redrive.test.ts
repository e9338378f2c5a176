import { NonRetryableError, Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('giving jobs a new life', engine => {
  const make = async () => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock })
    await scheduler.migrate()
    let broken = true
    scheduler.registerHandler('a', payload => {
      if (broken) throw new NonRetryableError('down')
      return payload
    })
    const fail = async (jobId: string, uniqueKey = `key of ${jobId}`) => {
      await scheduler.scheduleJob('a', { jobId, payload: { jobId }, uniqueKey })
      await scheduler.runDueJobs()
      clock.advance('1m')
    }
    /** Before `schedule_job()` looked among finished jobs, plain SQL could leave two of one id. */
    const failTwice = async () => {
      await fail('twice')
      await fail('later')
      await engine.database.query(`update ${schema}.scheduled_jobs set job_id = 'twice'`)
    }
    return { scheduler, admin: scheduler.admin, fail, failTwice, repair: () => (broken = false) }
  }
  const counts = async (scheduler: Scheduler) => (await scheduler.getStats()).counts

  it('brings back the one that ended last of two finished jobs of one id, and loses neither', async () => {
    const { scheduler, failTwice, repair } = await make()
    await failTwice()
    repair()
    expect(await scheduler.redriveJob('twice')).toBe(true)
    expect(await counts(scheduler)).toMatchObject({ pending: 1, failed: 1 })
    expect(await scheduler.redriveJob('twice')).toBe(false)
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await scheduler.getJob('twice')).toMatchObject({ status: 'completed', result: { jobId: 'later' } })
    expect(await counts(scheduler)).toMatchObject({ completed: 1, failed: 1 })
  })

  it('does so in bulk, and says so before', async () => {
    const { scheduler, admin, failTwice } = await make()
    await failTwice()
    const came = { redriven: 1, skipped: 1, jobIds: ['twice'] }
    expect(await admin.redriveJobs({ jobType: 'a' }, { dryRun: true })).toEqual({ dryRun: true, ...came })
    expect(await admin.redriveJobs({ jobType: 'a' })).toEqual({ dryRun: false, ...came })
    expect(await counts(scheduler)).toMatchObject({ pending: 1, failed: 1 })
    expect(await scheduler.getJob('twice')).toMatchObject({ payload: { jobId: 'later' } })
    expect(await admin.redriveJobs({ jobType: 'a' }, { dryRun: true })).toMatchObject({ redriven: 0, skipped: 1 })
  })

  it('tells before what the act will do to jobs of one key', async () => {
    const { scheduler, admin, fail } = await make()
    for (const jobId of ['one', 'two', 'three']) await fail(jobId, 'shared')
    for (const jobId of ['free', 'taken']) await fail(jobId)
    for (const jobId of ['plain', 'plain too']) await scheduler.scheduleJob('a', { jobId })
    await scheduler.runDueJobs()
    await scheduler.scheduleJob('a', { jobId: 'holder', uniqueKey: 'key of taken', delay: '1h' })
    const came = { redriven: 4, skipped: 3, jobIds: ['free', 'plain', 'plain too', 'three'] }
    expect(await admin.redriveJobs({ status: 'failed' }, { dryRun: true })).toEqual({ dryRun: true, ...came })
    expect(await counts(scheduler)).toMatchObject({ pending: 1, failed: 7 })
    expect(await admin.redriveJobs({ status: 'failed' })).toEqual({ dryRun: false, ...came })
    expect(await counts(scheduler)).toMatchObject({ pending: 5, failed: 3 })
  })
})
