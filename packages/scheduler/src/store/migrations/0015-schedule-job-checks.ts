import { quoteLiteral } from '../../database/identifier.ts'
import type { Migration } from './migration.ts'

/**
 * `schedule_job()` refuses what `scheduleJob` refuses. A type no process can register waited for ever, an infinite time
 * was no Date for those who list jobs, and the id of a finished job made two rows of one job, of which redriving lost one.
 * The finished rows are looked into last: a job that ends meanwhile holds up the insert until it is there to be seen.
 */
export const scheduleJobChecks: Migration = {
  version: 15,
  name: 'checks of schedule_job()',
  statements: ({ schema, live, finished, channel }) => [
    `create or replace function ${schema}.schedule_job(
      job_type text, payload jsonb default '{}', scheduled_time timestamptz default null,
      max_retries integer default 3, unique_key text default null, job_id text default null
    ) returns text language plpgsql as $body$
    #variable_conflict use_column
    declare made text; fault text;
    begin
      fault := case
        when $1 is null or ${isNoName('$1', 100)} or $1 ~ E'^\\\\s|\\\\s$' then
          format('job_type: expected a name of 1 to 100 characters such as send_invoice, got %L', left($1, 80))
        when $2 is null then 'payload: expected jsonb, got NULL'
        when $3 < '1970-01-01T00:00Z' or $3 >= '3000-01-01T00:00Z' then
          format('scheduled_time: expected a time between 1970 and 3000, got %L', $3)
        when $4 is null or $4 < 0 then format('max_retries: expected a whole number from 0 up, got %L', $4)
        ${keyFault('unique_key', '$5')}
        ${keyFault('job_id', '$6')}
      end;
      if fault is not null then
        raise exception 'schedule_job: %', fault using errcode = 'invalid_parameter_value';
      end if;
      loop
        insert into ${live} (job_id, job_type, payload, scheduled_time, max_retries, unique_key)
        values (coalesce($6, gen_random_uuid()::text), $1, $2, coalesce($3, now()), $4, $5)
        on conflict (job_type, unique_key) where unique_key is not null do nothing
        returning job_id into made;
        if made is null then
          select l.job_id into made from ${live} l where l.job_type = $1 and l.unique_key = $5;
        else
          perform pg_notify(${quoteLiteral(channel)}, 'due');
        end if;
        exit when made is not null;
      end loop;
      if $6 is not null and exists (select from ${finished} f where f.job_id = $6) then
        raise exception 'schedule_job: job_id % belongs to a finished job: choose another, or redrive that job',
          quote_literal($6) using errcode = 'unique_violation';
      end if;
      return made;
    end $body$`,
  ],
}

function keyFault(name: string, value: string): string {
  return `when ${isNoName(value, 255)} then
          format('${name}: expected 1 to 255 characters without control characters, got %L', left(${value}, 80))`
}

/** Condition: the text is empty, too long for its column, or has control characters. Null for null. */
function isNoName(value: string, longest: number): string {
  return `length(${value}) not between 1 and ${longest} or ${value} ~ E'[\\\\u0001-\\\\u001f\\\\u007f-\\\\u009f]'`
}
