import type { Queryable } from '../database/database.ts'
import { OUTSIDE_WINDOW, type Delivery } from '../job/delivery.ts'
import type { Tables } from './tables.ts'

/** A pending job, as far as its delivery window goes. */
export interface DeliveryRow {
  readonly job_id: string
  readonly job_type: string
  /** Milliseconds since 1970. */
  readonly due_ms: number
  readonly delivery: Delivery | null
  readonly put_off: boolean
  readonly spread_key: string
}

/** Whether a job's last attempt ended because it would have begun outside the window. */
export const PUT_OFF = `coalesce(last_outcome = 'snoozed' and error_message like '${OUTSIDE_WINDOW}%', false)`

/** What a `DeliveryRow` is made of, in a query whose rows are jobs. */
export const DELIVERY_COLUMNS = `job_id, job_type, (extract(epoch from scheduled_time) * 1000)::float8 as due_ms,
  options->'delivery' as delivery,
  ${PUT_OFF} as put_off,
  coalesce(unique_key, subjects[1], job_id) as spread_key`

/** Undefined when there is no such job, or it is not pending. */
export async function findDelivery(
  database: Queryable,
  tables: Tables,
  jobId: string,
): Promise<DeliveryRow | undefined> {
  const found = await database.query<DeliveryRow>(
    `select ${DELIVERY_COLUMNS} from ${tables.live} where job_id = $1::text and lease_token is null`,
    [jobId],
  )
  return found.rows[0]
}
