/** Seconds by which one point of priority moves a job ahead in its type's queue (or behind, below zero). */
export const SECONDS_PER_POINT = 10

/**
 * Expression for `ready_at`: where a job stands in the index of due jobs. Null for jobs without a priority, which stand
 * at their due time. As a shift of time, priority needs no order of its own and ages by itself: a waiting job of low
 * priority is overtaken only by jobs that came soon after it.
 */
export function readyAt(due: string, priority: string): string {
  return `case when ${priority} <> 0 then ${due} - ${priority} * interval '${SECONDS_PER_POINT} seconds' end`
}

/**
 * A job stands behind its due time for its low priority, and for nothing else: it was not given back, or put aside, for a
 * while. Its place and its time may have been written by two looks at the clock.
 */
export const OF_LOW_PRIORITY = `priority < 0 and ready_at between ${placeOff("- interval '1 second'")} and ${placeOff("+ interval '1 second'")}`

/**
 * Nobody has put a job off for a while. Who stepped aside for its key counts as if it had not: where keys take turns nobody
 * does, and it may have been before.
 * @param now an expression
 */
export function isNotPutOff(now: string): string {
  return `(coalesce(ready_at, '-infinity') <= ${now} or ready_at = 'infinity' or (${OF_LOW_PRIORITY}))`
}

/**
 * Where a job stands that is put off until an instant. One that falls together with where low priority would put it moves
 * behind that, two seconds at most: taken for one of low priority, it would be claimed and put off again without a rest.
 */
export function putOffUntil(instant: string): string {
  const isTakenForLow = `priority < 0 and ${instant} between ${placeOff("- interval '1 second'")} and ${placeOff("+ interval '1 second'")}`
  return `case when ${isTakenForLow} then ${placeOff("+ interval '1.001 seconds'")} else ${instant} end`
}

function placeOff(by: string): string {
  return `scheduled_time - priority * interval '${SECONDS_PER_POINT} seconds' ${by}`
}

/** Condition of the index of jobs that stand behind their due time. Names no column that a claim would have to look up. */
export const STANDS_BEHIND = `ready_at > scheduled_time and ready_at < 'infinity'`
