import { BelfryError, show } from '../errors.ts'
import { parseSpan } from '../runtime/duration.ts'
import { requireKey } from './job-id.ts'
import type { CarriedOptions } from './job-options.ts'
import { requireCost } from './limits.ts'
import { serializePayload } from './payload.ts'
import { isTexts } from './stored-fields.ts'
import { requireWhole } from './whole.ts'

/** A job about more than this many things is about none of them. */
const MOST_WORDS = 20
const LARGEST_METADATA_BYTES = 4_096
/** So long that the key fits its column beside others to come. */
const LONGEST_CONCURRENCY_KEY = 150

/** Checked, for the store; null for what was not given. */
export interface CarriedFields {
  readonly timeoutMs: number | null
  readonly lane: string | null
  readonly weight: number | null
  readonly cost: number | null
  readonly subjects: readonly string[] | null
  readonly tags: readonly string[] | null
  readonly metadata: Readonly<Record<string, string>> | null
}

/**
 * Checks what a job carries, scheduled by itself or by a schedule.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_JOB_ID`, `BELFRY_INVALID_DURATION`,
 *   `BELFRY_PAYLOAD_TOO_LARGE`
 */
export function checkCarried(options: CarriedOptions): CarriedFields {
  return {
    timeoutMs: options.timeout === undefined ? null : parseSpan(options.timeout, 'timeout'),
    subjects: requireWords(options.subjects, 'subjects'),
    tags: requireWords(options.tags, 'tags'),
    metadata: requireMetadata(options.metadata),
    lane: concurrencyKey(options),
    weight: requireWhole(options.weight, { name: 'weight', least: 1 }) ?? null,
    cost: requireCost(options.cost, 'cost') ?? null,
  }
}

function concurrencyKey(options: CarriedOptions): string | null {
  if (options.concurrencyKey === undefined) return null
  const key = requireKey(options.concurrencyKey, 'concurrencyKey')
  if (key.length <= LONGEST_CONCURRENCY_KEY) return key
  throw new BelfryError(
    'BELFRY_INVALID_JOB_ID',
    `concurrencyKey: expected at most ${LONGEST_CONCURRENCY_KEY} characters, got ${key.length}`,
  )
}

/**
 * Distinct words, or null for none.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_JOB_ID`
 */
export function requireWords(words: unknown, what: string): readonly string[] | null {
  if (words === undefined) return null
  if (!Array.isArray(words) || new Set(words).size > MOST_WORDS) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `${what}: expected a list of at most ${MOST_WORDS} names, got ${show(words)}`,
    )
  }
  const checked = [...new Set(words.map(word => requireKey(word, what)))]
  return checked.length > 0 ? checked : null
}

/** @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_PAYLOAD_TOO_LARGE` */
export function requireMetadata(metadata: unknown): Readonly<Record<string, string>> | null {
  if (metadata === undefined) return null
  if (!isTexts(metadata)) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `metadata: expected an object of texts, got ${show(metadata)}`)
  }
  const text = serializePayload(metadata, 'metadata', LARGEST_METADATA_BYTES)
  return text === '{}' ? null : metadata
}
