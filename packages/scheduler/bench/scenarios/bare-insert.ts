import { OURS } from '../peers/catalog.ts'
import { median, type Figures } from '../measurement.ts'
import { measurePickUp } from './pick-up.ts'
import { variantOf, type Assignment, type Scenario } from './scenario.ts'

/** Short turns, so that both meet the same moods of the disk. */
const TURNS = 10

const BARE = 'bare INSERT'
const idleBetween = variantOf('pick-up, same process')

/** What one awaited scheduling call, and the pick-up of a job, cost beside the INSERT they cannot do without. */
export const bareInsert: Scenario = {
  name: 'bare-insert',
  about:
    'Our call beside a prepared INSERT of the same row into an equal table: awaited one by one in short turns; and in the ' +
    'rhythm of a pick-up, until our handler begins and until the row is committed.',
  who: 'ours',
  variants: [variantOf('one by one'), idleBetween],
  measure: assignment =>
    assignment.variant.name === idleBetween.name ? delaysBoth(assignment) : ratesBoth(assignment),
}

async function delaysBoth({ stage, variant, sizes }: Assignment): Promise<Record<string, Figures>> {
  const delaysOf = (peer: string) =>
    stage.withPlace(async place => {
      const keeper = await stage.actor(peer, place)
      await keeper.ask('install', undefined)
      return measurePickUp({ stage, peer, variant, place, samples: sizes.samples })
    })
  return { [OURS]: await delaysOf(OURS), [BARE]: await delaysOf('bare-insert') }
}

async function ratesBoth({ stage, sizes }: Assignment): Promise<Record<string, Figures>> {
  const rates: Record<string, number[]> = { [OURS]: [], [BARE]: [] }
  await stage.withPlace(async place => {
    const ours = await stage.actor(OURS, place)
    await ours.ask('install', undefined)
    const bare = await stage.actor('bare-insert', place)
    await bare.ask('install', undefined)
    const turns = [
      { who: OURS, actor: ours },
      { who: BARE, actor: bare },
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
}
