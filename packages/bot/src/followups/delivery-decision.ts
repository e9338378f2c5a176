import { createHash } from 'node:crypto'
import type { DeliveryFailure } from '../messaging/platform.ts'

/**
 * Where a follow-up stands. `prepared`: its text is frozen, it surely has not gone out. `sending`: a try is under way, or
 * was when its process died. `uncertain`: a try ended without a word. The others are ends: `sent`; `withheld`, with the
 * reason; `failed`, with a code; `held_out`, what the comparison group would have been sent.
 */
export type FollowUpState = 'prepared' | 'sending' | 'sent' | 'uncertain' | 'withheld' | 'failed' | 'held_out'

/** A try is given up after this; a message is a matter of seconds. */
export const SEND_WITHIN_MS = 30_000
/** Twice that: a try that was given up may still arrive. Before it is over nobody can say that a message is absent. */
export const IN_FLIGHT_MS = 2 * SEND_WITHIN_MS
/** The platform's clock and ours may differ by this much; it bounds where a message is looked for. */
export const CLOCK_SKEW_MS = 10_000
/** After a doubt: as long again as it has lasted, within these. */
const SOONEST_LOOK_MS = 5_000
const LATEST_LOOK_MS = 3_600_000
/** How long follow-ups rest when the platform halts the bot without saying for how long. */
const HALT_MS = 3_600_000

/** No new channels after the platform has said "too fast": at first, and at most; after a day of quiet as at first. */
const FIRST_REST_MS = 3_600_000
const LONGEST_REST_MS = 24 * FIRST_REST_MS

/**
 * How long no channel is opened to anybody new after the platform has refused to open one: an hour, doubling at each
 * repetition up to a day. Undefined: such a rest holds already, and whoever was refused asked before it began.
 */
export function restFromOpeningMs(last: { lastedMs: number; endedAgoMs: number } | undefined): number | undefined {
  if (!last || last.endedAgoMs >= LONGEST_REST_MS) return FIRST_REST_MS
  if (last.endedAgoMs < 0) return undefined
  return Math.min(Math.max(2 * last.lastedMs, FIRST_REST_MS), LONGEST_REST_MS)
}

/** What is known of a follow-up before a delivery goes on. Spans are by the database's clock. */
export interface OutboxFacts {
  readonly state: FollowUpState
  /** Since the first try that may have gone out; undefined: there was none. */
  readonly attemptedAgoMs: number | undefined
  /** For how long the platform surely recognises a nonce; 0: never. */
  readonly nonceWindowMs: number
}

/**
 * How a delivery goes on. `send`: it has not gone out. `again`: the platform would recognise it. `wait`: somebody may be
 * sending it this moment. `look`: only the conversation itself can tell. `done`: it has ended.
 */
export type NextStep =
  | { readonly step: 'done' | 'send' | 'again' | 'look' }
  | { readonly step: 'wait'; readonly waitMs: number }

/** Decides how a delivery goes on, after whatever happened to the process that had it before. */
export function nextStep({ state, attemptedAgoMs, nonceWindowMs }: OutboxFacts): NextStep {
  if (state === 'prepared') return { step: 'send' }
  if (state !== 'sending' && state !== 'uncertain') return { step: 'done' }
  if (attemptedAgoMs === undefined) return { step: 'look' }
  if (attemptedAgoMs < nonceWindowMs) return { step: 'again' }
  const waitMs = nonceWindowMs + IN_FLIGHT_MS - attemptedAgoMs
  return waitMs > 0 ? { step: 'wait', waitMs } : { step: 'look' }
}

/** How long to wait before a doubt is looked at again: it doubles. Undefined when it has lasted too long. */
export function lookAgainInMs(doubt: { readonly ageMs: number; readonly longestMs: number }): number | undefined {
  if (doubt.ageMs >= doubt.longestMs) return undefined
  return Math.min(Math.max(doubt.ageMs, SOONEST_LOOK_MS), LATEST_LOOK_MS)
}

/** A try that failed, and what else decides. */
export interface FailedTry {
  readonly failure: DeliveryFailure
  readonly retryAfterMs: number | undefined
  /** An earlier try may have gone out: what this one is told says nothing of that one. */
  readonly doubtful: boolean
  /** The text has been replaced by a plain one already. */
  readonly isPlain: boolean
  /** Since the text was frozen. */
  readonly preparedAgoMs: number
  /** Since the first try that may have gone out. */
  readonly attemptedAgoMs: number
  /** After this a follow-up is given up. */
  readonly longestMs: number
}

/**
 * What becomes of a follow-up after a failed try. `later` takes no retry of the job, `retry` does, `plain` tries once more
 * with a plain text, `end` is the end.
 */
export type AfterFailure = { readonly state: 'prepared' | 'uncertain' | 'failed' } & (
  | { readonly next: 'later'; readonly waitMs: number }
  | { readonly next: 'retry' | 'plain' | 'end' }
)

/** Decides what becomes of a follow-up after a failed try. A doubt never turns into "surely not sent" by a later refusal. */
export function afterFailure(tried: FailedTry): AfterFailure {
  const unsent = tried.doubtful ? 'uncertain' : 'prepared'
  const over: AfterFailure = { state: tried.doubtful ? 'uncertain' : 'failed', next: 'end' }
  switch (tried.failure) {
    case 'uncertain': {
      const waitMs = lookAgainInMs({ ageMs: tried.attemptedAgoMs, longestMs: tried.longestMs })
      return { state: 'uncertain', ...(waitMs === undefined ? { next: 'end' } : { next: 'later', waitMs }) }
    }
    case 'retry':
      if (tried.preparedAgoMs >= tried.longestMs) return over
      return tried.retryAfterMs === undefined
        ? { state: unsent, next: 'retry' }
        : { state: unsent, next: 'later', waitMs: tried.retryAfterMs }
    case 'halt':
    case 'no_new':
      return { state: unsent, next: 'later', waitMs: tried.retryAfterMs ?? HALT_MS }
    case 'plain':
      return tried.doubtful || tried.isPlain ? over : { state: 'prepared', next: 'plain' }
    case 'refused':
    case 'suppress':
      return over
  }
}

/**
 * What a platform recognises a message by: 22 characters, within the 25 that Discord takes. The same for every try of a
 * text.
 * @param occurrence tells apart the texts of one job: one that went stale, and the one written in its place
 */
export function nonceOf(jobId: string, occurrence: string): string {
  return createHash('sha256').update(`${jobId}\n${occurrence}`).digest('base64url').slice(0, 22)
}

/** A text's fingerprint, to recognise it in a conversation that keeps no nonces. */
export function contentHashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
