import type { Actor } from '../actor/actor.ts'
import { BenchError } from '../bench-error.ts'
import type { Figures } from '../measurement.ts'
import { isSlow } from '../peers/catalog.ts'
import type { Place } from '../peers/peer.ts'
import { residentMb } from '../stage/process-figures.ts'
import type { Stage } from '../stage/stage.ts'
import { variantOf, type Assignment, type Scenario, type Variant } from './scenario.ts'

/** A library that needs longer is measured by what it has done until then. */
const LONGEST_MS = 20_000
const PRELOAD_LIMIT_MS = 300_000

/** Empties a table of due jobs whose handlers do nothing. */
export const drain: Scenario = {
  name: 'drain',
  about: 'A table of due jobs, emptied by handlers that do nothing.',
  who: 'peers',
  variants: [
    variantOf('default, 1 process', { processes: 1 }),
    variantOf('default, 2 processes', { processes: 2 }),
    variantOf('tuned, 1 process', { settings: 'throughput', processes: 1 }),
    variantOf('tuned, 2 processes', { settings: 'throughput', processes: 2 }),
  ],
  async measure({ stage, peer, variant, sizes }: Assignment) {
    const few = isSlow(peer) || (peer !== 'belfry' && variant.settings === 'default')
    const jobs = few ? Math.ceil(sizes.jobs / 10) : sizes.jobs
    const figures = await stage.withPlace(async place => {
      const keeper = await stage.actor(peer, place, variant.settings)
      await keeper.ask('install', undefined)
      return emptyTable({ stage, peer, variant, place, keeper, jobs })
    })
    return { [peer]: figures }
  },
}

/** One table to be emptied. */
export interface Emptying {
  readonly stage: Stage
  readonly peer: string
  readonly variant: Pick<Variant, 'settings' | 'processes'>
  readonly place: Place
  /** Fills the table and looks whether it is empty. */
  readonly keeper: Actor
  readonly jobs: number
  /** Measures what was done until then; 20 s. */
  readonly longestMs?: number
}

/** Fills the table with `jobs` due jobs, lets fresh processes empty it, and ends when nothing is left unfinished. */
export async function emptyTable(emptying: Emptying): Promise<Figures> {
  const { stage, peer, variant, place, keeper, jobs, longestMs = LONGEST_MS } = emptying
  await keeper.ask('preload', { count: jobs }, PRELOAD_LIMIT_MS)
  const workers: Actor[] = []
  for (let each = 0; each < variant.processes; each += 1) {
    workers.push(await stage.actor(peer, place, variant.settings))
  }
  await stage.settle(place)
  const spent = await stage.meter(peer, workers)
  const start = performance.now()
  let peakMb = 0
  const begun = () => workers.reduce((sum, worker) => sum + worker.begun, 0)
  const elapsed = () => performance.now() - start
  await Promise.all(workers.map(worker => worker.ask('workAndCount', undefined)))
  while (begun() < jobs && elapsed() < longestMs) {
    await stage.pause(10)
    peakMb = Math.max(peakMb, ...(await Promise.all(workers.map(worker => residentMb(worker.pid)))))
  }
  while (elapsed() < longestMs && (await keeper.ask('pending', undefined)) > 0) await stage.pause(10)
  const ms = elapsed()
  const { store, node, foreign } = await spent()
  for (const worker of workers) worker.kill()
  const ran = Math.min(begun(), jobs)
  if (ran === 0 && variant.settings !== 'default') throw new BenchError(`${peer}: ran no job within ${longestMs} ms`)
  const perJob = (seconds: number) => (seconds * 1e6) / Math.max(1, ran)
  return {
    rate: (ran * 1000) / ms,
    storeUs: perJob(store),
    nodeUs: perJob(node),
    cpuUs: perJob(store + node),
    foreignShare: (foreign * 100_000) / ms,
    peakMb,
    ...(begun() > jobs ? { again: begun() - jobs } : {}),
  }
}
