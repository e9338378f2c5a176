import type { Queryable } from '../database/database.ts'
import type { BackoffRule } from '../job/backoff.ts'
import type { Delivery } from '../job/delivery.ts'
import { faultOf } from '../job/stored-fields.ts'
import { keepingPlan } from './keeping-plan.ts'
import { oneMore } from './one-more.ts'
import { isNotPaused, isSubjectPaused } from './pauses.ts'
import { plannedOnce } from './planned-once.ts'
import { OF_LOW_PRIORITY, SECONDS_PER_POINT, STANDS_BEHIND } from './ready-at.ts'
import type { Tables } from './tables.ts'

/** What few jobs have; null in the row of an ordinary one, so that the many pay nothing for the few. */
export interface UncommonFields {
  readonly attempt: number
  readonly retry_count: number
  readonly max_retries: number
  readonly payload_version: number
  /** Cancelling was asked for while an earlier attempt ran. */
  readonly cancel_requested: boolean
  readonly lost_count: number
  readonly timeout_ms: number | null
  readonly schedule_id: string | null
  /** Milliseconds since 1970. */
  readonly occurrence_ms: number | null
  /** Milliseconds from the claim until it may not start any more. */
  readonly expires_in_ms: number | null
  readonly metadata: Readonly<Record<string, string>> | null
  readonly lane: string | null
  readonly admitted: boolean
  /** What its start counts against a rate. */
  readonly weight: number
  /** What its start reserves of a budget; null: what its definition says. */
  readonly cost: number | null
  readonly priority: number
  readonly delivery: Delivery | null
  /** What its place after an opening of its window depends on; null: its id. */
  readonly spread_key: string | null
  /** Null, like `max_lost`: what its definition says. */
  readonly backoff: BackoffRule | null
  readonly max_lost: number | null
  /** It is about somebody or something that is paused: it does not run. */
  readonly subject_paused: boolean
  /** Why its row cannot be read: it fails before its handler is called, and until then counts as if it were usual. */
  readonly fault?: string
}

/** A job this runner now holds under a lease. */
export interface ClaimedJob {
  readonly job_id: string
  readonly job_type: string
  readonly payload: unknown
  /** Milliseconds since 1970. */
  readonly scheduled_ms: number
  /** Milliseconds until it is due; null when it is due already. */
  readonly due_in_ms: number | null
  readonly uncommon: UncommonFields | null
  /** Where its row lay when it was claimed, `(block,item)`; null when that is not known. A hint: rows move. */
  readonly row_at: string | null
}

/** A first attempt with three retries, a payload of version 1, and no option set. */
export const ORDINARY: UncommonFields = Object.freeze({
  attempt: 1,
  retry_count: 0,
  max_retries: 3,
  payload_version: 1,
  cancel_requested: false,
  lost_count: 0,
  timeout_ms: null,
  schedule_id: null,
  occurrence_ms: null,
  expires_in_ms: null,
  metadata: null,
  lane: null,
  admitted: false,
  weight: 1,
  cost: null,
  priority: 0,
  delivery: null,
  spread_key: null,
  backoff: null,
  max_lost: null,
  subject_paused: false,
})

/** How many jobs of one type are wanted. */
export interface WantedJobs {
  readonly jobType: string
  readonly most: number
}

export interface ClaimRequest {
  readonly runnerId: string
  /** New for every claim: what fences each later write. */
  readonly leaseToken: string
  readonly wanted: readonly WantedJobs[]
  /** Most jobs over all types. */
  readonly limit: number
  /** Jobs due within this many milliseconds are taken too; the runner waits for their instant by itself. */
  readonly lookAheadMs: number
  /** ISO text, or null for the database's clock. */
  readonly now: string | null
  /** They hold a slot of their type and key at once. Default: no. */
  readonly admits?: boolean
}

/**
 * Takes due jobs, oldest first, skipping what another runner is taking at this moment.
 *
 * The runner's own row is locked against deletion while the claim runs: a runner that was declared dead and rescued can
 * never claim under its old name, so no job is left with a holder nobody watches.
 * Each type's part of the index is read by itself, so jobs of other types are never stepped over. The join by ctid saves
 * a look-up per row and is safe here: the rows are locked by this very statement.
 */
export async function claimJobs(database: Queryable, tables: Tables, request: ClaimRequest): Promise<ClaimedJob[]> {
  if (request.wanted.length === 0 || request.limit <= 0) return []
  const claimed = await keepingPlan<ClaimedJob>(
    database,
    `select * from ${tables.schema}.${CLAIM}($1::uuid, $2::uuid, $3::text[], $4::int[], $5::int, $6::float8,
       $7::text::timestamptz, $8::boolean)`,
    [
      request.runnerId,
      request.leaseToken,
      request.wanted.map(each => each.jobType),
      request.wanted.map(each => each.most),
      request.limit,
      request.lookAheadMs,
      request.now,
      request.admits === true,
    ],
  )
  return inTurn(claimed.rows)
}

/** UPDATE answers rows as they lie on disk; jobs of the same place go by their ids, the older first. */
export function inTurn(jobs: readonly ClaimedJob[]): ClaimedJob[] {
  return jobs.map(readable).toSorted((a, b) => placeOf(a) - placeOf(b) || (a.job_id < b.job_id ? -1 : 1))
}

