import type { Scheduler } from 'belfry'
import { SeededRandom } from '../../src/testing/simulation/random.ts'
import type { Journal } from '../support/journal.ts'
import { pauseFor } from './pause-for.ts'

/** How many of 100 jobs are of which type; `quick` ones schedule one more each fifth time. */
const TYPES = { quick: 50, slow: 15, failing: 15, keyed: 10, governed: 10 }
const ROUND_MS = 50
const KEYS = 20
/** A governed job takes 200 ms on average: at this share of the limit they often have to wait and never pile up. */
const GOVERNED_MEAN_S = 0.2
const GOVERNED_LOAD = 0.6

/** The limit of the governed type that a rate of jobs keeps busy. */
export function governedLimitFor(rate: number): number {
  return Math.max(1, Math.ceil((((rate * TYPES.governed) / 100) * GOVERNED_MEAN_S) / GOVERNED_LOAD))
}

/** Schedules jobs at a fixed rate, whatever becomes of them, until the signal ends it; resolves when each call is answered. */
export async function keepScheduling(
  parts: { scheduler: Scheduler; journal: Journal; rate: number; seed: number },
  ended: AbortSignal,
): Promise<void> {
  const { scheduler, journal, rate } = parts
  const random = new SeededRandom(`${parts.seed}/load`)
  const calls = new Set<Promise<unknown>>()
  const begun = performance.now()
  let asked = 0
  while (await pauseFor(ROUND_MS, ended)) {
    for (const due = ((performance.now() - begun) / 1_000) * rate; asked < due; asked += 1) {
      const { jobType, options } = drawJob(random)
      const call = journal.schedule(scheduler, jobType, { ...options, jobId: `job ${asked}` })
      calls.add(call)
      void call.finally(() => calls.delete(call))
    }
  }
  await Promise.all(calls)
}

function drawJob(random: SeededRandom) {
  const jobType = random.weighted(TYPES) ?? 'quick'
  const delay = random.chance(0.3) ? random.below(1_000) : 0
  if (jobType === 'quick') return { jobType, options: { payload: { more: random.chance(0.2) }, delay } }
  if (jobType !== 'keyed') return { jobType, options: { delay } }
  return {
    jobType,
    options: { uniqueKey: `key ${random.below(KEYS)}`, onConflict: 'replace' as const, delay: 300 + delay },
  }
}
