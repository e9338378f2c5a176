import { DiscordAPIError, HTTPError, RateLimitError } from 'discord.js'
import { DeliveryError, type DeliveryFailure } from '../../messaging/platform.ts'

/** What each of Discord's codes means for a message [Opcodes and Status Codes; 20026 is not on that page]. */
const BY_CODE: ReadonlyMap<number, readonly [DeliveryFailure, string]> = new Map([
  [10_003, ['refused', 'unknown_channel']],
  [10_004, ['refused', 'unknown_guild']],
  [10_007, ['refused', 'unknown_member']],
  [10_013, ['suppress', 'unknown_user']],
  [20_009, ['refused', 'content_refused']],
  [20_026, ['halt', 'flagged']],
  [40_003, ['no_new', 'opening_dms_too_fast']],
  [50_001, ['refused', 'missing_access']],
  [50_007, ['suppress', 'dm_closed']],
  [50_013, ['refused', 'missing_permissions']],
  [50_033, ['suppress', 'unknown_user']],
  [50_035, ['refused', 'invalid_body']],
  [50_083, ['refused', 'thread_locked']],
  [50_278, ['suppress', 'no_mutual_guild']],
  [200_000, ['plain', 'automod']],
  [240_000, ['plain', 'harmful_link']],
])

/** Nobody there: the job waits for as long as its message may, without spending its retries. */
const AWAY_MS = 30_000
/** While the token is refused nobody is asked; when a valid one may be there. */
const NO_TOKEN_MS = 300_000

/** Failures of a connection that was never there: nothing can have been sent. */
const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** What a failed request to send means. What cannot be known is `uncertain`. */
export function failureOf(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error
  if (error instanceof RateLimitError) {
    const retryAfterMs = Math.max(error.retryAfter, error.timeToReset)
    return new DeliveryError('retry', 'rate_limited', `Discord asks for a pause of ${retryAfterMs} ms`, {
      retryAfterMs,
    })
  }
  if (error instanceof DiscordAPIError) return refusalOf(error)
  if (error instanceof HTTPError) {
    if (error.status === 401) return tokenRefused(error)
    const failure = error.status >= 500 ? 'uncertain' : 'refused'
    return new DeliveryError(failure, error.status >= 500 ? 'server_error' : `http_${error.status}`, said(error), {
      cause: error,
    })
  }
  if (codesOf(error).some(code => NEVER_CONNECTED.has(code))) {
    return new DeliveryError('retry', 'unreachable', `Discord cannot be reached: ${textOf(error)}`, {
      cause: error,
      retryAfterMs: AWAY_MS,
    })
  }
  return new DeliveryError('uncertain', 'no_answer', `no answer from Discord: ${textOf(error)}`, { cause: error })
}

function refusalOf(error: DiscordAPIError): DeliveryError {
  if (error.status === 401) return tokenRefused(error)
  const [failure, code] = BY_CODE.get(Number(error.code)) ?? ['refused', `discord_${error.code}`]
  return new DeliveryError(failure, code, said(error), { cause: error })
}

/** Not this message's fault, nor any person's: it waits until the bot has a valid token, or is too old. */
export function tokenRefused(cause?: unknown): DeliveryError {
  const text = 'Discord refuses the token; nothing was sent. Set DISCORD_TOKEN to a valid one'
  return new DeliveryError('retry', 'token_invalid', text, { cause, retryAfterMs: NO_TOKEN_MS })
}

/** Discord's own words; never the request, which holds what was to be said. */
function said(error: DiscordAPIError | HTTPError): string {
  return `Discord answered ${error.status}: ${error.message.split('\n')[0]?.slice(0, 200) ?? ''}`
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The codes of an error and of what caused it: fetch wraps the one that says something. */
function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return []
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : []
  return [...own, ...codesOf(error.cause)]
}
