import { BelfryError, show } from '../errors.ts'
import {
  isResolvedWindow,
  isZone,
  nextOpening,
  placeInWindow,
  requireZone,
  resolveWindow,
  type DeliveryWindow,
  type ResolvedWindow,
} from './delivery-window.ts'

/** When one job may start, as its call says it. Without any: as its definition says. */
export type WindowOptions =
  | {
      window?: never
      /** The recipient's zone: the definition's window goes by it instead of its own. IANA name. */
      timeZone?: string
    }
  | {
      /** In place of the definition's window; `false`: at any time. */
      window: DeliveryWindow | false
      timeZone?: never
    }

/** What a job's row keeps of its window, in `options`; jobs that keep nothing of it have no such entry. */
export interface Delivery {
  /** In place of the definition's; false: none. */
  readonly window?: ResolvedWindow | false
  readonly timeZone?: string
  /** The window has put it off: from when, to when. ISO texts. */
  readonly moved?: { readonly from: string; readonly to: string }
}

/** Whether stored JSON is what a row keeps of its window. */
export function isDelivery(stored: unknown): stored is Delivery {
  if (typeof stored !== 'object' || stored === null || Array.isArray(stored)) return false
  const { window = false, timeZone = 'UTC', moved } = stored as Partial<Record<keyof Delivery, unknown>>
  return (window === false || isResolvedWindow(window)) && isZone(timeZone) && (moved === undefined || isMove(moved))
}

function isMove(moved: unknown): boolean {
  const { from, to } = (moved ?? {}) as { from?: unknown; to?: unknown }
  return [from, to].every(each => typeof each === 'string' && !Number.isNaN(Date.parse(each)))
}

/** How the reason of an attempt begins that was put off because it would have begun outside the window. */
export const OUTSIDE_WINDOW = 'outside its delivery window'

/**
 * What a call says of the window, or null for nothing.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_TIME_ZONE`, `BELFRY_INVALID_DURATION`
 */
export function checkWindow({ window, timeZone }: WindowOptions): Delivery | null {
  if (window !== undefined && timeZone !== undefined) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `timeZone: expected to stand without window, which has a timeZone of its own, got ${show(timeZone)}`,
    )
  }
  if (window !== undefined) return { window: window === false ? false : resolveWindow(window, 'window') }
  return timeZone === undefined ? null : { timeZone: requireZone(timeZone) }
}

/** The window a job goes by: its own or its definition's, in its own time zone or the window's. */
export function windowFor(
  definition: { readonly window: ResolvedWindow | undefined } | undefined,
  delivery: Delivery | null,
): ResolvedWindow | undefined {
  const window = delivery?.window ?? definition?.window
  if (!window) return undefined
  return delivery?.timeZone === undefined ? window : { ...window, timeZone: delivery.timeZone }
}

/** Where a job stands, and what its row keeps of its window. */
export interface Placed {
  /** Milliseconds since 1970. */
  readonly due: number
  readonly delivery: Delivery | null
}

/** Places a job that is wanted at an instant into its window, if it has one, and notes whether that moved it. */
export function place(
  window: ResolvedWindow | undefined,
  job: { wanted: number; now: number; key: string; delivery: Delivery | null },
): Placed {
  const { moved: _before, ...kept } = job.delivery ?? {}
  const delivery = Object.keys(kept).length > 0 ? kept : null
  const due = window ? placeInWindow(window, job) : job.wanted
  if (due === job.wanted) return { due, delivery }
  const moved = { from: new Date(job.wanted).toISOString(), to: new Date(due).toISOString() }
  return { due, delivery: { ...delivery, moved } }
}

/** A pending job, as far as its window goes. */
export interface PendingDelivery {
  /** Milliseconds since 1970. */
  readonly due: number
  readonly delivery: Delivery | null
  /** Its last attempt ended because it would have begun outside the window. */
  readonly putOff: boolean
}

/** When a pending job is wanted: when it is due or, if its window put it off, from when. */
export function wantedTime(window: ResolvedWindow | undefined, job: PendingDelivery, now: number): number {
  const { due, delivery, putOff } = job
  const moved = delivery?.moved
  // Whatever else has changed its time since, a retry or a caller, has made the note void.
  if (moved && Date.parse(moved.to) === Math.floor(due)) return Date.parse(moved.from)
  if (!putOff || !window) return due
  const { at } = nextOpening(window, now)
  return at > now && due >= at && due - at <= window.spreadMs ? now : due
}

/** What a job's place after an opening depends on: the same person is always as far behind. */
export function spreadKey(job: {
  readonly uniqueKey?: string | null
  readonly subjects?: readonly string[] | null
  readonly jobId: string
}): string {
  return job.uniqueKey ?? job.subjects?.[0] ?? job.jobId
}
