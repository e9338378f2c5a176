import { BelfryError, show } from '../errors.ts'
import type { AnyJobDefinition } from './definition.ts'
import { validate } from './standard-schema.ts'

/** 64 KiB: a payload is a note about the work, not the work's data. Option `maxPayloadBytes`. */
export const DEFAULT_MAX_PAYLOAD_BYTES = 65_536

/** Deeper than any honest payload, shallow enough that no recursive reader overflows its stack. */
const DEEPEST = 100

/**
 * The text a payload is stored as. Refuses at the door what would be lost or refused later: values JSON cannot carry,
 * circular structures, `\0` and lone surrogates (PostgreSQL's jsonb takes neither), too large or too deep.
 * @throws BelfryError `BELFRY_INVALID_PAYLOAD`, `BELFRY_PAYLOAD_TOO_LARGE`
 */
export function serializePayload(payload: unknown, type: string, maxBytes: number): string {
  refuseUnstorable(payload, { type, path: [], ancestors: new Set() })
  const text = JSON.stringify(payload)
  const bytes = Buffer.byteLength(text)
  if (bytes > maxBytes) {
    throw new BelfryError(
      'BELFRY_PAYLOAD_TOO_LARGE',
      `payload of ${show(type)}: expected at most ${maxBytes} bytes as JSON, got ${bytes}. ` +
        'Store the data itself elsewhere and schedule a reference to it, or raise maxPayloadBytes.',
    )
  }
  return text
}

interface Place {
  type: string
  /** Keys down to the value being looked at; grows and shrinks on the way. */
  path: string[]
  ancestors: Set<object>
}

function refuseUnstorable(value: unknown, place: Place): void {
  switch (typeof value) {
    case 'string':
      if (value.includes('\0') || !value.isWellFormed()) {
        throw refusal(place, 'text with a NUL character or a lone surrogate, which PostgreSQL cannot store')
      }
      return
    case 'number':
      if (!Number.isFinite(value)) throw refusal(place, `${value}, which JSON has no word for`)
      return
    case 'boolean':
      return
    case 'object':
      if (value !== null) refuseUnstorableParts(value, place)
      return
    case 'undefined':
      // Inside an object JSON leaves the key out, as everybody expects; anywhere else there is nothing to store.
      if (place.path.length === 0) throw refusal(place, 'undefined; pass {} when there is nothing to say')
      return
    case 'bigint':
    case 'function':
    case 'symbol':
      throw refusal(place, `a ${typeof value}, which JSON cannot carry`)
  }
}

function refuseUnstorableParts(value: object, place: Place): void {
  if (hasToJson(value)) return refuseUnstorable(value.toJSON(), place)
  if (value instanceof Map || value instanceof Set) {
    throw refusal(place, `a ${value.constructor.name}, which JSON turns into {}; pass an array or a plain object`)
  }
  if (place.ancestors.has(value)) throw refusal(place, 'a circular reference')
  if (place.path.length >= DEEPEST) throw refusal(place, `nesting deeper than ${DEEPEST} levels`)
  place.ancestors.add(value)
  for (const [key, part] of Object.entries(value)) {
    if (key.includes('\0') || !key.isWellFormed()) throw refusal(place, 'a key PostgreSQL cannot store')
    place.path.push(key)
    refuseUnstorable(part, place)
    place.path.pop()
  }
  place.ancestors.delete(value)
}

function hasToJson(value: object): value is { toJSON(): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function'
}

function refusal(place: Place, found: string): BelfryError {
  const where = place.path.length > 0 ? ` at ${place.path.slice(0, 10).join('.')}` : ''
  return new BelfryError(
    'BELFRY_INVALID_PAYLOAD',
    `payload of ${show(place.type)}${where}: expected plain JSON data, got ${found}`,
  )
}

/**
 * Validates a payload on its way in (scheduling) or out (execution: old rows meet new code).
 * Older versions are brought up to date by the definition's upcasters first.
 * @throws BelfryError `BELFRY_INVALID_PAYLOAD` naming each fault's path
 */
export async function parsePayload(definition: AnyJobDefinition, payload: unknown, version: number): Promise<unknown> {
  const current = upcastPayload(definition, payload, version)
  if (!definition.payload) return current
  const result = await validate(definition.payload, current)
  if (result.ok) return result.value
  throw new BelfryError('BELFRY_INVALID_PAYLOAD', `payload of ${show(definition.type)} does not fit: ${result.faults}`)
}

/**
 * A payload of an older version in the shape of the definition's.
 * @throws BelfryError `BELFRY_INVALID_PAYLOAD` without an upcaster, or whatever an upcaster throws
 */
export function upcastPayload(definition: AnyJobDefinition, payload: unknown, version: number): unknown {
  let current = payload
  for (let from = version; from < definition.payloadVersion; from += 1) {
    const step = definition.upcast[from]
    if (!step) {
      throw new BelfryError(
        'BELFRY_INVALID_PAYLOAD',
        `payload of ${show(definition.type)} has version ${version}, the definition has version ` +
          `${definition.payloadVersion} and no upcaster from ${from}. Add one to its upcast option.`,
      )
    }
    current = step(current)
  }
  return current
}
