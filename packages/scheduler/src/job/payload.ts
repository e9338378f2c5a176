import { types } from 'node:util'
import { BelfryError, show } from '../errors.ts'
import type { AnyJobDefinition } from './definition.ts'
import { validate } from './standard-schema.ts'

/** 64 KiB: a payload is a note about the work, not the work's data. Option `maxPayloadBytes`. */
export const DEFAULT_MAX_PAYLOAD_BYTES = 65_536

/** Deeper than any honest payload, shallow enough that no recursive reader overflows its stack. */
const DEEPEST = 100

/**
 * The text a payload is stored as. Refuses at the door what would be lost or refused later: values JSON cannot carry or
 * turns into `{}`, circular structures, `\0` and lone surrogates (PostgreSQL's jsonb takes neither), too large or too deep.
 * @throws BelfryError `BELFRY_INVALID_PAYLOAD`, `BELFRY_PAYLOAD_TOO_LARGE`
 */
export function serializePayload(payload: unknown, type: string, maxBytes: number): string {
  const text = checkedText(payload, type)
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

/** A `toJSON`, a getter or a proxy is somebody's code, and throws what it likes. */
function checkedText(payload: unknown, type: string): string {
  const place: Place = { type, path: [], ancestors: new Set() }
  try {
    refuseUnstorable(payload, place)
    return JSON.stringify(payload)
  } catch (cause) {
    if (cause instanceof BelfryError) throw cause
    throw refusal(place, `an object that cannot be read: ${show(cause)}`, { cause })
  }
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
  // What `toJSON` answers is what JSON.stringify takes: it does not ask that once more, which may be the object itself.
  if (hasToJson(value)) {
    const answer = value.toJSON(place.path.at(-1) ?? '')
    return isObject(answer) ? refuseUnstorableEntries(answer, place) : refuseUnstorable(answer, place)
  }
  refuseUnstorableEntries(value, place)
}

function refuseUnstorableEntries(value: object, place: Place): void {
  const entries = Object.entries(value)
  if (!isPlain(value)) {
    // JSON.stringify unpacks these.
    if (types.isBoxedPrimitive(value)) return refuseUnstorable(value.valueOf(), place)
    refuseLossy(value, entries.length === 0, place)
  }
  if (place.ancestors.has(value)) throw refusal(place, 'a circular reference')
  if (place.path.length >= DEEPEST) throw refusal(place, `nesting deeper than ${DEEPEST} levels`)
  place.ancestors.add(value)
  for (const [key, part] of entries) {
    if (key.includes('\0') || !key.isWellFormed()) throw refusal(place, 'a key PostgreSQL cannot store')
    place.path.push(key)
    refuseUnstorable(part, place)
    place.path.pop()
  }
  place.ancestors.delete(value)
}

/** Instances of classes are stored as their properties; a promise, a Map, an Error has none that JSON sees. */
function refuseLossy(value: object, isBare: boolean, place: Place): void {
  if ('then' in value && typeof value.then === 'function') throw refusal(place, 'a promise; await it first')
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1)
  const isShapeless = isBare && kind !== 'Object' && kind !== 'Array' && !types.isTypedArray(value)
  if (isShapeless || types.isMap(value) || types.isSet(value) || types.isNativeError(value)) {
    throw refusal(place, `an object of kind ${kind}, which JSON leaves empty; pass an array or a plain object`)
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function hasToJson(value: object): value is { toJSON(key: string): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function'
}

function refusal(place: Place, found: string, options?: { cause: unknown }): BelfryError {
  const where = place.path.length > 0 ? ` at ${place.path.slice(0, 10).join('.')}` : ''
  return new BelfryError(
    'BELFRY_INVALID_PAYLOAD',
    `payload of ${show(place.type)}${where}: expected plain JSON data, got ${found}`,
    options,
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
    if (typeof (current as { then?: unknown } | null)?.then === 'function') {
      throw new BelfryError(
        'BELFRY_INVALID_PAYLOAD',
        `upcaster of ${show(definition.type)} from version ${from}: expected the payload, got a promise of it; upcasters answer at once`,
      )
    }
  }
  return current
}
