import { BelfryError } from '../errors.ts'
import type { JobContext } from '../job/context.ts'
import { NonRetryableError, RetryAfterError } from '../job/control-errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { VERSION } from '../version.ts'
import { SIGNATURE_HEADER, signWebhook } from './signature.ts'

/** What happened: a job's last attempt failed, or it was given up because its processes kept dying. */
export type WebhookEvent = 'job.failed' | 'job.lost'

/** The payload of a delivery job: what became of another job. */
export interface FailureReport {
  readonly event: WebhookEvent
  /** ISO 8601. */
  readonly occurredAt: string
  readonly job: { readonly id: string; readonly type: string; readonly attempt: number | null }
  readonly error: { readonly code: string | null; readonly message: string } | null
  /** What `describe` added. */
  readonly data?: unknown
}

/** Where and how reports are posted. */
export interface Delivery {
  readonly url: URL
  readonly secret: string
  readonly fetch: typeof fetch
  readonly timeoutMs: number
  readonly clock: Clock
}

/** A receiver that says "later" for three days is not coming back; "later" spends no retry, so something must end it. */
const GIVE_UP_AFTER_MS = 3 * 86_400_000
/** However long a receiver asks for, and however short. */
const LONGEST_PAUSE_MS = 86_400_000
const SHORTEST_PAUSE_MS = 1_000

/**
 * Posts one report. Answers the HTTP status of a 2xx.
 * @throws NonRetryableError for redirects and refusals, RetryAfterError when the receiver names a time, BelfryError
 *   `BELFRY_WEBHOOK_FAILED` for what may go better next time
 */
export async function deliver(delivery: Delivery, report: FailureReport, context: JobContext): Promise<object> {
  const body = JSON.stringify({ id: context.jobId, ...report })
  const { status, retryAfter } = await post(delivery, body, context.signal)
  if (status >= 200 && status < 300) return { status }
  const { origin } = delivery.url
  // `redirect: 'manual'` is answered with the redirect itself, or by fetch implementations of browsers with status 0.
  if (status < 400) throw new NonRetryableError(`${origin} answered with a redirect (${status}), which is not followed`)
  const mayRecover = status >= 500 || status === 408 || status === 429
  if (!mayRecover) throw new NonRetryableError(`${origin} refused the webhook with status ${status}`)
  const now = delivery.clock.now()
  if (now.getTime() - Date.parse(report.occurredAt) > GIVE_UP_AFTER_MS) {
    throw new NonRetryableError(`${origin} answered with status ${status} for three days; given up`)
  }
  const pauseMs = readRetryAfter(retryAfter, now)
  if (pauseMs !== undefined) throw new RetryAfterError(pauseMs, `${origin} asked to come back later (${status})`)
  throw new BelfryError('BELFRY_WEBHOOK_FAILED', `${origin} answered the webhook with status ${status}`)
}

/** Sends the request and lets go of the answer's body: nothing a receiver says there is of use. */
async function post(
  { url, secret, fetch, timeoutMs, clock }: Delivery,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; retryAfter: string | null }> {
  const late = new AbortController()
  const timer = clock.setTimer(timeoutMs, () => late.abort())
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'user-agent': `belfry/${VERSION}`,
        [SIGNATURE_HEADER]: signWebhook(secret, body, clock.now()),
      },
      redirect: 'manual',
      signal: AbortSignal.any([signal, late.signal]),
    })
    await response.body?.cancel()
    return { status: response.status, retryAfter: response.headers.get('retry-after') }
  } catch (cause) {
    signal.throwIfAborted()
    const why = late.signal.aborted ? `did not answer within ${timeoutMs} ms` : 'cannot be reached'
    // The origin alone: a path often is the receiver's password.
    throw new BelfryError('BELFRY_WEBHOOK_FAILED', `${url.origin} ${why}`, { cause })
  } finally {
    timer.cancel()
  }
}

/** Milliseconds to wait by a `Retry-After` header (seconds or an HTTP date); undefined when it says nothing usable. */
export function readRetryAfter(header: string | null, now: Date): number | undefined {
  if (header === null) return undefined
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now.getTime()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS)
}
