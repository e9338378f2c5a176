import { createHmac, timingSafeEqual } from 'node:crypto'
import { systemClock } from '../runtime/clock.ts'

/** The header that carries `t=<unix seconds>,v1=<hex>`. */
export const SIGNATURE_HEADER = 'belfry-signature'

/** 5 minutes: room for clocks that differ, too short for a stolen request to be of use for long. */
const DEFAULT_TOLERANCE_S = 300
/** Far longer than a header of ours; a bound on the work anybody can make a receiver do. */
const LONGEST_HEADER = 1_000

/** The header's value for a body sent at an instant: HMAC-SHA256 over `t.body`. */
export function signWebhook(secret: string, body: string, at: Date): string {
  const seconds = Math.floor(at.getTime() / 1_000)
  return `t=${seconds},v1=${digest(secret, seconds, body).toString('hex')}`
}

/** A request as a receiver got it. */
export interface ReceivedWebhook {
  readonly secret: string
  /** The value of the `belfry-signature` header; anything but text is refused. */
  readonly header: unknown
  /** The body's bytes as they came, before any JSON parser. */
  readonly body: string | Uint8Array
  /** How old, or how far ahead, the signature may be. Default 300 s. */
  readonly toleranceSeconds?: number
  /** Default: now. */
  readonly now?: Date
}

/**
 * Whether a request was signed with the secret and is recent. Takes the same time whatever the signature is. A header
 * may hold several `v1=`, of which one must fit. Never throws for what a stranger sends.
 */
export function verifyWebhookSignature(received: ReceivedWebhook): boolean {
  const { secret, header, body, toleranceSeconds = DEFAULT_TOLERANCE_S, now = systemClock.now() } = received
  if (typeof header !== 'string' || header.length > LONGEST_HEADER || secret === '') return false
  const parts = header.split(',').map(part => part.trim())
  const times = parts.filter(part => part.startsWith('t='))
  const [, time] = /^t=(\d{1,12})$/.exec(times.length === 1 ? (times[0] ?? '') : '') ?? []
  if (time === undefined) return false
  const seconds = Number(time)
  const expected = digest(secret, seconds, body)
  let fits = false
  for (const part of parts) {
    const [, hex = ''] = /^v1=([0-9a-f]{64})$/.exec(part) ?? []
    const given = Buffer.from(hex, 'hex')
    if (given.length === expected.length && timingSafeEqual(given, expected)) fits = true
  }
  return fits && Math.abs(now.getTime() / 1_000 - seconds) <= toleranceSeconds
}

function digest(secret: string, seconds: number, body: string | Uint8Array): Buffer {
  return createHmac('sha256', secret).update(`${seconds}.`).update(body).digest()
}
