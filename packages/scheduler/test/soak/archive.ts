import type { Pool } from 'pg'

/** Where what was pruned is kept; `scheduled_jobs` and `job_execution_history` in it are the whole past, as views. */
export const ARCHIVE = 'archive'

const JOB =
  'job_id, status, attempt, retry_count, lost_count, snooze_count, last_outcome, lease_token, schedule_id, occurrence, execution_id'
const ATTEMPT = 'job_id, job_type, attempt, status'

/**
 * Keeps every row that retention removes, in the statement that removes it: a server that is killed loses both or
 * neither. What a soak asks at its end is asked of the whole past, though the tables stay small.
 */
export async function keepArchive(pool: Pool, schema: string): Promise<void> {
  const keep = (table: string, columns: string, kept: string) => `
    create function ${ARCHIVE}.keep_${table}() returns trigger language plpgsql as $body$
      begin
        insert into ${ARCHIVE}.${kept} (${columns}) select ${columns} from (select old.*) as gone;
        return old;
      end $body$;
    create trigger soak_archive before delete on ${schema}.${table}
      for each row execute function ${ARCHIVE}.keep_${table}();`
  const lastAttempt = 'job_id, job_type, attempt, last_outcome'
  await pool.query(`
    create schema ${ARCHIVE};
    create table ${ARCHIVE}.jobs as select ${JOB}, job_type from ${schema}.scheduled_jobs with no data;
    create table ${ARCHIVE}.attempts as select ${ATTEMPT} from ${schema}.job_execution_history with no data;
    ${keep('scheduled_jobs_finished', `${JOB}, job_type`, 'jobs')}
    ${keep('job_attempts', ATTEMPT, 'attempts')}
    create view ${ARCHIVE}.scheduled_jobs as
      select ${JOB} from ${schema}.scheduled_jobs union all select ${JOB} from ${ARCHIVE}.jobs;
    create view ${ARCHIVE}.job_execution_history as
      select ${ATTEMPT} from ${schema}.job_execution_history
      union all select ${ATTEMPT} from ${ARCHIVE}.attempts
      union all select ${lastAttempt} from ${ARCHIVE}.jobs where execution_id is not null`)
}
