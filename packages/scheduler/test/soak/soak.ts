import { setMaxListeners } from 'node:events'
import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { Pool } from 'pg'
import { startPostgresServer, type PostgresServer } from '../../../../test-support/postgres-server.ts'
import { Journal } from '../support/journal.ts'
import { ARCHIVE, keepArchive } from './archive.ts'
import { Faults, type FaultCounts, type FaultNote } from './faults.ts'
import { HandlerSpans } from './handler-spans.ts'
import { levelsOf, Sampler, type Level, type Sample } from './levels.ts'
import { governedLimitFor, keepScheduling } from './load.ts'
import type { SoakOptions } from './options.ts'
import { pauseFor } from './pause-for.ts'
import { Worker } from './workers.ts'

const SCHEMA = 'work'
/** So short that tables are as large as they get within a minute. */
const RETENTION = '20s'
const PRUNE_EVERY_MS = 2_000
const SAMPLE_EVERY_MS = 3_000
const TELL_EVERY_MS = 10_000
/** After faults have ceased: a lease, retries, and what a busy machine has piled up. */
const DRAIN_WITHIN_MS = 120_000

export interface SoakReport {
  readonly seed: number
  readonly minutes: number
  /** Jobs whose scheduling was acknowledged; calls that failed without saying whether the job was stored. */
  readonly jobs: { readonly acknowledged: number; readonly doubtful: number }
  /** Attempts by their outcome. */
  readonly attempts: Readonly<Record<string, number>>
  readonly faults: FaultCounts
  readonly governed: { readonly limit: number; readonly mostAtOnce: number }
  /** Promises that were broken, as sentences. */
  readonly broken: readonly string[]
  readonly levels: readonly Level[]
  readonly samples: readonly Sample[]
  readonly timeline: readonly FaultNote[]
}

/** How a soak tells what goes on, and how it is stopped early. */
export interface SoakWatch {
  readonly say: (line: string) => void
  readonly stopped: AbortSignal
}

/** Starts a server and processes, harms them for some minutes, and says what was promised and not kept. Leaves nothing. */
export async function runSoak(options: SoakOptions, watch: SoakWatch): Promise<SoakReport> {
  // The statistics of a server that crashed are gone; with the usual minute, a vacuum would come too late to be seen.
  const server = await startPostgresServer({ fsync: 'on', autovacuum_naptime: '5s' })
  const pool = new Pool({ connectionString: server.url, max: 8, connectionTimeoutMillis: 5_000 })
  const soak = new Soak(server, pool, options)
  try {
    return await soak.run(watch)
  } finally {
    await soak.end()
    await pool.end()
    await server.remove()
  }
}

class Soak {
  readonly #pool: Pool
  readonly #options: SoakOptions
  readonly #scheduler: Scheduler
  readonly #workers: readonly Worker[]
  readonly #faults: Faults
  readonly #governedLimit: number
  readonly #journal = new Journal()
  readonly #spans = new HandlerSpans()
  readonly #sampler = new Sampler()
  readonly #troubles: string[] = []
  #done = 0

  constructor(server: PostgresServer, pool: Pool, options: SoakOptions) {
    this.#pool = pool
    this.#options = options
    this.#governedLimit = governedLimitFor(options.rate)
    const retention = { completed: RETENTION, failed: RETENTION, cancelled: RETENTION, history: RETENTION } as const
    this.#scheduler = new Scheduler({ database: fromPool(pool), schema: SCHEMA, retention })
    const setting = {
      serverUrl: server.url,
      schema: SCHEMA,
      governedLimit: this.#governedLimit,
      onLine: (line: string, worker: string) => this.#read(line, worker),
      onTrouble: (trouble: string) => this.#troubles.push(trouble),
    }
    this.#workers = Array.from({ length: options.processes }, (_, n) => new Worker(`process ${n + 1}`, setting))
    const workers = this.#workers.slice(1)
    this.#faults = new Faults({ server, pool, scheduler: this.#scheduler, schema: SCHEMA, workers })
  }

