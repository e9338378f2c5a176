import type { Migration } from './migration.ts'

/**
 * The book of administrative acts, and two indexes for people who look for jobs. Both cost the hot path next to nothing:
 * the first one has no entry for a completed job; the second adds a column to a summary that every finished job is part
 * of already.
 */
export const audit: Migration = {
  version: 6,
  name: 'audit',
  statements: ({ schema, finished }) => [
    `create table ${schema}.belfry_audit (
      audit_id bigint generated always as identity primary key,
      at timestamptz not null default now(),
      actor varchar(255) not null,
      action varchar(50) not null,
      target text not null,
      detail jsonb not null default '{}'
    )`,
    `create index scheduled_jobs_finished_ended_badly on ${finished} (status, completed_at)
      where status in ('failed', 'cancelled')`,
    `drop index ${schema}.scheduled_jobs_finished_time`,
    `create index scheduled_jobs_finished_time on ${finished} using brin (completed_at, created_at)`,
  ],
}
