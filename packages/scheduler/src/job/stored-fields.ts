import { BelfryError, show } from '../errors.ts'
import { requireBackoff, type BackoffRule } from './backoff.ts'
import { isDelivery, type Delivery } from './delivery.ts'
import { requireCost } from './limits.ts'
import { requireWhole } from './whole.ts'

/** What a job's row keeps as JSON or text, as it was read. Somebody may have written anything there. */
export interface StoredFields {
  readonly weight: unknown
  readonly cost: unknown
  readonly delivery: unknown
  readonly metadata: unknown
  readonly lane: unknown
  readonly backoff: unknown
  readonly max_lost: unknown
}

/** Why a job's row cannot be read, or undefined when it can. */
export function faultOf(stored: StoredFields): string | undefined {
  const { weight, cost, delivery, metadata, lane } = stored
  if (lane === '') return `lane: expected a text that is not empty, or null, got ""`
  if (metadata !== null && !isTexts(metadata)) return `metadata: expected an object of texts, got ${told(metadata)}`
  if (!isStoredDelivery(delivery))
    return `options.delivery: expected what a delivery window keeps, got ${told(delivery)}`
  try {
    weightOf(weight)
    costOf(cost)
    if (stored.backoff !== null) requireBackoff(stored.backoff as BackoffRule, 'options.backoff')
    requireWhole(stored.max_lost ?? undefined, { name: 'options.max_lost', least: 1 })
    return undefined
  } catch (error) {
    if (error instanceof BelfryError) return error.message
    throw error
  }
}

/** What a start counts against a rate. @throws BelfryError `BELFRY_INVALID_OPTION` */
export function weightOf(stored: unknown): number {
  return requireWhole(stored, { name: 'options.weight', least: 1 }) ?? 1
}

/** What a start reserves of a budget; null: what is usual. @throws BelfryError `BELFRY_INVALID_OPTION` */
export function costOf(stored: unknown): number | null {
  return requireCost(stored ?? undefined, 'options.cost') ?? null
}

/** What a row keeps of its window; nothing, when that cannot be read. */
export function readableDelivery(stored: unknown): Delivery | null {
  return isStoredDelivery(stored) ? stored : null
}

/** The error of a row that was changed by hand into something nobody understands. */
export function unreadable(what: string, fault: string, wayOut: string): BelfryError {
  return new BelfryError('BELFRY_ROW_UNREADABLE', `${what} cannot be read: ${fault}. ${wayOut}`)
}

export function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isPlain && Object.values(value).every(each => typeof each === 'string')
}

function isStoredDelivery(stored: unknown): stored is Delivery | null {
  return stored === null || isDelivery(stored)
}

function told(stored: unknown): string {
  return show(typeof stored === 'object' ? JSON.stringify(stored) : stored)
}
