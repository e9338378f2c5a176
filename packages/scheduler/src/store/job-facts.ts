import type { Queryable } from '../database/database.ts'
import type { AttemptOutcome, JobStatus } from '../job/job.ts'
import { PUT_OFF } from './find-delivery.ts'
import type { Tables } from './tables.ts'

/** A process that runs jobs, as the facts name it. */
export interface RunnerFact {
  readonly runner_id: string
  readonly host: string
  readonly process_id: number
  readonly handles: boolean
}

/** What the database knows of why a job runs or does not. No payload. Times in milliseconds since 1970. */
export interface JobFactsRow {
  readonly now_ms: number
  readonly job_id: string
  readonly job_type: string
  readonly status: JobStatus
  readonly held: boolean
  /** It has no time of its own before something else happens. */
  readonly waits_for_other: boolean
  /** It waits for other jobs to end. */
  readonly waits: boolean
  /** It holds a slot of its type and key. */
  readonly admitted: boolean
  readonly due_ms: number
  readonly started_ms: number | null
  readonly completed_ms: number | null
  readonly expires_ms: number | null
  readonly timeout_ms: number | null
  readonly retry_count: number
  readonly max_retries: number
  readonly last_outcome: AttemptOutcome | null
  readonly error_message: string | null
  readonly cancel_requested: boolean
  readonly lane: string | null
  readonly subjects: readonly string[] | null
  /** As they are stored, like `delivery` and `metadata`: nobody has judged them yet. */
  readonly weight: unknown
  readonly backoff: unknown
  readonly max_lost: unknown
  readonly cost: unknown
  readonly metadata: unknown
  readonly runner_id: string | null
  readonly host: string | null
  readonly process_id: number | null
  readonly lease_ms: number | null
  readonly delivery: unknown
  readonly put_off: boolean
  readonly spread_key: string
  readonly runners: RunnerFact[]
}

const ms = (expression: string) => `(extract(epoch from ${expression}) * 1000)::float8`

/** The facts of one moment, in one statement; undefined when there is no such job. */
export async function readJobFacts(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; now: string | null },
): Promise<JobFactsRow | undefined> {
  const found = await database.query<JobFactsRow>(
    `with moment as (select coalesce($2::text::timestamptz, clock_timestamp()) as now)
     select ${ms('moment.now')} as now_ms, job.job_id, job.job_type, job.status, job.lease_token is not null as held,
       coalesce(job.ready_at = 'infinity', false) as waits_for_other, coalesce(job.waits, false) as waits,
       coalesce(job.admitted, false) as admitted, ${ms('job.scheduled_time')} as due_ms,
       ${ms('job.started_at')} as started_ms, ${ms('job.completed_at')} as completed_ms,
       ${ms('job.expires_at')} as expires_ms, job.timeout_ms::float8, job.retry_count, job.max_retries,
       job.last_outcome, left(job.error_message, 300) as error_message, job.cancel_requested, job.lane,
       to_jsonb(job.subjects) as subjects,
       coalesce(job.options->'weight', '1') as weight, job.options->'cost' as cost,
       job.options->'backoff' as backoff, job.options->'max_lost' as max_lost, job.metadata,
       job.options->'delivery' as delivery, ${PUT_OFF} as put_off,
       coalesce(job.unique_key, job.subjects[1], job.job_id) as spread_key,
       job.runner_id::text, holder.host, holder.process_id, ${ms('holder.lease_until')} as lease_ms,
       coalesce((select jsonb_agg(jsonb_build_object('runner_id', runner_id, 'host', host, 'process_id', process_id,
           'handles', job.job_type = any (job_types)) order by started_at)
         from ${tables.runners} where lease_until >= moment.now), '[]') as runners
     from moment cross join ${tables.jobs} job left join ${tables.runners} holder on holder.runner_id = job.runner_id
     where job.job_id = $1::text order by job.completed_at desc nulls first limit 1`,
    [request.jobId, request.now],
  )
  return found.rows[0]
}
