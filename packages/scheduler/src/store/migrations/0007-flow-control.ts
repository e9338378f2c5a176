import type { Migration } from './migration.ts'

/**
 * Flow control over all processes. A governed type has one row that is locked while its jobs are admitted; a key of it
 * has one when it has something to remember. How many run is counted from the jobs themselves, so no crash can leave a
 * counter wrong; the index makes that a look at those that run.
 */
export const flowControl: Migration = {
  version: 7,
  name: 'flow control',
  statements: ({ live, lanes, pauses }) => [
    `create table ${lanes} (
      job_type varchar(100) collate "C" not null,
      lane varchar(255) collate "C" not null,
      limits jsonb,
      starts jsonb not null default '[]',
      failures integer not null default 0,
      paused_until timestamptz,
      updated_at timestamptz not null default now(),
      primary key (job_type, lane)
    )`,
    `create table ${pauses} (
      job_type varchar(100) collate "C" not null,
      lane varchar(255) collate "C" not null default '',
      reason text,
      paused_at timestamptz not null default now(),
      primary key (job_type, lane)
    )`,
    `create index scheduled_jobs_live_admitted on ${live} (job_type collate "C", lane) where admitted`,
  ],
}
