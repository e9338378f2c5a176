import { quoteLiteral } from '../../database/identifier.ts'
import { STANDS_BEHIND } from '../ready-at.ts'
import type { Tables } from '../tables.ts'
import type { Migration } from './migration.ts'

/**
 * Two changes that make the hot path cheaper, and the columns of the features that came with them.
 *
 * A finished job and its last attempt become one row: settling then writes one row instead of two (11 % instead of 20 %
 * more CPU than deleting the job, in rounds of 200,000 jobs). `job_execution_history` is now a view over those rows and
 * the attempts before the last, and takes rows for the sake of processes of the release before, during a rolling upgrade.
 * A finished job that is given a new life, be it by hand, leaves its attempt to them.
 *
 * The index of due jobs leads with the type: a claim then never steps over jobs it cannot take, be it a million of a
 * type whose service is down or of a type that is paused. `ready_at` overrides the due time in it: earlier for jobs of
 * high priority, `infinity` for those that wait for something else. Nothing a claim writes is in any index.
 *
 * Every claim compares what indexes mention, conditions included, before and after. A null costs next to nothing there, a
 * value far back in the row a walk through it: the index of low priority is conditioned on `ready_at` and `admitted` is
 * null for most (together 7 % of a claim's instructions).
 */
export const oneRowPerFinishedJob: Migration = {
  version: 4,
  name: 'one row per finished job',
  statements: tables => [...newColumns(tables), ...attemptsAndView(tables), ...rowTriggers(tables)],
}

function newColumns({ schema, jobs, live, finished }: Tables): string[] {
  return [
    `alter table ${jobs}
      add column ready_at timestamptz,
      add column priority integer not null default 0,
      add column lane varchar(255) collate "C",
      add column admitted boolean,
      add column expires_at timestamptz,
      add column subjects text[],
      add column tags text[],
      add column metadata jsonb,
      add column options jsonb,
      add column awaited boolean not null default false,
      add column execution_id bigint,
      add column duration_ms integer,
      add column wait_ms bigint,
      add column error_code varchar(100),
      add column error_stack text,
      add column log jsonb`,
    `drop index ${schema}.scheduled_jobs_live_due`,
    `create index scheduled_jobs_live_due on ${live} (job_type collate "C", coalesce(ready_at, scheduled_time))`,
    `create index scheduled_jobs_live_low on ${live} (job_type collate "C", scheduled_time) where ${STANDS_BEHIND}`,
    `create index scheduled_jobs_live_lane on ${live} (job_type collate "C", lane, scheduled_time)
      where lane is not null`,
    `create index scheduled_jobs_live_expiry on ${live} (expires_at) where expires_at is not null`,
    `create index scheduled_jobs_live_subjects on ${live} using gin (subjects) where subjects is not null`,
    `create index scheduled_jobs_finished_subjects on ${finished} using gin (subjects) where subjects is not null`,
  ]
}

function attemptsAndView({ schema, finished, history, attempts, executions, nextExecution }: Tables): string[] {
  return [
    `alter table ${history} rename to job_attempts`,
    `alter index ${schema}.job_execution_history_pk rename to job_attempts_pk`,
    `alter index ${schema}.job_execution_history_time rename to job_attempts_time`,
    `alter table ${attempts} alter column execution_id drop identity`,
    `create sequence ${executions} cache 100`,
    `select setval(${quoteLiteral(executions)}::regclass,
      greatest((select coalesce(max(execution_id), 0) from ${attempts}), 1))`,
    `alter table ${attempts} alter column execution_id set default ${nextExecution}`,
    `create view ${history} as
      select execution_id, job_id, job_type, execution_time, duration_ms, status, error_message, created_at, attempt,
        wait_ms, error_code, error_stack, runner_id, log
      from ${attempts}
      union all
      select execution_id, job_id, job_type, coalesce(started_at, completed_at), duration_ms, last_outcome, error_message,
        completed_at, attempt, wait_ms, error_code, error_stack, runner_id, log
      from ${finished} where execution_id is not null`,
  ]
}

/** Rows written into the view, and rows that come back from the finished partition. */
function rowTriggers({ schema, live, history, attempts }: Tables): string[] {
  return [
    `create function ${schema}.belfry_insert_attempt() returns trigger language plpgsql as $body$
    begin
      insert into ${attempts} (job_id, job_type, attempt, execution_time, duration_ms, wait_ms, status, error_code,
        error_message, error_stack, runner_id, log, created_at)
      values (new.job_id, new.job_type, coalesce(new.attempt, 1), new.execution_time, new.duration_ms, new.wait_ms,
        new.status, new.error_code, new.error_message, new.error_stack, new.runner_id, new.log,
        coalesce(new.created_at, now()));
      return new;
    end $body$`,
    `create trigger job_execution_history_insert instead of insert on ${history}
      for each row execute function ${schema}.belfry_insert_attempt()`,
    `create function ${schema}.belfry_keep_attempt() returns trigger language plpgsql as $body$
    begin
      insert into ${attempts} (execution_id, job_id, job_type, attempt, execution_time, duration_ms, wait_ms, status,
        error_code, error_message, error_stack, runner_id, log, created_at)
      values (new.execution_id, new.job_id, new.job_type, new.attempt, coalesce(new.started_at, new.completed_at),
        new.duration_ms, new.wait_ms, new.last_outcome, new.error_code, new.error_message, new.error_stack,
        new.runner_id, new.log, new.completed_at);
      new.execution_id := null; new.duration_ms := null; new.wait_ms := null; new.error_code := null;
      new.error_stack := null; new.log := null; new.completed_at := null; new.result := null; new.runner_id := null;
      return new;
    end $body$`,
    `create trigger scheduled_jobs_revived before insert on ${live}
      for each row when (new.execution_id is not null) execute function ${schema}.belfry_keep_attempt()`,
  ]
}
