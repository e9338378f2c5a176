import type { Migration } from './migration.ts'

/**
 * Runners hold the leases: a job's lease lasts as long as its runner's row. Renewing is one row however many jobs run,
 * and an expired runner is found without scanning jobs.
 */
export const runnersAndSchedules: Migration = {
  version: 2,
  name: 'runners and schedules',
  statements: ({ runners, schedules }) => [
    `create table ${runners} (
      runner_id uuid primary key,
      lease_until timestamptz not null,
      heartbeat_at timestamptz not null default now(),
      started_at timestamptz not null default now(),
      host text not null,
      process_id integer not null,
      version text not null,
      job_types text[] not null,
      running integer not null default 0
    )`,
    `create table ${schedules} (
      schedule_id varchar(255) collate "C" primary key,
      job_type varchar(100) not null,
      rule text not null,
      time_zone text not null default 'UTC',
      rule_options jsonb not null default '{}',
      payload jsonb not null default '{}',
      payload_version integer not null default 1,
      job_options jsonb not null default '{}',
      max_retries integer not null default 3,
      overlap varchar(20) not null default 'allow',
      catch_up jsonb not null default '"last"',
      paused boolean not null default false,
      next_occurrence timestamptz,
      last_occurrence timestamptz,
      fired_count bigint not null default 0,
      skipped_count bigint not null default 0,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    )`,
  ],
}
