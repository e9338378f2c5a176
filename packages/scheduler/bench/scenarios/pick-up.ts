import { percentile, type Figures } from '../measurement.ts'
import { OURS } from '../peers/all.ts'
import type { Place } from '../peers/peer.ts'
import type { Stage } from '../stage/stage.ts'
import { variant, type Scenario, type Variant } from './scenario.ts'

/** The first jobs find cold code and connections that are not open yet. */
const WARM_UP = 10
const LONGEST_MS = 30_000

/** How soon an idle worker begins a job that is due at once. */
export const pickUp: Scenario = {
  name: 'pickup',
  about: 'From before the scheduling call to the first line of the handler, one job at a time, worker idle.',
  who: 'peers',
  variants: [
    variant('default, same process'),
    variant('tuned, same process', { settings: 'latency' }),
    variant('default, across processes', { together: false }),
    variant('tuned, across processes', { settings: 'latency', together: false }),
  ],
  async measure({ stage, peer, variant, options }) {
    const figures = await stage.withPlace(async place => {
      const keeper = await stage.actor(peer, place)
      await keeper.ask('install', undefined)
      return measurePickUp({ stage, peer, variant, place, samples: options.samples })
    })
    return { [peer]: figures }
  },
}

/** One series of single jobs. */
interface Series {
  readonly stage: Stage
  readonly peer: string
  readonly variant: Pick<Variant, 'settings' | 'together'>
  readonly place: Place
  readonly samples: number
}

export async function measurePickUp({ stage, peer, variant, place, samples }: Series): Promise<Figures> {
  const worker = await stage.actor(peer, place, variant.settings)
  const sender = variant.together ? worker : await stage.actor(peer, place, variant.settings)
  await worker.ask('workAndNote', undefined)
  await stage.settle(place)
  const send = (count: number, limitMs: number) =>
    sender.ask('sendOneByOne', { count, here: variant.together, limitMs }, limitMs + 10_000)
  await send(WARM_UP, LONGEST_MS / 4)
  await stage.pause(200)
  await worker.ask('delays', undefined)
  const sent = await send(samples, LONGEST_MS)
  if (!variant.together) await stage.pause(peer === OURS ? 200 : 2000)
  const delays = await worker.ask('delays', undefined)
  return { p50: percentile(delays, 0.5), p99: percentile(delays, 0.99), missing: sent - delays.length }
}
