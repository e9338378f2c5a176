import type { Actor } from '../actor/actor.ts'
import { percentile, type Figures } from '../measurement.ts'
import { pollMsOf } from '../peers/catalog.ts'
import type { Place } from '../peers/peer.ts'
import type { Stage } from '../stage/stage.ts'
import { variantOf, type Scenario, type Variant } from './scenario.ts'

/** The first jobs find cold code and connections that are not open yet. */
const WARM_UP = 10
const USUAL_SPREAD_MS = 25
const LONGEST_MS = 30_000

/** How soon an idle worker begins a job that is due at once. */
export const pickUp: Scenario = {
  name: 'pickup',
  about: 'From before the scheduling call to the first line of the handler, one job at a time, worker idle.',
  who: 'peers',
  variants: [
    variantOf('default, same process'),
    variantOf('tuned, same process', { settings: 'latency' }),
    variantOf('default, across processes', { together: false }),
    variantOf('tuned, across processes', { settings: 'latency', together: false }),
  ],
  async measure({ stage, peer, variant, sizes }) {
    const figures = await stage.withPlace(async place => {
      const keeper = await stage.actor(peer, place, variant.settings)
      await keeper.ask('install', undefined)
      return measurePickUp({ stage, peer, variant, place, samples: sizes.samples })
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

export async function measurePickUp(series: Series): Promise<Figures> {
  const { stage, peer, variant, place, samples } = series
  const worker = await stage.actor(peer, place, variant.settings)
  const sender = variant.together ? worker : await stage.actor(peer, place, variant.settings)
  await worker.ask('workAndNote', undefined)
  await stage.settle(place)
  const between = { worker, sender, spreadMs: (variant.settings === 'default' && pollMsOf(peer)) || USUAL_SPREAD_MS }
  await oneByOne(stage, { ...between, count: WARM_UP })
  await worker.ask('delays', undefined)
  const sent = await oneByOne(stage, { ...between, count: samples })
  const delays = await worker.ask('delays', undefined)
  return { p50: percentile(delays, 0.5), p99: percentile(delays, 0.99), missing: sent - delays.length }
}

interface OneByOne {
  readonly worker: Actor
  readonly sender: Actor
  readonly count: number
  /** A library that polls is met at any moment of its pause. */
  readonly spreadMs: number
}

/** Schedules a job, waits until it has begun, pauses, and again; the answer is how many in the time there is. */
async function oneByOne(stage: Stage, { worker, sender, count, spreadMs }: OneByOne): Promise<number> {
  const deadline = performance.now() + LONGEST_MS
  const before = worker.begun
  let sent = 0
  while (sent < count && performance.now() < deadline) {
    await sender.ask('scheduleOne', undefined)
    sent += 1
    while (worker.begun - before < sent && performance.now() < deadline) await stage.pause(2)
    await stage.pause(15 + Math.random() * spreadMs)
  }
  return sent
}
