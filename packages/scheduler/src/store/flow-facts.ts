import type { Queryable } from '../database/database.ts'
import type { ResolvedLimits } from '../job/limits.ts'
import { readLanes, WHOLE_TYPE, type LaneRow } from './lanes.ts'
import { EVERY_TYPE, listPauses, type PauseRow } from './pauses.ts'
import type { Tables } from './tables.ts'

/** More holders of slots than this are not named. */
const MOST_NAMED = 10

export interface FlowRow {
  readonly pauses: readonly PauseRow[]
  readonly limits: ResolvedLimits | null
  readonly type: LaneRow & { readonly jobs: readonly string[] }
  readonly key: LaneRow & { readonly jobs: readonly string[] }
}

/** What flow control knows of a type, and of one key of it, for somebody who asks why a job waits. */
export async function readFlow(
  database: Queryable,
  tables: Tables,
  request: { jobType: string; lane: string | null; now: string | null },
): Promise<FlowRow> {
  const { jobType, now } = request
  const lane = request.lane ?? WHOLE_TYPE
  const states = await readLanes(database, tables, { jobType, lanes: [WHOLE_TYPE, lane], now })
  const holders = await database.query<{ job_id: string; lane: string | null }>(
    `select job_id, lane from ${tables.live} where job_type collate "C" = $1::text and admitted
     order by started_at limit 1000`,
    [jobType],
  )
  const [type, key] = states
  if (!type || !key) throw new Error('no answer for the state of a lane')
  const named = (rows: typeof holders.rows) => rows.slice(0, MOST_NAMED).map(row => row.job_id)
  const pauses = (await listPauses(database, tables)).filter(
    pause =>
      pause.job_type === EVERY_TYPE ||
      (pause.job_type === jobType && (pause.lane === '' || pause.lane === request.lane)),
  )
  return {
    pauses,
    limits: type.limits,
    type: { ...type, jobs: named(holders.rows) },
    key: { ...key, jobs: named(holders.rows.filter(row => row.lane === request.lane)) },
  }
}
