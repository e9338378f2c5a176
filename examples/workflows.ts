import { defineJob, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'

/** The world outside, as far as this example needs it. */
export interface Newsroom {
  weather(town: string): Promise<{ degrees: number }>
  traffic(town: string): Promise<{ jams: number }>
  publish(text: string): Promise<void>
  tell(text: string): Promise<void>
}

/** Every morning's letter for a town: two facts gathered side by side, put together, published. */
export function letters(database: Database, newsroom: Newsroom) {
  const weather = defineJob<{ town: string }>({ type: 'weather', handler: ({ town }) => newsroom.weather(town) })
  const traffic = defineJob<{ town: string }>({
    type: 'traffic',
    maxRetries: 0,
    handler: ({ town }) => newsroom.traffic(town),
  })
  const letter = defineJob<{ town: string }>({
    type: 'letter',
    handler: async ({ town }, { dependency }) => {
      const { degrees } = (await dependency('weather')).result as { degrees: number }
      const roads = await dependency('traffic')
      const jams = roads.status === 'completed' ? `${(roads.result as { jams: number }).jams} jams` : 'traffic unknown'
      await newsroom.publish(`${town}: ${degrees} degrees, ${jams}`)
    },
  })
  const summary = defineJob({
    type: 'summary',
    handler: async (_payload, { dependencyCounts }) => {
      const { total, completed, failed } = await dependencyCounts()
      await newsroom.tell(`${completed} of ${total} towns, ${failed} failed`)
    },
  })
  const scheduler = new Scheduler({ database, jobs: [weather, traffic, letter, summary] })

  /** All three or none: a graph by names. A letter without weather is none; without traffic it goes out. */
  const writeLetter = (town: string) =>
    scheduler.scheduleFlow({
      weather: { job: weather, payload: { town } },
      traffic: { job: traffic, payload: { town } },
      letter: { job: letter, payload: { town }, after: ['weather', { job: 'traffic', onFailure: 'run' }] },
    })

  /** As many as there are, and one that counts them when all have ended. */
  const warmUp = (towns: readonly string[]) =>
    scheduler.scheduleBatch(
      towns.map(town => ({ job: weather, payload: { town } })),
      { job: summary },
    )

  return { scheduler, writeLetter, warmUp }
}
