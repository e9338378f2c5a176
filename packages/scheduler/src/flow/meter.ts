import type { ResolvedBudget, ResolvedRate } from '../job/limits.ts'

/** Something that counts for a while: when, in ms since 1970 by the database's clock, and how much. */
export type Start = readonly [atMs: number, weight: number]

/** What a type or a key remembers of what has started. */
export interface Meters {
  /** Of a sliding window: starts that may still count, one by one. */
  readonly starts: readonly Start[]
  /** Of a token bucket: when it is full again. One number is all it needs. */
  readonly fullAtMs?: number | undefined
  /** Of a budget: what was spent or is reserved, by sixtieths of its span. */
  readonly spent?: readonly Start[] | undefined
}

/** The limits that are kept by a meter. */
export interface MeteredLimits {
  readonly rate?: ResolvedRate
  readonly budget?: ResolvedBudget
}

/** A start that is asked for. */
export interface Ask {
  readonly ms: number
  readonly weight: number
  readonly cost: number
}

/** A budget's span is counted in so many pieces: what was spent comes free up to a piece late, and never early. */
const PIECES = 60

/** The earliest instant at which the start asked for keeps rate and budget. */
export function earliestStart(limits: MeteredLimits, meters: Meters, ask: Ask): number {
  const { rate, budget } = limits
  const byBudget = budget
    ? earliestInWindow(meters.spent ?? [], windowOf(budget), { ms: ask.ms, weight: ask.cost })
    : ask.ms
  if (!rate) return byBudget
  return Math.max(
    byBudget,
    rate.burst === undefined ? earliestInWindow(meters.starts, rate, ask) : earliestInBucket(meters, rate, ask),
  )
}

/**
 * The meters after a start; what counts no more is forgotten. Of a start that is still to come `nowMs` says what the
 * present is: what will count no more by then counts until then.
 */
export function afterStart(
  { rate, budget }: MeteredLimits,
  meters: Meters,
  { ms, weight, cost, nowMs = ms }: Ask & { readonly nowMs?: number },
): Meters {
  const isWindow = rate !== undefined && rate.burst === undefined
  return {
    starts: isWindow ? [...counting(meters.starts, rate.perMs, nowMs), [ms, weight]] : [],
    ...(rate?.burst !== undefined && { fullAtMs: fullAfter(meters, rate, { ms, weight }) }),
    ...(budget && {
      spent: added(counting(meters.spent ?? [], budget.perMs, nowMs), [
        pieceOf(ms, budget),
        Math.min(cost, budget.amount),
      ]),
    }),
  }
}

/** How many starts of weight 1 rate and budget have room for, if each costs as much as is usual. */
export function startsAllowed(
  limits: MeteredLimits,
  meters: Meters,
  now: { ms: number; most: number; cost: number },
): number {
  const { rate, budget } = limits
  let most = now.most
  if (rate?.burst !== undefined) {
    const each = rate.perMs / rate.limit
    most = Math.min(
      most,
      Math.floor((now.ms + rate.burst * each - Math.max(meters.fullAtMs ?? 0, now.ms) + ROUNDING_MS) / each),
    )
  } else if (rate) most = Math.min(most, rate.limit - used(counting(meters.starts, rate.perMs, now.ms), rate.limit))
  if (budget) {
    const left = budget.amount - used(counting(meters.spent ?? [], budget.perMs, now.ms), Number.POSITIVE_INFINITY)
    // One more than usually fits: the next may cost less.
    most = Math.min(most, left <= 0 ? 0 : 1 + Math.floor(left / Math.max(now.cost, ROUNDING)))
  }
  return Math.max(0, most)
}

/**
 * Puts right what an attempt reserved: the unused part goes back to where it was reserved, as long as that still counts;
 * what was used beyond it counts from now on.
 */
