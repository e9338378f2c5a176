import type { Queryable } from '../database/database.ts'
import { readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

/**
 * Lets the jobs of a subject come forward that stand aside: due when they were due. Who stood aside for something else is
 * put aside for that again. Runners are told by whoever ended the pause.
 */
export async function bringForward(transaction: Queryable, { live }: Tables, subject: string): Promise<void> {
  await transaction.query(
    `with aside as materialized (
       select job_id from ${live} where subjects is not null and subjects @> array[$1::text] and lease_token is null
         and ready_at > ${PLACE} and ready_at < 'infinity'
       order by job_id for no key update
     )
     update ${live} live set ready_at = ${readyAt('live.scheduled_time', 'live.priority')}
     from aside where live.job_id = aside.job_id`,
    [subject],
  )
}

const PLACE = `coalesce(${readyAt('scheduled_time', 'priority')}, scheduled_time)`
