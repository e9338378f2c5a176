import { Scheduler, type ScheduleDefinition } from 'belfry'
import { TestClock } from 'belfry/testing'
import type { Engine } from './engines.ts'

export const hourly = { scheduleId: 'hourly', job: 'tick', rule: '0 * * * *' } satisfies ScheduleDefinition

/** A scheduler in a schema of its own, with a handler for `tick` that notes which occurrence it ran. */
export async function makeRecurring(engine: Engine, start = '2027-01-01T00:00:30Z') {
  const clock = new TestClock(start)
  const schema = engine.freshSchema()
  const scheduler = new Scheduler({ database: engine.database, schema, clock })
  const ran: string[] = []
  scheduler.registerHandler('tick', (_payload, context) => {
    ran.push(context.occurrence?.toISOString() ?? 'none')
  })
  await scheduler.migrate()
  /** Month, day, hour and minute of each job's occurrence, and its status. */
  const jobs = async (): Promise<string[]> => {
    const found = await engine.database.query<{ at: string }>(
      `select to_char(occurrence at time zone 'UTC', 'MM-DD HH24:MI') || ' ' || status as at
       from ${schema}.scheduled_jobs order by occurrence, job_id`,
    )
    return found.rows.map(row => row.at)
  }
  const spoil = (change: string) => engine.database.query(`update ${schema}.belfry_schedules set ${change}`)
  return { clock, schema, scheduler, ran, jobs, spoil }
}
