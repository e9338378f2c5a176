import type { Figures } from '../measurement.ts'
import { variantOf, type Scenario, type Variant } from './scenario.ts'

const BULK = 1000
const CALLERS: Readonly<Record<string, number>> = { 'one by one': 1, '50 in flight': 50 }

/** How fast jobs are stored, nothing running them. */
export const scheduling: Scenario = {
  name: 'scheduling',
  about: 'Jobs stored per second: each call awaited before the next, 50 calls in flight, 1000 jobs per call.',
  who: 'peers',
  variants: [variantOf('one by one'), variantOf('50 in flight'), variantOf('bulk of 1000')],
  async measure({ stage, peer, variant, sizes }) {
    const figures = await stage.withPlace(async place => {
      const caller = await stage.actor(peer, place, 'throughput')
      await caller.ask('install', undefined)
      const call = (seconds: number) => {
        const limitMs = seconds * 1000 + 60_000
        return variant.name === 'bulk of 1000'
          ? caller.ask('scheduleBulk', { size: BULK, seconds }, limitMs)
          : caller.ask('scheduleInFlight', { callers: callersOf(variant), seconds }, limitMs)
      }
      await call(0.5)
      await stage.settle(place)
      const spent = await stage.meter(peer, [caller])
      const start = performance.now()
      const rate = await call(sizes.seconds)
      if (rate === undefined) return undefined
      const jobs = (rate * (performance.now() - start)) / 1000
      const { store, node } = await spent()
      return {
        rate,
        storeUs: (store * 1e6) / jobs,
        nodeUs: (node * 1e6) / jobs,
        cpuUs: ((store + node) * 1e6) / jobs,
      } satisfies Figures
    })
    return figures ? { [peer]: figures } : {}
  },
}

function callersOf({ name }: Variant): number {
  return CALLERS[name] ?? 1
}
