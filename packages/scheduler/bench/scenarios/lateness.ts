import { percentile } from '../measurement.ts'
import { variantOf, type Scenario } from './scenario.ts'

/** A job this late is counted as missing, and as this late. */
const WAIT_MS = 15_000
const FROM_MS = 2000
const TO_MS = 8000

/** How exactly a job starts that was scheduled for an instant. */
export const lateness: Scenario = {
  name: 'lateness',
  about: 'From the instant jobs were scheduled for, 2 to 8 s ahead, to the first line of their handlers.',
  who: 'peers',
  variants: [variantOf('default'), variantOf('tuned', { settings: 'latency' })],
  async measure({ stage, peer, variant, sizes }) {
    const delays = await stage.withPlace(async place => {
      const worker = await stage.actor(peer, place, variant.settings)
      await worker.ask('install', undefined)
      await worker.ask('workAndNote', undefined)
      await stage.settle(place)
      const ahead = { count: sizes.samples, fromMs: FROM_MS, toMs: TO_MS, waitMs: WAIT_MS }
      await worker.ask('sendAhead', ahead, TO_MS + WAIT_MS + 20_000)
      return worker.ask('delays', undefined)
    })
    const missing = Math.max(0, sizes.samples - delays.length)
    const all = [...delays, ...Array.from({ length: missing }, () => WAIT_MS)]
    const figures = { p50: percentile(all, 0.5), p99: percentile(all, 0.99), earliest: Math.min(...all), missing }
    return { [peer]: figures }
  },
}
