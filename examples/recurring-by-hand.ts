import type { Scheduler } from 'belfry'
import type { Pool } from 'pg'
import { calendar } from './recurring-rules.ts'

/** Brings the database in line with the code, and says what that changed. */
export async function deploy(scheduler: Scheduler): Promise<string> {
  const plan = await scheduler.applySchedules(calendar, { removeOthers: true, dryRun: true })
  await scheduler.applySchedules(calendar, { removeOthers: true })
  return `added ${plan.added.length}, changed ${plan.changed.length}, removed ${plan.removed.length}`
}

/** January's pay was not paid: do that, and hold the next until somebody has looked. */
export async function repair(scheduler: Scheduler, pool: Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const options = { transaction: client }
    await scheduler.backfillSchedule('payday', { from: '2027-01-01T00:00:00Z', to: '2027-01-31T23:59:59Z' }, options)
    await scheduler.pauseSchedule('payday', options)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}
