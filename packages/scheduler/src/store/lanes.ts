import type { Queryable } from '../database/database.ts'
import type { ResolvedLimits } from '../job/limits.ts'
import type { Tables } from './tables.ts'

/** Flow state of a type (`lane` empty) or of one key of it. Times in milliseconds since 1970. */
export interface LaneRow {
  readonly job_type: string
  readonly lane: string
  /** Set at run time, as they are stored; null: the definition's. */
  readonly limits: unknown
  readonly starts: [atMs: number, weight: number][]
  readonly memory: LaneMemory | null
  readonly failures: number
  readonly paused_until_ms: number | null
  /** A key that somebody paused. Whole types are left out by the claim itself. */
  readonly paused: boolean
  /** Jobs that hold a slot of it. */
  readonly running: number
  /** Of a type with failures in a row: those of them that began after its rest. */
  readonly tried: number
  readonly now_ms: number
}

/** What a lane remembers beside single starts. */
export interface LaneMemory {
  /** Of a token bucket: when it is full again. */
  readonly fullAtMs?: number | undefined
  /** Of a budget: what was spent or is reserved, and when. */
  readonly spent?: readonly (readonly [atMs: number, amount: number])[] | undefined
  /** Of a type whose keys take turns: the key that was served last. */
  readonly lastKey?: string | undefined
  /** Until when any of it counts; missing in what older releases stored. */
  readonly countsUntilMs?: number | undefined
}

/** The type as a whole: the lane whose row is locked while any job of the type is admitted. */
export const WHOLE_TYPE = ''

/**
 * The state of a type, its row locked until the transaction ends: jobs of a governed type are admitted one claim after
 * another, over all processes. How many run is counted after the lock, so it includes what the last claim took.
 */
export async function lockType(
  transaction: Queryable,
  tables: Tables,
  request: { jobType: string; now: string | null },
): Promise<LaneRow> {
  await lockTypeRow(transaction, tables, request.jobType)
  const [row] = await readLanes(transaction, tables, { ...request, lanes: [WHOLE_TYPE] })
  if (!row) throw new Error(`the lane of ${request.jobType} is gone`)
  return row
}

/**
 * Locks a type's row, for somebody who need not know its state. Compiling statements is off for the transaction: the
 * planner expects the whole backlog where the limits of a claim end after a few rows, and compiles for longer than that.
 */
export async function lockTypeRow(transaction: Queryable, tables: Tables, jobType: string): Promise<void> {
  await transaction.query(
    `insert into ${tables.lanes} (job_type, lane) values ($1::text, '')
     on conflict (job_type, lane) do update set updated_at = clock_timestamp()
     returning set_config('jit', 'off', true)`,
    [jobType],
  )
}

/**
 * The state of lanes of a type whose row is locked; a lane without a row has no state but those that run. Jobs under the
 * lease `except` are not counted: they are the ones to decide about.
 */
export async function readLanes(
  transaction: Queryable,
  tables: Tables,
  request: { jobType: string; lanes: readonly string[]; now: string | null; except?: string | undefined },
): Promise<LaneRow[]> {
  const found = await transaction.query<LaneRow>(
    `select $1::text as job_type, wanted.lane, known.limits, coalesce(known.starts, '[]') as starts, known.memory, coalesce(known.failures, 0) as failures,
       date_part('epoch', known.paused_until) * 1000 as paused_until_ms,
       wanted.lane <> '' and exists (select from ${tables.pauses} pause
         where pause.job_type = $1::text and pause.lane = wanted.lane) as paused,
       -- One condition with OR would read every holder of the type, for each key.
       case when wanted.lane = ''
         then (select count(*)::int from ${tables.live} live where ${HOLDS_SLOT})
         else (select count(*)::int from ${tables.live} live where ${HOLDS_SLOT} and live.lane = wanted.lane)
       end as running,
       case when wanted.lane = '' and known.failures > 0
         then (select count(*)::int from ${tables.live} live where ${HOLDS_SLOT}
           and live.started_at >= coalesce(known.paused_until, '-infinity'))
         else 0
       end as tried,
       date_part('epoch', coalesce($3::text::timestamptz, clock_timestamp())) * 1000 as now_ms
     from unnest($2::text[]) with ordinality as wanted(lane, place)
     left join ${tables.lanes} known on known.job_type = $1::text and known.lane = wanted.lane
     order by wanted.place`,
    [request.jobType, request.lanes, request.now, request.except ?? null],
  )
  return found.rows
}

