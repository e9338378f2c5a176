import type { Pool } from 'pg'
import { median, percentile } from '../../bench/measurement.ts'

/** What must stay level, at one moment. */
export interface Sample {
  readonly atMs: number
  /** Of the process that is never harmed. */
  readonly residentMb: number
  readonly handles: number
  /** How long after their due time `quick` jobs began in it since the last sample; NaN: none did. */
  readonly delayP50Ms: number
  readonly delayP99Ms: number
  /** Of all tables of the scheduler, with indexes. */
  readonly tablesMb: number
  readonly deadRows: number
}

type Figure = Exclude<keyof Sample, 'atMs'>

/** How much higher the last fifth of a run may be than the second: so many times, and so much besides. */
interface Limit {
  readonly title: string
  readonly times: number
  readonly plus: number
}

/** One figure over a run: medians of the samples of its second and of its last fifth. */
export interface Level extends Limit {
  readonly figure: Figure
  readonly before: number
  readonly after: number
  readonly level: boolean
}

/**
 * Each with what it was made from: runs of five minutes on two cores that others used too. They are for what grows without
 * end, not for a busy minute.
 */
const LIMITS: Readonly<Record<Figure, Limit>> = {
  // Node lets its heap grow from 79 to 120 MB in the first 100 s, the second fifth among them; then it stays within 6 MB.
  residentMb: { title: 'memory, MB', times: 1.1, plus: 8 },
  // 12 to 27, by how many handlers wait just then; medians differ by up to 4. One left behind per fault would be 50 more.
  handles: { title: 'open handles', times: 1, plus: 8 },
  // Single samples lie between 3 and 41 ms by what else the machine does; jobs that pile up wait for seconds.
  delayP50Ms: { title: 'start delay p50, ms', times: 3, plus: 10 },
  // 12 to 120 ms, and up to a second where processes start or the server crashes, which the median leaves out.
  delayP99Ms: { title: 'start delay p99, ms', times: 3, plus: 100 },
  // 2.3 to 2.6 MB from the first minute on. A server that crashed vacuums later, and what grew then does not shrink.
  tablesMb: { title: 'tables, MB', times: 1.5, plus: 1 },
  // Up and down between 0 and 2,500 with every vacuum. Each job leaves two or more: five minutes without any make 60,000.
  deadRows: { title: 'dead rows', times: 2, plus: 2_000 },
}

/** Shorter runs have fifths of a few samples, and tables that are not yet as large as they get. */
export const JUDGED_FROM_MINUTES = 3

/** Compares the last fifth of a run with the second; the first is warm-up. */
export function levelsOf(samples: readonly Sample[], lengthMs: number): Level[] {
  const fifth = (nth: number) =>
    samples.filter(({ atMs }) => atMs >= (lengthMs * (nth - 1)) / 5 && atMs < (lengthMs * nth) / 5)
  return (Object.entries(LIMITS) as [Figure, Limit][]).map(([figure, limit]) => {
    const medianOf = (some: readonly Sample[]) =>
      median(some.map(sample => sample[figure]).filter(value => !Number.isNaN(value)))
    const [before, after] = [medianOf(fifth(2)), medianOf(fifth(5))]
    return { figure, ...limit, before, after, level: after <= before * limit.times + limit.plus }
  })
}

/** Takes samples of one process and of the tables. */
export class Sampler {
  readonly samples: Sample[] = []
  readonly #begun = performance.now()
  #delays: number[] = []
  #process = { residentMb: Number.NaN, handles: Number.NaN }

  /** A line of JSON that the unharmed process printed. */
  read(line: string): void {
    if (line.startsWith('{"event":"level"')) this.#process = JSON.parse(line) as Pick<Sample, 'residentMb' | 'handles'>
    if (!line.startsWith('{"event":"began"')) return
    const { waitMs } = JSON.parse(line) as { waitMs?: number }
    if (waitMs !== undefined) this.#delays.push(waitMs)
  }

  /** Takes one; nothing when the server is down. */
  async take(pool: Pool, schema: string): Promise<void> {
    const { rows } = await pool
      .query<Pick<Sample, 'tablesMb' | 'deadRows'>>(
        `select sum(pg_total_relation_size(relid))::float8 / 1048576 as "tablesMb", sum(n_dead_tup)::float8 as "deadRows"
         from pg_stat_user_tables where schemaname = $1`,
        [schema],
      )
      .catch(() => ({ rows: [] }))
    const [tables] = rows
    if (!tables) return
    const { residentMb, handles } = this.#process
    this.samples.push({
      atMs: performance.now() - this.#begun,
      residentMb,
      handles,
      delayP50Ms: percentile(this.#delays, 0.5),
      delayP99Ms: percentile(this.#delays, 0.99),
      ...tables,
    })
    this.#delays = []
  }
}