/** What somebody spoiled by hand concerns one job, never the others of the claim. */
function readable(job: ClaimedJob): ClaimedJob {
  const { uncommon } = job
  const fault = uncommon && faultOf(uncommon)
  if (!fault) return job
  const usual = {
    weight: 1,
    cost: null,
    delivery: null,
    metadata: null,
    lane: uncommon.lane === '' ? null : uncommon.lane,
    backoff: null,
    max_lost: null,
  }
  return { ...job, uncommon: { ...uncommon, ...usual, fault } }
}

/** Where a job stands among the others, in milliseconds. */
function placeOf({ scheduled_ms: due, uncommon }: ClaimedJob): number {
  return due - (uncommon?.priority ?? 0) * SECONDS_PER_POINT * 1_000
}

const CLAIM = 'belfry_claim_2'
const READY = 'coalesce(ready_at, scheduled_time)'
const HORIZON = `(select now from moment) + ahead_ms * interval '1 millisecond'`

/** The claim as migration 14 made it, for processes of a release that knows no pauses of subjects. */
export function firstClaimFunction(tables: Tables): string {
  return claimNamed(tables, 'belfry_claim_1', claimedRow())
}

/** The claim as migration 16 makes it. */
export function claimFunction(tables: Tables): string {
  return claimNamed(tables, CLAIM, claimedJob(tables))
}

function claimNamed(tables: Tables, name: string, claimed: string): string {
  const { runners, live } = tables
  /** Jobs of low priority stand behind their due time, and come before it only to fill free slots. */
  const pick = (which: 'in turn' | 'of low priority') => `
       select first.ctid, first.ready from unnest(wanted_types, wanted_most) as wanted(job_type, most)
       cross join lateral (
         select ctid, ${READY} as ready from ${live}
         where job_type collate "C" = wanted.job_type and lease_token is null and scheduled_time <= ${HORIZON}
           and ${which === 'in turn' ? `${READY} <= ${HORIZON}` : `${OF_LOW_PRIORITY} and ${READY} > ${HORIZON} and ${STANDS_BEHIND}`}
         order by ${which === 'in turn' ? READY : 'scheduled_time'} limit wanted.most for update skip locked) first
       where ${isNotPaused(tables, 'wanted.job_type')}`
  return plannedOnce(tables, {
    name,
    takes: `by_runner uuid, under_lease uuid, wanted_types text[], wanted_most integer[], at_most integer, ahead_ms float8,
      at_time timestamptz, admits boolean`,
    answers: `job_id varchar, job_type varchar, payload jsonb, scheduled_ms float8, due_in_ms float8, uncommon jsonb, row_at tid`,
    body: `return query with moment as materialized (
       select coalesce(at_time, clock_timestamp()) as now
     ), me as materialized (
       select from ${runners} where runner_id = by_runner for key share
     ), due as materialized (
       select ctid from (${pick('in turn')} union all ${pick('of low priority')}) picked
       where exists (select from me)
       order by ready limit at_most
     )
     update ${live} job set status = 'running', lease_token = under_lease, runner_id = by_runner,
       started_at = (select now from moment), attempt = ${oneMore('attempt')}, admitted = admitted or admits
     where job.ctid = any (array(select ctid from due)) and job.lease_token is null
     returning ${claimed};`,
  })
}

/** What is answered of a claimed row, `job`. */
export function claimedJob(tables: Tables): string {
  return claimedRow(`, 'subject_paused', subjects is not null and ${isSubjectPaused(tables, 'subjects')}`)
}

function claimedRow(more = ''): string {
  return `job_id, job_type, payload, trunc(date_part('epoch', scheduled_time) * 1000) as scheduled_ms,
       case when scheduled_time > started_at then date_part('epoch', scheduled_time - started_at) * 1000 end as due_in_ms,
       ${uncommonFields(more)} as uncommon, job.ctid as row_at`
}

/**
 * Null for what `ORDINARY` says. What is JSON in the row is judged when it is read: a cast of something spoiled would fail
 * the whole claim. Infinity, which a column of times may hold, is no number in JSON.
 */
function uncommonFields(more: string): string {
  return `case when attempt = 1 and retry_count = 0 and max_retries = 3 and payload_version = 1
         and not cancel_requested and lost_count = 0 and snooze_count = 0 and priority = 0
         and coalesce(unique_key, schedule_id, lane) is null and coalesce(subjects, tags) is null
         and coalesce(metadata, options, progress) is null and coalesce(timeout_ms::float8, date_part('epoch', expires_at)) is null
       then null
       else jsonb_build_object('attempt', attempt, 'retry_count', retry_count, 'max_retries', max_retries,
         'payload_version', payload_version, 'cancel_requested', cancel_requested, 'lost_count', lost_count,
         'timeout_ms', timeout_ms, 'schedule_id', schedule_id,
         'occurrence_ms', case when isfinite(occurrence) then date_part('epoch', occurrence) * 1000 end,
         'expires_in_ms', case when expires_at < 'infinity'
           then greatest(-1e15, (date_part('epoch', expires_at) - date_part('epoch', started_at)) * 1000) end, 'metadata', metadata, 'lane', lane,
         'admitted', coalesce(admitted, false), 'weight', coalesce(options->'weight', '1'), 'cost', options->'cost',
         'priority', priority, 'backoff', options->'backoff', 'max_lost', options->'max_lost',
         'delivery', options->'delivery', 'spread_key', coalesce(unique_key, subjects[1])${more}) end`
}
