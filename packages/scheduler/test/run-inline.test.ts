import { Scheduler } from 'belfry'
import { runInline, TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('jobs that run inline', engine => {
  const begin = async () => {
    const clock = new TestClock()
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock })
    await scheduler.migrate()
    const sent: unknown[] = []
    scheduler.registerHandler('welcome', async payload => {
      sent.push(payload)
      await scheduler.scheduleJob('receipt', { payload: {} })
    })
    scheduler.registerHandler('receipt', () => void sent.push('receipt'))
    return { clock, scheduler, sent, inline: runInline(scheduler) }
  }

  it('run when they are scheduled, those that they schedule too; later ones wait for the clock', async () => {
    const { clock, scheduler, sent, inline } = await begin()
    await scheduler.scheduleJob('welcome', { payload: { name: 'Ada Example' } })
    await inline.settled()
    expect(sent).toEqual([{ name: 'Ada Example' }, 'receipt'])
    await scheduler.scheduleJob('receipt', { payload: {}, delay: '1h' })
    await inline.settled()
    expect(sent).toHaveLength(2)
    clock.advance('1h')
    await inline.settled()
    expect(sent).toHaveLength(3)
    inline.stop()
    await scheduler.scheduleJob('receipt', { payload: {} })
    expect(await scheduler.runDueJobs()).toBe(1)
  })

  it('run after the commit of the transaction that scheduled them, and not at all after a rollback', async () => {
    const { scheduler, sent, inline } = await begin()
    await engine.database.transaction(async transaction => {
      await scheduler.scheduleJob('receipt', { payload: {}, transaction })
      expect(sent).toEqual([])
    })
    await inline.settled()
    expect(sent).toEqual(['receipt'])
    const cancelled = engine.database.transaction(async transaction => {
      await scheduler.scheduleJob('receipt', { payload: {}, transaction })
      throw new Error('changed my mind')
    })
    await expect(cancelled).rejects.toThrow('changed my mind')
    await inline.settled()
    expect(sent).toEqual(['receipt'])
  })
})
