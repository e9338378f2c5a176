import { quoteLiteral } from '../../database/identifier.ts'
import type { Migration } from './migration.ts'

/**
 * Scheduling from plain SQL, a trigger or another language: `select belfry.schedule_job('type', '{}'::jsonb)`.
 * The hint travels with the transaction, so runners wake when it commits.
 */
export const scheduleJobFunction: Migration = {
  version: 3,
  name: 'schedule_job()',
  statements: ({ schema, live, channel }) => [
    `create function ${schema}.schedule_job(
      job_type text, payload jsonb default '{}', scheduled_time timestamptz default null,
      max_retries integer default 3, unique_key text default null, job_id text default null
    ) returns text language plpgsql as $body$
    #variable_conflict use_column
    declare made text;
    begin
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
      return made;
    end $body$`,
  ],
}
