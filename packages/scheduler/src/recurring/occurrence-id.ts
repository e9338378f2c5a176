import { createHash } from 'node:crypto'

/** Ids have room for 255 characters, an instant and its sign take 25. */
const LONGEST_PLAIN = 230

/**
 * The id of the job an occurrence becomes: `report@2027-01-31T06:30:00.000Z`. Whatever makes the job, be it firing,
 * catching up or a backfill in any process, it is the same job, and there is one.
 */
export function occurrenceJobId(scheduleId: string, occurrence: Date): string {
  const name =
    scheduleId.length <= LONGEST_PLAIN ? scheduleId : createHash('sha256').update(scheduleId).digest('base64url')
  return `${name}@${occurrence.toISOString()}`
}
