import { OURS } from '../peers/catalog.ts'
import { median } from '../measurement.ts'
import { variantOf, type Scenario } from './scenario.ts'

/** Short turns, so that both meet the same moods of the disk. */
const TURNS = 10

/** What one awaited scheduling call costs beside the INSERT it cannot do without. */
export const bareInsert: Scenario = {
  name: 'bare-insert',
  about: 'Awaited one by one: our call, and a prepared INSERT of the same row into an equal table, in short turns.',
  who: 'ours',
  variants: [variantOf('one by one')],
  async measure({ stage, sizes }) {
    const rates: Record<string, number[]> = { [OURS]: [], 'bare INSERT': [] }
    await stage.withPlace(async place => {
      const ours = await stage.actor(OURS, place)
      await ours.ask('install', undefined)
      const bare = await stage.actor('bare-insert', place)
      await bare.ask('install', undefined)
      const turns = [
        { who: OURS, actor: ours },
        { who: 'bare INSERT', actor: bare },
      ]
      for (const { actor } of turns) await actor.ask('scheduleInFlight', { callers: 1, seconds: 1 })
      await stage.settle(place)
      for (let turn = 0; turn < TURNS; turn += 1) {
        for (const { who, actor } of turn % 2 === 0 ? turns : turns.toReversed()) {
          const rate = await actor.ask('scheduleInFlight', { callers: 1, seconds: (2 * sizes.seconds) / TURNS })
          rates[who]?.push(rate)
        }
      }
    })
    return Object.fromEntries(Object.entries(rates).map(([who, each]) => [who, { rate: median(each) }]))
  },
}
