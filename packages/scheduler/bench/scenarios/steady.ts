import { percentile } from '../measurement.ts'
import { variantOf, type Scenario } from './scenario.ts'

const SAMPLE_EVERY_MS = 2000

/** Whether anything grows or slows under a load that goes on. */
export const steady: Scenario = {
  name: 'steady',
  about: 'A load at a fixed rate over minutes: size of the tables, dead rows, delays at its start and at its end.',
  who: 'ours',
  variants: [variantOf('fixed rate')],
  async measure({ stage, peer, sizes }) {
    const seconds = sizes.steadyMinutes * 60
    if (seconds === 0) return {}
    const figures = await stage.withPlace(async place => {
      const actor = await stage.actor(peer, place)
      await actor.ask('install', undefined)
      await actor.ask('workAndNote', undefined)
      const database = new URL(place.postgresUrl).pathname.slice(1)
      const tables = async () => {
        const [row] = await stage.postgres.query<{ mb: number; dead: number }>(
          `select sum(pg_total_relation_size(relid))::float8 / 1048576 as mb, sum(n_dead_tup)::float8 as dead
          from pg_stat_user_tables`,
          database,
        )
        return row ?? { mb: 0, dead: 0 }
      }
      const load = actor.ask('openLoop', { rate: sizes.steadyRate, seconds }, seconds * 1000 + 60_000)
      const samples: { mb: number; dead: number }[] = []
      let over = false
      const ended = load.finally(() => (over = true))
      while (!over) {
        await Promise.race([stage.pause(SAMPLE_EVERY_MS), ended])
        samples.push(await tables())
      }
      const sent = await ended
      await stage.pause(1000)
      const delays = await actor.ask('delays', undefined)
      const tenth = Math.ceil(delays.length / 10)
      return {
        rate: sent / seconds,
        p50: percentile(delays, 0.5),
        p99: percentile(delays, 0.99),
        startP99: percentile(delays.slice(0, tenth), 0.99),
        endP99: percentile(delays.slice(-tenth), 0.99),
        startMb: samples[0]?.mb ?? Number.NaN,
        endMb: samples.at(-1)?.mb ?? Number.NaN,
        deadRows: Math.max(...samples.map(sample => sample.dead)),
        missing: sent - delays.length,
      }
    })
    return { [peer]: figures }
  },
}