export function afterSpending(
  budget: ResolvedBudget,
  meters: Meters,
  news: { reservedAtMs: number; cost: number; spent: number; nowMs: number },
): Meters {
  const reserved = Math.min(news.cost, budget.amount)
  const known = counting(meters.spent ?? [], budget.perMs, news.nowMs)
  if (news.spent > reserved)
    return { ...meters, spent: added(known, [pieceOf(news.nowMs, budget), news.spent - reserved]) }
  const piece = pieceOf(news.reservedAtMs, budget)
  const spent = known.map(
    ([atMs, amount]): Start => [atMs, atMs === piece ? Math.max(0, amount - reserved + news.spent) : amount],
  )
  return { ...meters, spent: spent.filter(([, amount]) => amount > 0) }
}

/** Until when any of it counts, in ms since 1970. */
export function countsUntil({ rate, budget }: MeteredLimits, { starts, fullAtMs = 0, spent = [] }: Meters): number {
  const last = (entries: readonly Start[], perMs = 0) => Math.max(0, ...entries.map(([atMs]) => atMs + perMs))
  return Math.max(fullAtMs, last(starts, rate?.perMs), last(spent, budget?.perMs))
}

/** What is left of a budget. */
export function budgetLeft(budget: ResolvedBudget, meters: Meters, nowMs: number): number {
  return budget.amount - used(counting(meters.spent ?? [], budget.perMs, nowMs), Number.POSITIVE_INFINITY)
}

/** Sums of parts may miss the whole by this share. */
const ROUNDING = 1e-9
/** Instants of our days are exact to this, as floating point numbers. */
const ROUNDING_MS = 1e-3

function windowOf({ amount, perMs }: ResolvedBudget): ResolvedRate {
  return { limit: amount, perMs }
}

/** The end of the piece an instant lies in. */
function pieceOf(ms: number, { perMs }: ResolvedBudget): number {
  const piece = Math.max(1, perMs / PIECES)
  return Math.ceil(ms / piece) * piece
}

function added(spent: readonly Start[], [atMs, amount]: Start): readonly Start[] {
  if (amount === 0) return spent
  if (!spent.some(each => each[0] === atMs)) return [...spent, [atMs, amount]]
  return spent.map((each): Start => (each[0] === atMs ? [atMs, each[1] + amount] : each))
}

function counting(starts: readonly Start[], perMs: number, nowMs: number): readonly Start[] {
  return starts.filter(([atMs]) => atMs > nowMs - perMs)
}

function used(starts: readonly Start[], most: number): number {
  return starts.reduce((sum, [, each]) => sum + Math.min(each, most), 0)
}

/** At no time more than `limit` within the span. A weight over the limit is let through as if it were the whole limit. */
function earliestInWindow(starts: readonly Start[], rate: ResolvedRate, now: { ms: number; weight: number }): number {
  const weight = Math.min(now.weight, rate.limit)
  const counted = starts.toSorted((a, b) => a[0] - b[0])
  let sum = used(counted, rate.limit)
  let earliest = now.ms
  for (const [atMs, each] of counted) {
    const leaves = atMs + rate.perMs
    if (leaves <= now.ms) sum -= Math.min(each, rate.limit)
    else if (sum + weight > rate.limit * (1 + ROUNDING)) {
      sum -= Math.min(each, rate.limit)
      earliest = leaves
    }
  }
  return earliest
}

/** A bucket holds `burst` starts and fills by `limit` per span; a weight over it takes the whole bucket. */
function earliestInBucket(meters: Meters, rate: ResolvedRate, now: { ms: number; weight: number }): number {
  const room = ((rate.burst ?? 1) * rate.perMs) / rate.limit
  const at = fullAfter(meters, rate, now) - room
  // The database tells microseconds: rounded up to a millisecond, "at once" would lie ahead at every look.
  return at <= now.ms + ROUNDING_MS ? now.ms : Math.ceil(at - ROUNDING_MS)
}

function fullAfter(meters: Meters, rate: ResolvedRate, { ms, weight }: { ms: number; weight: number }): number {
  return Math.max(meters.fullAtMs ?? 0, ms) + (Math.min(weight, rate.burst ?? 1) * rate.perMs) / rate.limit
}
