import type { Figures } from '../measurement.ts'
import { emptyTable } from './drain.ts'
import { measurePickUp } from './pick-up.ts'
import { variantOf, type Assignment, type Scenario } from './scenario.ts'

const FAR_AHEAD_MS = 30 * 86_400_000
const FILL_LIMIT_MS = 900_000

/** What a million waiting jobs and a million finished ones cost the next job. */
export const bigTable: Scenario = {
  name: 'big-table',
  about: 'Draining and picking up in a table of many future and many finished jobs, and in an empty one.',
  who: 'ours',
  variants: [variantOf('future and finished jobs')],
  async measure(assignment) {
    const empty = await both(assignment, 0)
    const full = await both(assignment, assignment.sizes.backlog)
    return { [assignment.peer]: full, [`${assignment.peer}, empty table`]: empty }
  },
}

function both({ stage, peer, variant, sizes }: Assignment, backlog: number): Promise<Figures> {
  return stage.withPlace(async place => {
    const keeper = await stage.actor(peer, place, variant.settings)
    await keeper.ask('install', undefined)
    const table = { stage, peer, variant, place, keeper }
    if (backlog > 0) {
      // Finished the library's own way, whatever it keeps of them.
      await emptyTable({ ...table, jobs: backlog, longestMs: FILL_LIMIT_MS })
      await keeper.ask('preload', { count: backlog, aheadMs: FAR_AHEAD_MS }, FILL_LIMIT_MS)
    }
    const drained = await emptyTable({ ...table, jobs: sizes.jobs })
    const { p50, p99 } = await measurePickUp({ stage, peer, variant, place, samples: sizes.samples })
    return { ...drained, ...(p50 === undefined || p99 === undefined ? {} : { p50, p99 }) }
  })
}
