import type { Queryable } from '../database/database.ts'
import { readLanes, WHOLE_TYPE, type LaneRow } from './lanes.ts'
import { EVERY_TYPE, listPauses, OF_SUBJECT, type PauseRow } from './pauses.ts'
import type { Tables } from './tables.ts'

/** More holders of slots than this are not named. */
const MOST_NAMED = 10
/** Nobody's lease: jobs that hold their key's slot while they wait for a retry are counted too. */
const NO_LEASE = '00000000-0000-0000-0000-000000000000'

/** A job that is in another one's way. Times in milliseconds since 1970. */
export interface BlockerRow {
  /** It runs, or holds a slot of the key, or comes before in the key's strict order, or is the first of its type. */
  readonly by: 'type' | 'key' | 'order' | 'first'
  readonly job_id: string
  /** A runner holds it. */
  readonly held: boolean
  readonly due_ms: number
  /** When its present or last attempt began. */
  readonly started_ms: number | null
  /** As stored: anybody may have changed them. */
  readonly weight: unknown
  readonly cost: unknown
}

export interface FlowRow {
  readonly pauses: readonly PauseRow[]
  readonly type: LaneRow
  readonly key: LaneRow
  readonly blockers: readonly BlockerRow[]
}

/** The job that somebody asks about. */
interface FlowRequest {
  readonly jobId: string
  readonly jobType: string
  readonly lane: string | null
  readonly subjects: readonly string[]
  readonly now: string | null
}

/** What flow control knows of a type, and of one key of it, for somebody who asks why a job waits. */
export async function readFlow(database: Queryable, tables: Tables, request: FlowRequest): Promise<FlowRow> {
  const { jobType, now } = request
  const lane = request.lane ?? WHOLE_TYPE
  const [type] = await readLanes(database, tables, { jobType, lanes: [WHOLE_TYPE], now })
  const [key] = await readLanes(database, tables, { jobType, lanes: [lane], now, except: NO_LEASE })
  if (!type || !key) throw new Error('no answer for the state of a lane')
  const pauses = (await listPauses(database, tables)).filter(
    pause =>
      pause.job_type === EVERY_TYPE ||
      (pause.job_type === OF_SUBJECT && request.subjects.includes(pause.lane)) ||
      (pause.job_type === jobType && (pause.lane === '' || pause.lane === request.lane)),
  )
  return { pauses, type, key, blockers: await readBlockers(database, tables, request) }
}

/** Where a job stands among those of its type, as claims go. */
const READY = 'coalesce(ready_at, scheduled_time)'

async function readBlockers(database: Queryable, { live }: Tables, request: FlowRequest): Promise<BlockerRow[]> {
  const some = (by: BlockerRow['by'], which: string, order: string) => `
    (select '${by}' as by, job_id::text, lease_token is not null as held,
       (date_part('epoch', scheduled_time) * 1000)::float8 as due_ms,
       (date_part('epoch', started_at) * 1000)::float8 as started_ms,
       coalesce(options->'weight', '1') as weight, options->'cost' as cost
     from ${live} other where job_type collate "C" = $1::text and job_id <> $3::text and ${which}
     order by ${order} limit ${by === 'first' ? 1 : MOST_NAMED})`
  const found = await database.query<BlockerRow>(
    `with asked as (
       select scheduled_time, job_id, ${READY} as ready from ${live} where job_id = $3::text
     ), moment as (select coalesce($4::text::timestamptz, clock_timestamp()) as now)
     ${some('type', 'admitted and lease_token is not null', 'started_at desc')} union all
     ${some('key', 'lane = $2::text and admitted', 'started_at')} union all
     ${some(
       'order',
       `lane = $2::text and admitted is not true and lease_token is null and waits is null
         and (scheduled_time, job_id) < (select scheduled_time, job_id from asked)`,
       'scheduled_time, job_id',
     )} union all
     ${some(
       'first',
       `lease_token is null and waits is null and (select ready <= now from asked, moment)
         and (${READY}, job_id) < (select ready, job_id from asked)`,
       `${READY}, job_id`,
     )}`,
    [request.jobType, request.lane, request.jobId, request.now],
  )
  return found.rows
}
