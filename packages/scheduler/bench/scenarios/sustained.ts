import { percentile } from '../measurement.ts'
import { variantOf, type Scenario } from './scenario.ts'

/** Scheduling and running at once. */
export const sustained: Scenario = {
  name: 'sustained',
  about: 'One process schedules with 50 callers and runs the jobs, at most 1000 of them outstanding.',
  who: 'peers',
  variants: [variantOf('tuned', { settings: 'throughput' })],
  async measure({ stage, peer, variant, sizes }) {
    const figures = await stage.withPlace(async place => {
      const actor = await stage.actor(peer, place, variant.settings)
      await actor.ask('install', undefined)
      await stage.settle(place)
      const spent = await stage.meter(peer, [actor])
      const load = { callers: 50, outstanding: 1000, seconds: sizes.seconds }
      const { rate, delays } = await actor.ask('sustained', load, load.seconds * 1000 + 60_000)
      const { store, node } = await spent()
      const perJob = 1e6 / Math.max(1, delays.length)
      return {
        rate,
        storeUs: store * perJob,
        nodeUs: node * perJob,
        cpuUs: (store + node) * perJob,
        p50: percentile(delays, 0.5),
        p99: percentile(delays, 0.99),
      }
    })
    return { [peer]: figures }
  },
}
