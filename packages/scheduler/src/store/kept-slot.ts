/**
 * Expression for `admitted` of a held job, `live`, that goes back without its attempt having ended: one of strict order
 * that was begun before keeps the slot of its key, or a follower that is due at the same time, or was due before its
 * retry, would overtake it. `types` names the parameter with the types in strict order.
 */
export function keptSlot(types: string, isBegun: string): string {
  return `case when ${isBegun} and live.lane is not null and live.job_type = any(${types}) then live.admitted end`
}

/** The attempt at hand counts already. */
export const BEGUN_BEFORE = 'live.attempt > 1'
