import { defineJob, RetryAfterError, type Scheduler } from 'belfry'

/** An HTTP API that allows 50 calls a second, 5 of them for one account, and answers 429 when it is tired. */
export const callApi = defineJob<{ account: string; url: string }>({
  type: 'call_api',
  limits: {
    rate: { limit: 50, per: '1s' },
    perKey: { rate: { limit: 5, per: '1s' }, concurrency: 2 },
    breaker: { failures: 10, rest: '1m' },
  },
  handler: async ({ url }, { signal }) => {
    const response = await fetch(url, { signal })
    if (response.status === 429) {
      const seconds = Number(response.headers.get('retry-after') ?? 1)
      throw new RetryAfterError(seconds * 1_000, 'HTTP 429', { rests: 'key' })
    }
    return response.status
  },
})

export async function call(scheduler: Scheduler, account: string, url: string): Promise<void> {
  await scheduler.scheduleJob(callApi, { account, url }, { concurrencyKey: account, priority: 10 })
}
