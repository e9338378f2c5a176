import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'

/** What a process costs its machine; null: not measured. */
export interface ProcessLoad {
  /** CPU time over the time that passed since the last reading, of all threads: 1 is one core kept busy. */
  readonly cpuShare: number | null
  /** Resident memory, in bytes. */
  readonly memoryBytes: number | null
  /** How late the event loop ran what was due in the last two pauses between readings, in ms: the 99th percentile. */
  readonly eventLoopDelayMs: number | null
  /** The longest time the event loop stood still within the last five minutes, in ms. */
  readonly eventLoopBlockedMs: number | null
}

/** Reads what this process costs. Under a virtual clock nothing is measured: a simulation must not depend on it. */
export interface ProcessMeter {
  start(): void
  read(): ProcessLoad
  /** Leaves no timer behind. */
  stop(): void
}

const UNMEASURED: ProcessLoad = {
  cpuShare: null,
  memoryBytes: null,
  eventLoopDelayMs: null,
  eventLoopBlockedMs: null,
}

/** For virtual time. */
export const noMeter: ProcessMeter = { start: () => {}, read: () => UNMEASURED, stop: () => {} }

/** How often the event loop is asked whether it is late; a native timer that does not keep the process. */
const RESOLUTION_MS = 20
/** Readings come every few seconds and people look every minute or so: a blockade must stay to be seen. */
const REMEMBERED_MS = 5 * 60_000

/**
 * Measures the process it runs in. A histogram of delays misses what happens between its start and its second look, so
 * there are always two, each living for two readings: whatever falls into the first moments of one is in the other.
 */
export class NodeProcessMeter implements ProcessMeter {
  #delays: IntervalHistogram[] = []
  #cpu = process.cpuUsage()
  #readAt = 0
  #blockades: { at: number; ms: number }[] = []

  start(): void {
    if (this.#delays.length > 0) return
    this.#delays = [newHistogram()]
    this.#cpu = process.cpuUsage()
    this.#readAt = performance.now()
    this.#blockades = []
  }

  read(): ProcessLoad {
    const [oldest, newest] = this.#delays
    if (!oldest) return UNMEASURED
    const now = performance.now()
    const used = process.cpuUsage(this.#cpu)
    const passedMs = now - this.#readAt
    const measured = oldest.count > 0
    if (measured) this.#blockades.push({ at: now, ms: lateness(oldest.max) })
    this.#blockades = this.#blockades.filter(({ at }) => now - at <= REMEMBERED_MS)
    const load = {
      cpuShare: passedMs > 0 ? (used.user + used.system) / 1_000 / passedMs : null,
      memoryBytes: process.memoryUsage.rss(),
      eventLoopDelayMs: measured ? lateness(oldest.percentile(99)) : 0,
      eventLoopBlockedMs: Math.max(0, ...this.#blockades.map(({ ms }) => ms)),
    }
    if (newest) oldest.disable()
    this.#delays = [newest ?? oldest, newHistogram()]
    this.#cpu = process.cpuUsage()
    this.#readAt = now
    return load
  }

  stop(): void {
    for (const each of this.#delays) each.disable()
    this.#delays = []
  }
}

function newHistogram(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return histogram
}

/** The histogram holds the nanoseconds from one look to the next, the pause between them among these. */
function lateness(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
}