const HOLDS_SLOT = `live.job_type collate "C" = $1::text and live.admitted
  and live.lease_token is distinct from $4::uuid`

/** What a lane remembers. */
export interface SavedLane {
  readonly lane: string
  readonly starts: readonly (readonly [atMs: number, weight: number])[]
  readonly memory: LaneMemory
  readonly failures: number
  readonly pausedUntilMs: number | null
}

/** Stores what changed of lanes. */
export async function saveLanes(
  transaction: Queryable,
  tables: Tables,
  change: { jobType: string; lanes: readonly SavedLane[] },
): Promise<void> {
  const { jobType, lanes } = change
  await transaction.query(
    `insert into ${tables.lanes} (job_type, lane, starts, failures, paused_until, memory)
     select $1::text, row->>0, row->1, (row->>2)::int, to_timestamp((row->>3)::float8 / 1000), row->4
     from jsonb_array_elements((select $2::text)::jsonb) as row
     on conflict (job_type, lane) do update set starts = excluded.starts, failures = excluded.failures,
       paused_until = excluded.paused_until, memory = excluded.memory, updated_at = clock_timestamp()`,
    [
      jobType,
      JSON.stringify(
        lanes.map(each => [each.lane, each.starts, each.failures, endText(each.pausedUntilMs), each.memory]),
      ),
    ],
  )
}

/** As text: there is no infinity in JSON, and a pause without an end must not become none. */
function endText(pausedUntilMs: number | null): string | null {
  return pausedUntilMs === null ? null : String(pausedUntilMs)
}

/** Limits that were set at run time, by type, as they are stored. */
export async function readSetLimits(
  database: Queryable,
  tables: Tables,
): Promise<{ job_type: string; limits: unknown }[]> {
  const found = await database.query<{ job_type: string; limits: unknown }>(
    `select job_type, limits from ${tables.lanes} where lane = '' and limits is not null`,
  )
  return found.rows
}

/** Sets a type's limits for every process, or with null goes back to the definition's. */
export async function saveLimits(
  transaction: Queryable,
  tables: Tables,
  request: { jobType: string; limits: ResolvedLimits | null },
): Promise<void> {
  await transaction.query(
    `with saved as (
       insert into ${tables.lanes} (job_type, lane, limits) values ($1::text, '', $2::text::jsonb)
       on conflict (job_type, lane) do update set limits = excluded.limits, updated_at = clock_timestamp() returning 1
     ) select pg_notify($3::text, 'limits') from saved`,
    [request.jobType, request.limits === null ? null : JSON.stringify(request.limits), tables.channel],
  )
}

/** What an older release stored of a key does not say for how long it counts: a rate or a budget by the month is kept. */
const KEPT_IN_DOUBT = '32 days'

/**
 * Removes the state of keys that have nothing to remember any more. When a row was written says little of that: a budget
 * by the week was whole again after a day without a start.
 */
export async function pruneLanes(database: Queryable, tables: Tables, now: string | null): Promise<void> {
  await database.query(
    `with moment as materialized (select coalesce($1::text::timestamptz, clock_timestamp()) as now)
     delete from ${tables.lanes} where lane <> '' and limits is null
       and coalesce(paused_until, '-infinity') < (select now from moment)
       and case when jsonb_typeof(memory->'countsUntilMs') = 'number'
         then (memory->'countsUntilMs')::numeric < (select date_part('epoch', now) * 1000 from moment)::numeric
         else updated_at < clock_timestamp() - interval '${KEPT_IN_DOUBT}' end`,
    [now],
  )
}
