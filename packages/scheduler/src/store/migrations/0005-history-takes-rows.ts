import type { Migration } from './migration.ts'

/**
 * `job_execution_history` was a table once: processes of the release before write their attempts to it, during a rolling
 * upgrade and on a schema migrated by hand. What is inserted into the view goes to the attempts.
 */
export const historyTakesRows: Migration = {
  version: 5,
  name: 'history takes rows',
  statements: ({ schema, history, attempts }) => [
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
  ],
}
