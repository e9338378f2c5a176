import type { Migration } from './migration.ts'

/**
 * What a schedule remembers beside its times: who defined it, why it was paused, and the one occurrence that waits for
 * an earlier job to end. The index finds a schedule's unfinished jobs; jobs of no schedule are not in it.
 */
export const scheduleMemory: Migration = {
  version: 5,
  name: 'what schedules remember',
  statements: ({ schedules, live }) => [
    `alter table ${schedules}
      add column origin varchar(20) not null default 'runtime',
      add column error_message text,
      add column waiting_occurrence timestamptz`,
    `create index scheduled_jobs_live_schedule on ${live} (schedule_id) where schedule_id is not null`,
  ],
}
