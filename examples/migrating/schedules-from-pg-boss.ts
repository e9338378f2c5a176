import type { Scheduler } from 'belfry'
import type { Pool } from 'pg'

interface StoredSchedule {
  name: string
  key: string
  cron: string
  timezone: string | null
  data: unknown
}

/** Copies stored schedules. Remove each from pg-boss with `unschedule(name, key)` before you start this scheduler. */
export async function copySchedulesFromPgBoss(pool: Pool, scheduler: Scheduler): Promise<number> {
  const { rows } = await pool.query<StoredSchedule>('select name, key, cron, timezone, data from pgboss.schedule')
  for (const { name, key, cron, timezone, data } of rows) {
    await scheduler.applySchedule({
      scheduleId: key === '' ? name : `${name}/${key}`,
      job: name,
      payload: data ?? {},
      rule: cron,
      timeZone: timezone ?? 'UTC',
    })
  }
  return rows.length
}
