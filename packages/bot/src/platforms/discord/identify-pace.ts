import { SimpleIdentifyThrottler } from 'discord.js'
import { sleep, type Clock } from 'belfry'

/** Logins of one connection within this time are too many soon. */
const WINDOW_MS = 3_600_000
/** So many follow each other at once; after that the pause doubles. */
const AT_ONCE = 3
const FIRST_PAUSE_MS = 5_000
/** Discord takes a token away after 1,000 logins in a day: at this pace there are 144. */
const LONGEST_PAUSE_MS = 600_000

/** The pause before a login of a connection that has logged in so often within the last hour. */
export function pauseBeforeLoginMs(loginsLately: number): number {
  if (loginsLately < AT_ONCE) return 0
  return Math.min(FIRST_PAUSE_MS * 2 ** (loginsLately - AT_ONCE), LONGEST_PAUSE_MS)
}

/** Who knows how many connections may log in at the same time. */
interface Gateway {
  fetchGatewayInformation(): Promise<{ session_start_limit: { max_concurrency: number } }>
}

/** Keeps logins apart when sessions keep ending: the library by itself would log in again every five seconds. */
export class IdentifyPace {
  readonly #clock: Clock
  readonly #logins = new Map<number, number[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What the library asks before each login. */
  async throttlerOf(manager: Gateway) {
    const { session_start_limit: limit } = await manager.fetchGatewayInformation()
    const discords = new SimpleIdentifyThrottler(limit.max_concurrency)
    return {
      waitForIdentify: async (shardId: number, signal: AbortSignal): Promise<void> => {
        const pauseMs = pauseBeforeLoginMs(this.#countLately(shardId))
        if (pauseMs > 0) await sleep(this.#clock, pauseMs, signal)
        signal.throwIfAborted()
        await discords.waitForIdentify(shardId, signal)
        this.#logins.get(shardId)?.push(this.#clock.monotonic())
      },
    }
  }

  #countLately(shardId: number): number {
    const now = this.#clock.monotonic()
    const lately = (this.#logins.get(shardId) ?? []).filter(at => now - at < WINDOW_MS)
    this.#logins.set(shardId, lately)
    return lately.length
  }
}
