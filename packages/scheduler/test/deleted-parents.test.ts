import { Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'

type Act = (scheduler: Scheduler) => Promise<unknown>

/** Ways in which a failed job goes. Its process's own hourly round may be quicker than the first. */
const ACTS: [string, Act][] = [
  ['retention', scheduler => scheduler.prune()],
  ['somebody who deletes jobs', scheduler => scheduler.admin.deleteJobs({ status: 'failed' })],
  ['somebody who erases a person', scheduler => scheduler.admin.eraseSubject('user:parent')],
]

describeOnBothEngines('a job that waits until the failed one before it is redriven', engine => {
  it.each(ACTS)('is cancelled soon after %s has removed that one, in this process or in another', async (_, act) => {
    for (const which of ['running', 'acting'] as const) {
      const clock = new TestClock('2027-03-01T12:00:00Z')
      // Under a clock that stands still nobody polls; who only acts runs no jobs and looks after nothing.
      const options = { database: engine.database, schema: engine.freshSchema(), clock, retention: { failed: '1d' } }
      const running = new Scheduler(options)
      const acting = new Scheduler(options)
      const ran: string[] = []
      running.registerHandler('parent', () => {
        ran.push('parent')
        throw new Error('broken')
      })
      running.registerHandler('child', () => void ran.push('child'))
      await running.start()
      try {
        const parent = await running.scheduleJob('parent', { maxRetries: 0, subjects: ['user:parent'] })
        const child = await running.scheduleJob('child', { dependsOn: [{ job: parent, onFailure: 'wait' }] })
        // Who deletes passes over what somebody is still busy with.
        const handled = `select 1 from ${options.schema}.scheduled_jobs_finished where job_type = 'parent' and not awaited`
        await until('its failure is handled', async () => (await engine.database.query(handled)).rows.length > 0)
        clock.advance('2d')
        await act(which === 'running' ? running : acting)
        const ended = await running.waitFor(child)
        expect(ended).toMatchObject({ status: 'cancelled', errorMessage: expect.stringMatching(/was deleted$/) })
        expect(ran).toEqual(['parent'])
      } finally {
        await running.stop()
      }
    }
  })
})
