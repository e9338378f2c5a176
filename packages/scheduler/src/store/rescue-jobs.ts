import type { Database, Queryable } from '../database/database.ts'
import { keptSlot } from './kept-slot.ts'
import { oneMore } from './one-more.ts'
import { STANDS_BEHIND } from './ready-at.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

/** A job whose attempt was lost with its runner. */
export interface RescuedJob {
  readonly job_id: string
  readonly job_type: string
  readonly gave_up: boolean
}

interface RescueRequest {
  /** Losses after which a job of a type is given up, of the types that are known here. */
  readonly maxLost: ReadonlyMap<string, number>
  readonly defaultMaxLost: number
  /** Types whose keys are kept in strict order. */
  readonly strictTypes: readonly string[]
  readonly now: string | null
}

/**
 * Takes back the jobs of runners whose lease ran out: each lost attempt gets its history row, the job is pending again,
 * or `failed` once it was lost `maxLost` times (a job that kills its process must not do so for ever).
 *
 * Two statements in one transaction, on purpose: deleting the runner's row waits for a claim that is under way and
 * locks that row, and only a statement that begins afterwards sees the jobs of that claim.
 */
export async function rescueJobs(database: Database, tables: Tables, request: RescueRequest): Promise<RescuedJob[]> {
  return database.transaction(async transaction => {
    const dead = await transaction.query<{ runner_id: string }>(
      `delete from ${tables.runners} where lease_until < coalesce($1::text::timestamptz, clock_timestamp())
       returning runner_id::text`,
      [request.now],
    )
    if (dead.rows.length === 0) return []
    const held = `live.runner_id = any($1::uuid[]) and live.lease_token is not null`
    const ids = dead.rows.map(row => row.runner_id)
    return takeBack(transaction, tables, { held, ids, where: 'anywhere', ...request })
  })
}

/**
 * Takes back jobs held by runners that are in no registry: rows changed by hand, or a registry that was emptied.
 * Looks among the jobs that are due; the jobs of a runner that died are looked for in the whole table.
 */
export async function rescueOrphans(database: Database, tables: Tables, request: RescueRequest): Promise<RescuedJob[]> {
  const held = `live.lease_token is not null and cardinality($1::uuid[]) = 0
    and not exists (select from ${tables.runners} runner where runner.runner_id = live.runner_id)`
  return database.transaction(async transaction => {
    // The planner takes the horizon for a third of the table, which it then reads whole.
    await transaction.query(`select set_config('enable_seqscan', 'off', true)`)
    return takeBack(transaction, tables, { held, ids: [], where: 'among due jobs', ...request })
  })
}

/**
 * Where held jobs may be: nothing is claimed long before it is due, and no index knows who holds a job (a claim would have
 * to write to it). Type by type, as the index of due jobs is ordered, so that jobs of the future are not read: a million
 * of them took 0.3 s.
 */
function placesOf({ live }: Tables, held: string): string {
  const ready = 'coalesce(ready_at, scheduled_time)'
  const next = (after: string) => `select job_type collate "C" as job_type from ${live} ${after}
       order by job_type collate "C" limit 1`
  const among = (which: string) => `select ctid from ${live} live
       where job_type collate "C" = kind.job_type and ${which} and ${held}`
  const horizon = `(select now + interval '1 second' from moment)`
  return `moment as materialized (
       select coalesce($5::text::timestamptz, clock_timestamp()) as now
     ), kind as (
       (${next('')}) union all
       select (${next('where job_type collate "C" > kind.job_type')}) from kind where kind.job_type is not null
     ), places as materialized (
       select place.ctid from kind cross join lateral (
         ${among(`${ready} <= ${horizon}`)}
         union all ${among(`${STANDS_BEHIND} and scheduled_time <= ${horizon} and ${ready} > ${horizon}`)}) place
     )`
}

const WAITED = `case when isfinite(scheduled_time)
         then greatest(0, date_part('epoch', started_at - scheduled_time) * 1000)::bigint end`

/** How often this very job may be lost. Whoever wrote something else there meant nothing by it. */
const OWN_TIMES = `case when jsonb_typeof(live.options->'max_lost') = 'number'
         then least(greatest((live.options->>'max_lost')::numeric, 1), 2147483647)::int end`

async function takeBack(
  transaction: Queryable,
  tables: Tables,
  request: {
    held: string
    ids: readonly string[]
    where: 'anywhere' | 'among due jobs'
  } & RescueRequest,
): Promise<RescuedJob[]> {
  const isAmongDue = request.where === 'among due jobs'
  const rescued = await transaction.query<RescuedJob>(
    `with recursive ${isAmongDue ? `${placesOf(tables, request.held)},` : ''} lost as (
       select live.*, ${oneMore('live.lost_count')} >= coalesce(${OWN_TIMES}, allowed.times, $4::int) as gave_up
       from ${tables.live} live
       left join unnest($2::text[], $3::int[]) as allowed(job_type, times) on allowed.job_type = live.job_type
       where ${isAmongDue ? 'live.ctid = any(array(select ctid from places)) and' : ''} ${request.held}
       order by live.job_id for update of live skip locked
     ), again as (
       update ${tables.live} live set status = 'pending', lease_token = null, runner_id = null, admitted = ${keptSlot('$6::text[]', 'true')},
         lost_count = ${oneMore('live.lost_count')}, last_outcome = 'lost'
       from lost where live.job_id = lost.job_id and not lost.gave_up
     ), gone as (
       delete from ${tables.live} live using lost where live.job_id = lost.job_id and lost.gave_up
     ), kept as (
       insert into ${tables.finished} (${KEPT_COLUMNS}, status, last_outcome, completed_at, error_message, execution_id,
         wait_ms)
       select ${KEPT_COLUMNS.replace('lost_count', oneMore('lost_count'))}, 'failed', 'lost',
         coalesce($5::text::timestamptz, clock_timestamp()),
         'lost ' || (${oneMore('lost_count')}) || ' times: its process ended or froze while the job ran',
         ${tables.nextExecution}, ${WAITED}
       from lost where gave_up
     ), noted as (
     insert into ${tables.attempts} (job_id, job_type, attempt, execution_time, duration_ms, wait_ms, status,
       error_message, runner_id, created_at)
     select job_id, job_type, attempt, coalesce(started_at, scheduled_time), null,
       ${WAITED}, 'lost', 'the runner stopped renewing its lease', runner_id,
       coalesce($5::text::timestamptz, clock_timestamp())
     from lost where not gave_up)
     select job_id, job_type, gave_up from lost`,
    [
      request.ids,
      [...request.maxLost.keys()],
      [...request.maxLost.values()],
      request.defaultMaxLost,
      request.now,
      request.strictTypes,
    ],
  )
  return rescued.rows
}
