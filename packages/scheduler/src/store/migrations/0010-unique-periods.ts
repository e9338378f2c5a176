import { periodsTable } from '../unique-periods.ts'
import type { Migration } from './migration.ts'

/**
 * Keys that are taken for a time, whatever becomes of the job that took them (`uniqueFor`). A table of its own: jobs
 * without such a period never touch it. It keeps the subjects of the job, so that erasing a person finds the key.
 */
export const uniquePeriods: Migration = {
  version: 10,
  name: 'unique periods',
  statements: tables => {
    const periods = periodsTable(tables)
    return [
      `create table ${periods} (
        job_type varchar(100) collate "C" not null,
        unique_key varchar(255) collate "C" not null,
        job_id varchar(255) collate "C" not null,
        ends_at timestamptz not null,
        subjects text[],
        primary key (job_type, unique_key)
      )`,
      `create index belfry_unique_periods_end on ${periods} (ends_at)`,
      `create index belfry_unique_periods_subjects on ${periods} using gin (subjects) where subjects is not null`,
    ]
  },
}
