import { defineJob, NonRetryableError, RetryAfterError } from 'belfry'

/** Pauses of 1, 2, 4, 8 and 10 seconds, each ±10 %, then the job is `failed` and kept. */
export const chargeCard = defineJob({
  type: 'charge_card',
  maxRetries: 5,
  backoff: { initial: '1s', factor: 2, max: '10s' },
  timeout: '30s',
  handler: (payload, { signal }) => charge(payload, signal),
})

/** What the other side answered decides: again later, never again, or again as the backoff says. */
async function charge(payload: unknown, signal: AbortSignal): Promise<string> {
  const { url } = payload as { url: string }
  const answer = await fetch(url, { method: 'POST', signal })
  if (answer.status === 429) throw new RetryAfterError('20s') // spends no retry
  if (answer.status === 404) throw new NonRetryableError('no such card') // `failed` at once
  if (!answer.ok) throw new Error(`the bank answered ${answer.status}`)
  return answer.text()
}
