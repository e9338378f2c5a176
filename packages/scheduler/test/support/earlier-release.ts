/**
 * Statements as the release before sent them, word for word, to a schema that was migrated with three steps: during a
 * rolling upgrade processes of that release work on beside new ones, on the schema the new ones have migrated.
 */
export function statementsOfEarlierRelease(schema: string) {
  const kept =
    'job_id, job_type, scheduled_time, payload, created_at, retry_count, max_retries, started_at, attempt, ' +
    'lost_count, snooze_count, unique_key, payload_version, timeout_ms, schedule_id, occurrence, runner_id, progress'
  return {
    register: `insert into ${schema}.belfry_runners (runner_id, host, process_id, version, job_types, lease_until, heartbeat_at, started_at)
     select $1::uuid, $2::text, $3::int, $4::text, $5::text[],
       moment.now + $6::float8 * interval '1 millisecond', moment.now, moment.now
     from (select coalesce($7::text::timestamptz, clock_timestamp()) as now) moment`,
    insert: `with fresh as (
       insert into ${schema}.scheduled_jobs_live (job_id, job_type, payload, payload_version, scheduled_time, created_at, max_retries,
         timeout_ms, unique_key, schedule_id, occurrence)
       select job_id, job_type, payload::jsonb, payload_version,
         coalesce(scheduled_time::timestamptz,
           coalesce($11::text::timestamptz, now()) + delay_ms * interval '1 millisecond'),
         coalesce($11::text::timestamptz, now()), max_retries, timeout_ms, unique_key, schedule_id,
         occurrence::timestamptz
       from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::int[], $7::float8[], $8::text[],
         $9::text[], $10::text[], $14::float8[])
         as job(job_id, job_type, payload, payload_version, scheduled_time, max_retries, timeout_ms, unique_key,
           schedule_id, occurrence, delay_ms)
       on conflict (job_type, unique_key) where unique_key is not null do nothing
       returning job_id
     ), hint as materialized (select pg_notify($13::text, 'due') where $12::boolean)
     select job_id from fresh left join hint on true`,
    claim: `with me as materialized (
       select from ${schema}.belfry_runners where runner_id = $1::uuid for key share
     ), due as materialized (
       select ctid from ${schema}.scheduled_jobs_live
       where scheduled_time <= coalesce($5::text::timestamptz, now()) and lease_token is null
         and job_type = any($3::text[]) and exists (select from me)
       order by scheduled_time limit $4::int for update skip locked
     )
     update ${schema}.scheduled_jobs_live job set status = 'running', lease_token = $2::uuid, runner_id = $1::uuid,
       started_at = coalesce($5::text::timestamptz, clock_timestamp()), attempt = attempt + 1
     where job.ctid = any (array(select ctid from due)) and job.lease_token is null
     returning job_id, job_type, payload, payload_version, attempt, retry_count, max_retries, cancel_requested,
       (extract(epoch from scheduled_time) * 1000)::float8 as scheduled_ms, timeout_ms::float8 as timeout_ms,
       schedule_id, (extract(epoch from occurrence) * 1000)::float8 as occurrence_ms`,
    settleFinished: `with ended as (
       select * from unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[],
         $8::text[], $9::text[])
         as ended(job_id, lease_token, status, duration_ms, result, error_code, error_message, error_stack, log)
     ), gone as (
       delete from ${schema}.scheduled_jobs_live live using ended
       where live.job_id = ended.job_id and live.lease_token = ended.lease_token
       returning live.job_id, live.job_type, live.scheduled_time, live.payload, live.created_at, live.retry_count,
         live.max_retries, live.started_at, live.attempt, live.lost_count, live.snooze_count, live.unique_key,
         live.payload_version, live.timeout_ms, live.schedule_id, live.occurrence, live.runner_id, live.progress,
         ended.status as outcome, ended.duration_ms, ended.result, ended.error_code, ended.error_message,
         ended.error_stack, ended.log
     ), kept as (
       insert into ${schema}.scheduled_jobs_finished (${kept}, status, last_outcome, completed_at, error_message, result)
       select ${kept}, outcome, outcome, coalesce($10::text::timestamptz, now()), error_message, result::jsonb
       from gone
     )
     insert into ${schema}.job_execution_history (job_id, job_type, attempt, execution_time, duration_ms, wait_ms, status, error_code,
       error_message, error_stack, runner_id, log, created_at)
     select job_id, job_type, attempt, started_at, duration_ms,
       greatest(0, extract(epoch from started_at - scheduled_time) * 1000)::bigint, outcome, error_code, error_message,
       error_stack, runner_id, log::jsonb, coalesce($10::text::timestamptz, now())
     from gone
     returning job_id`,
    settlePending: `with ended as (
       select * from unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::float8[], $6::text[], $7::text[],
         $8::text[], $9::text[], $10::text[])
         as ended(job_id, lease_token, outcome, duration_ms, wake_in_ms, wake_at, error_code, error_message,
           error_stack, log)
     ), before as (
       select ended.*, live.started_at, live.runner_id, live.scheduled_time
       from ${schema}.scheduled_jobs_live live join ended on live.job_id = ended.job_id and live.lease_token = ended.lease_token
       for update of live
     ), again as (
       update ${schema}.scheduled_jobs_live live set status = 'pending', lease_token = null, runner_id = null,
         scheduled_time = coalesce(before.wake_at::timestamptz,
           coalesce($11::text::timestamptz, now()) + before.wake_in_ms * interval '1 millisecond'),
         retry_count = live.retry_count + (before.outcome = 'failed')::int,
         snooze_count = live.snooze_count + (before.outcome = 'snoozed')::int,
         last_outcome = before.outcome, error_message = coalesce(before.error_message, live.error_message)
       from before where live.job_id = before.job_id
       returning live.job_id, live.job_type, live.attempt, before.started_at, before.scheduled_time as was_due,
         before.runner_id as was_held_by, before.outcome, before.duration_ms, before.error_code,
         before.error_message as attempt_error, before.error_stack, before.log
     )
     insert into ${schema}.job_execution_history (job_id, job_type, attempt, execution_time, duration_ms, wait_ms, status, error_code,
       error_message, error_stack, runner_id, log, created_at)
     select job_id, job_type, attempt, started_at, duration_ms,
       greatest(0, extract(epoch from started_at - was_due) * 1000)::bigint, outcome, error_code, attempt_error,
       error_stack, was_held_by, log::jsonb, coalesce($11::text::timestamptz, now())
     from again
     returning job_id`,
  }
}
