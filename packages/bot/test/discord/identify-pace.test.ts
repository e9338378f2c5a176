import { TestClock } from 'belfry/testing'
import { describe, expect, it } from 'vitest'
import { IdentifyPace, pauseBeforeLoginMs } from '../../src/platforms/discord/identify-pace.ts'
import { RefusedRequests } from '../../src/platforms/discord/refused-requests.ts'

const HOUR_MS = 3_600_000

describe('logins that follow each other', () => {
  it.each([
    [0, 0],
    [2, 0],
    [3, 5_000],
    [4, 10_000],
    [9, 320_000],
    [10, 600_000],
    [999, 600_000],
  ])('after %i within the hour the next waits %i ms', (logins, ms) => {
    expect(pauseBeforeLoginMs(logins)).toBe(ms)
  })

  it('stay far from the thousand a day at which Discord takes the token away, however often sessions end', () => {
    const made: number[] = []
    for (let now = 0; now < 24 * HOUR_MS; ) {
      made.push(now)
      now += pauseBeforeLoginMs(made.filter(at => now - at < HOUR_MS).length)
    }
    expect(made.length).toBeLessThan(300)
  })

  it('are held apart on each connection, and let go when the connection is given up', async () => {
    const clock = new TestClock()
    const pace = new IdentifyPace(clock)
    // Many at once, so that the library's own five seconds do not count here.
    const manager = { fetchGatewayInformation: async () => ({ session_start_limit: { max_concurrency: 1_000 } }) }
    const { signal } = new AbortController()
    for (let n = 0; n < 3; n += 1) await (await pace.throttlerOf(manager)).waitForIdentify(0, signal)
    let isThrough = false
    const throttler = await pace.throttlerOf(manager)
    const fourth = throttler.waitForIdentify(0, signal).then(() => (isThrough = true))
    await throttler.waitForIdentify(1, signal)
    expect(isThrough).toBe(false)
    clock.advance('5s')
    await fourth
    const stop = new AbortController()
    const given = throttler.waitForIdentify(0, stop.signal)
    stop.abort()
    await expect(given).rejects.toThrow(/aborted/)
  })
})

describe('requests that Discord refuses', () => {
  it('are counted for ten minutes, if they are of the kind it bans for', () => {
    const clock = new TestClock()
    const refused = new RefusedRequests(clock)
    for (const status of [200, 204, 400, 404, 500]) refused.note({ status, scope: null })
    refused.note({ status: 429, scope: 'shared' })
    expect(refused.lately).toBe(0)
    for (const status of [401, 403]) refused.note({ status, scope: null })
    refused.note({ status: 429, scope: 'user' })
    expect(refused.lately).toBe(3)
    clock.advance('9m')
    refused.note({ status: 403, scope: null })
    expect(refused.lately).toBe(4)
    clock.advance('2m')
    expect(refused.lately).toBe(1)
  })
})
