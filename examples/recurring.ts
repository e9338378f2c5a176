import { defineJob, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'

const report = defineJob({
  type: 'daily_report',
  handler: (_payload, { occurrence }) => `report for ${occurrence?.toISOString().slice(0, 10) ?? 'today'}`,
})

export function reporting(database: Database): Scheduler {
  return new Scheduler({
    database,
    jobs: [report],
    schedules: [
      { scheduleId: 'report', job: report, rule: '30 6 * * *', timeZone: 'Europe/Berlin', overlap: 'skip' },
      { scheduleId: 'ping', job: 'ping', rule: { every: '5m' }, catchUp: 'skip' },
    ],
  })
}
