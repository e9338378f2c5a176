import { residentMb } from '../stage/process-figures.ts'
import { emptyTable } from './drain.ts'
import { variantOf, type Scenario } from './scenario.ts'

/** Long enough for what a library does once after its start. */
const IDLE_MS = 3000

/** Memory of a process that has nothing to do, and of one that empties a table. */
export const memory: Scenario = {
  name: 'memory',
  about: 'Resident memory of a worker process: idle on an empty table, and at its largest while emptying a full one.',
  who: 'peers',
  variants: [variantOf('tuned', { settings: 'throughput' })],
  async measure({ stage, peer, variant, sizes }) {
    const figures = await stage.withPlace(async place => {
      const idler = await stage.actor(peer, place, variant.settings)
      await idler.ask('install', undefined)
      await idler.ask('workAndCount', undefined)
      await stage.pause(IDLE_MS)
      const idleMb = await residentMb(idler.pid)
      idler.kill()
      const keeper = await stage.actor(peer, place, variant.settings)
      const jobs = Math.ceil(sizes.jobs / 2)
      const { peakMb } = await emptyTable({ stage, peer, variant, place, keeper, jobs })
      return { idleMb, ...(peakMb === undefined ? {} : { peakMb }) }
    })
    return { [peer]: figures }
  },
}
