import { Scheduler } from 'belfry'
import type { Database } from 'belfry/database'

export async function startReporting(database: Database): Promise<Scheduler> {
  const scheduler = new Scheduler({
    database,
    schedules: [
      { scheduleId: 'morning', job: 'report', rule: '30 2 * * *', timeZone: 'Europe/Berlin', overlap: 'skip' },
      { scheduleId: 'pulse', job: 'ping', rule: { every: '30s' }, catchUp: 'skip' },
    ],
  })
  scheduler.registerHandler('report', (_payload, { occurrence }) => `report of ${occurrence?.toISOString() ?? 'now'}`)
  scheduler.registerHandler('ping', () => 'pong')
  await scheduler.start()
  return scheduler
}