  async run({ say, stopped }: SoakWatch): Promise<SoakReport> {
    await this.#scheduler.migrate()
    await keepArchive(this.#pool, SCHEMA)
    await Promise.all(this.#workers.map(worker => worker.start()))
    say('every process runs jobs; faults begin')
    await this.#underFaults(say, stopped)
    stopped.throwIfAborted()
    say('faults have ceased; waiting until every job has ended')
    await this.#drain(stopped)
    stopped.throwIfAborted()
    await Promise.all(this.#workers.map(worker => worker.stop()))
    return this.#report()
  }

  /** Ends what still runs, whatever state it is in. */
  async end(): Promise<void> {
    await Promise.all(this.#workers.map(worker => worker.kill()))
  }

  #read(line: string, worker: string): void {
    this.#journal.read(line)
    this.#spans.read(line)
    if (worker === this.#workers[0]?.name) this.#sampler.read(line)
    if (line.includes('"willRetry":false')) this.#done += 1
  }

  async #underFaults(say: (line: string) => void, stopped: AbortSignal): Promise<void> {
    const { minutes, rate, seed } = this.#options
    const ending = new AbortController()
    const signal = AbortSignal.any([ending.signal, stopped])
    // Every loop of a soak waits for it.
    setMaxListeners(0, signal)
    const end = () => ending.abort()
    const timer = setTimeout(end, minutes * 60_000)
    const every = async (ms: number, act: () => void | Promise<unknown>) => {
      while (await pauseFor(ms, signal)) await act()
    }
    const begun = performance.now()
    const all = [
      this.#faults.run(seed, signal),
      keepScheduling({ scheduler: this.#scheduler, journal: this.#journal, rate, seed }, signal),
      every(PRUNE_EVERY_MS, () => this.#scheduler.prune().catch(() => {})),
      every(SAMPLE_EVERY_MS, () => this.#sampler.take(this.#pool, SCHEMA)),
      every(TELL_EVERY_MS, () => say(`${clockOf(performance.now() - begun)}  ${this.#progress()}`)),
    ]
    // The first that fails ends the others, which put right what they have harmed.
    const results = await Promise.allSettled(all.map(each => each.finally(end)))
    clearTimeout(timer)
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  #progress(): string {
    const faults = Object.entries(this.#faults.counts).map(([name, count]) => `${name} ${count}`)
    return `${this.#done} jobs done; ${faults.join(', ')}`
  }

  async #drain(stopped: AbortSignal): Promise<void> {
    const left = `select from "${SCHEMA}".scheduled_jobs where status in ('pending', 'running') limit 1`
    const isEmpty = async () => {
      for (const { scheduleId } of await this.#scheduler.getSchedules())
        await this.#scheduler.removeSchedule(scheduleId)
      return (await this.#pool.query(left)).rowCount === 0
    }
    const deadline = performance.now() + DRAIN_WITHIN_MS
    // The pool may not know yet that the server was down a moment ago.
    while (!(await isEmpty().catch(() => false)) && performance.now() < deadline) {
      if (!(await pauseFor(50, stopped))) return
    }
  }

  async #report(): Promise<SoakReport> {
    const { seed, minutes } = this.#options
    const history = `"${ARCHIVE}".job_execution_history`
    const attempts = await this.#pool.query<{ status: string; n: number }>(
      `select status, count(*)::int as n from ${history} group by status order by n desc`,
    )
    const lost = await this.#pool.query<{ name: string }>(
      `select job_id || ' #' || attempt as name from ${history} where job_type = 'governed' and status = 'lost'`,
    )
    const governed = {
      limit: this.#governedLimit,
      mostAtOnce: this.#spans.mostAtOnce(new Set(lost.rows.map(row => row.name))),
    }
    const broken = [...this.#troubles, ...(await this.#journal.faults(this.#pool, ARCHIVE))]
    if (governed.mostAtOnce > governed.limit) {
      broken.push(`${governed.mostAtOnce} governed jobs ran at once, the limit is ${governed.limit}`)
    }
    const { scheduled, doubtful } = this.#journal
    return {
      seed,
      minutes,
      jobs: { acknowledged: scheduled.size, doubtful: [...doubtful].filter(id => !scheduled.has(id)).length },
      attempts: Object.fromEntries(attempts.rows.map(row => [row.status, row.n])),
      faults: this.#faults.counts,
      governed,
      broken,
      levels: levelsOf(this.#sampler.samples, minutes * 60_000),
      samples: this.#sampler.samples,
      timeline: this.#faults.notes,
    }
  }
}

function clockOf(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`
}
