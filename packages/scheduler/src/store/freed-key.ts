/** Jobs that had not ended are gone, or put off: what they held of their type, and of their key, is free for others. */
export interface FreedKey {
  readonly jobType: string
  /** Null: they had no key. */
  readonly lane: string | null
}

/**
 * Condition on a row that is removed: others of its key may have stepped aside for it. It holds a slot, or, in strict
 * order, its turn came: one that is not due is in nobody's way.
 * @param now an expression
 */
export function wasInTheWay(now: string): string {
  return `lane is not null and (admitted or scheduled_time <= ${now})`
}

/**
 * Condition on a pending row that is put off: others of its key may have stepped aside for it, because its turn came first.
 * A retry in strict order goes on holding its slot.
 * @param now an expression
 */
export function hadItsTurn(now: string): string {
  return `lane is not null and admitted is not true and scheduled_time <= ${now}`
}

/** Expression for a removed row's key, as `FreedKey` in JSON. */
export const FREED_KEY = `jsonb_build_object('jobType', job_type, 'lane', lane)`

const FREED = 'freed:'

/** Expression for the hint about a removed row: runners wake its key when they hear it, which is after the commit. */
export const FREED_HINT = `'${FREED}' || (${FREED_KEY})::text`

/** What a hint says is free; undefined: it is another hint, or nothing of ours. */
export function freedKeyIn(hint: string): FreedKey | undefined {
  if (!hint.startsWith(FREED)) return undefined
  try {
    const { jobType, lane } = JSON.parse(hint.slice(FREED.length)) as Partial<Record<keyof FreedKey, unknown>>
    return typeof jobType === 'string' && typeof lane === 'string' ? { jobType, lane } : undefined
  } catch {
    return undefined
  }
}
