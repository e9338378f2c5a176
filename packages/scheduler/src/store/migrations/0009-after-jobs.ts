import { dependencyTable } from '../dependency-table.ts'
import { durableTables } from '../durable-tables.ts'
import type { Migration } from './migration.ts'

/**
 * What happens after a job has ended. `awaited` travels with a job into the finished partition; rows there that still say
 * so are the work left to do, and the first index finds them. It has no entry for any other job.
 *
 * A dependency is open as long as `outcome` is null. A job with open ones is pending, `ready_at` infinity, and says
 * `waits`, so that a free slot of its concurrency key does not wake it. Neither column is written for an ordinary job.
 *
 * Dependencies go with the job that has them; those on a job that is gone keep what became of it.
 */
export const afterJobs: Migration = {
  version: 9,
  name: 'after jobs',
  statements: tables => {
    const { schema, jobs, finished } = tables
    const dependencies = dependencyTable(tables)
    const { steps } = durableTables(tables)
    return [
      `alter table ${jobs} add column waits boolean`,
      `create index scheduled_jobs_finished_awaited on ${finished} (job_id) where awaited`,
      `create table ${dependencies} (
        child_id varchar(255) collate "C" not null,
        parent_id varchar(255) collate "C" not null,
        name text collate "C",
        on_failure varchar(10) not null,
        outcome varchar(20),
        primary key (child_id, parent_id)
      )`,
      `create index belfry_dependencies_parent on ${dependencies} (parent_id)`,
      `create index belfry_dependencies_open on ${dependencies} (child_id) where outcome is null`,
      `create or replace function ${schema}.belfry_forget_steps() returns trigger language plpgsql as $body$
      begin
        delete from ${steps} step using gone where step.job_id = gone.job_id
          and not exists (select from ${jobs} job where job.job_id = step.job_id);
        delete from ${dependencies} dependency using gone where dependency.child_id = gone.job_id
          and not exists (select from ${jobs} job where job.job_id = dependency.child_id);
        return null;
      end $body$`,
    ]
  },
}
