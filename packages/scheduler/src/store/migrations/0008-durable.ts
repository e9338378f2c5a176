import { readyAt } from '../ready-at.ts'
import { durableTables } from '../durable-tables.ts'
import type { Migration } from './migration.ts'

/**
 * Durable execution: what a job has done (`belfry_steps`), and events that jobs wait for (`belfry_events`).
 *
 * Rows of a job go with it, however it is deleted: a trigger per statement on the finished partition and on the whole
 * table, so that settling, which deletes from the live partition, pays nothing.
 *
 * An event may come while the attempt that waits for it is being settled. Its sender then finds the job running and
 * notes the attempt; the second trigger sees the note when that very attempt is recorded as snoozed, and wakes the job.
 * It hangs on the record: on the live partition it would make every claim look its row up once more, even those it is
 * not for (4 % of a claim's instructions).
 */
export const durable: Migration = {
  version: 8,
  name: 'durable execution',
  statements: tables => {
    const { schema, jobs, live, finished, attempts } = tables
    const { steps, events, topics } = durableTables(tables)
    return [
      `create table ${steps} (
        job_id varchar(255) collate "C" not null,
        kind varchar(10) not null,
        name text collate "C" not null,
        done boolean not null,
        result jsonb,
        wake_at timestamptz,
        event_name text collate "C",
        event_key text collate "C",
        event_id bigint,
        arrived_at timestamptz,
        arrived_in integer,
        created_at timestamptz not null default now(),
        primary key (job_id, kind, name)
      )`,
      `create index belfry_steps_waiting on ${steps} (event_name, event_key) where not done and kind = 'wait'`,
      `create table ${events} (
        event_id bigint generated always as identity primary key,
        name text collate "C" not null,
        key text collate "C" not null,
        payload jsonb,
        sent_at timestamptz not null,
        expires_at timestamptz not null
      )`,
      `create index belfry_events_name on ${events} (name, key, event_id)`,
      `create index belfry_events_expiry on ${events} (expires_at)`,
      `create table ${topics} (
        name text collate "C" not null,
        key text collate "C" not null,
        used_at timestamptz not null,
        primary key (name, key)
      )`,
      `create function ${schema}.belfry_forget_steps() returns trigger language plpgsql as $body$
      begin
        delete from ${steps} step using gone where step.job_id = gone.job_id
          and not exists (select from ${jobs} job where job.job_id = step.job_id);
        return null;
      end $body$`,
      forgetting('belfry_jobs_deleted', jobs, schema),
      forgetting('belfry_finished_deleted', finished, schema),
      `create function ${schema}.belfry_wake_arrived() returns trigger language plpgsql as $body$
      declare arrived timestamptz;
      begin
        select min(arrived_at) into arrived from ${steps}
        where job_id = new.job_id and kind = 'wait' and arrived_in = new.attempt;
        update ${live} set scheduled_time = arrived, ready_at = ${readyAt('arrived', 'priority')}
        where job_id = new.job_id and attempt = new.attempt and lease_token is null and arrived < scheduled_time;
        return null;
      end $body$`,
      `create trigger belfry_event_arrived after insert on ${attempts}
        for each row when (new.status = 'snoozed') execute function ${schema}.belfry_wake_arrived()`,
    ]
  },
}

function forgetting(name: string, table: string, schema: string): string {
  return `create trigger ${name} after delete on ${table} referencing old table as gone
    for each statement execute function ${schema}.belfry_forget_steps()`
}
