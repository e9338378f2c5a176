import type { Scheduler } from 'belfry'
import type { Pool } from 'pg'
import type { PostgresServer } from '../../../../test-support/postgres-server.ts'
import { until } from '../../../../test-support/until.ts'
import { SeededRandom } from '../../src/testing/simulation/random.ts'
import { pauseFor } from './pause-for.ts'
import type { Worker } from './workers.ts'

/** What happens to a process, and how often beside the others. */
const HARMS = { kill: 3, freeze: 2, 'cut off': 3 }
/** What happens to all of them. A crash of the server is rare: some seconds are about nothing else then. */
const ACTS = { cancel: 10, pause: 3, 'server crash': 1 }
/** A type whose start delays nobody measures. */
const PAUSED_TYPE = 'slow'
/** From just beyond the lease of 2 s: others have taken the jobs of a frozen process, or are about to. */
const FREEZE_MS = [2_100, 5_000] as const
const CALM_MS = [1_000, 5_000] as const
const TYPE_PAUSE_MS = [500, 3_000] as const
const SERVER_DOWN_MS = [300, 2_000] as const

type Fault = keyof typeof HARMS | keyof typeof ACTS

export type FaultCounts = Record<Fault, number>

/** One fault, as it began. */
export interface FaultNote {
  readonly atMs: number
  readonly fault: Fault
  /** The process that was harmed; `all` for what happens to all of them. */
  readonly to: string
}

/** What faults are done to. */
export interface FaultTargets {
  readonly server: PostgresServer
  readonly pool: Pool
  readonly scheduler: Scheduler
  readonly schema: string
  /** Those that may be harmed. */
  readonly workers: readonly Worker[]
}

/** Faults at random until they are ended. Each process has an order of its own, drawn from the seed, and so have all together. */
export class Faults {
  readonly counts: FaultCounts = { kill: 0, freeze: 0, 'cut off': 0, cancel: 0, pause: 0, 'server crash': 0 }
  readonly notes: FaultNote[] = []
  readonly #targets: FaultTargets
  readonly #begun = performance.now()

  constructor(targets: FaultTargets) {
    this.#targets = targets
  }

  /** Resolves when the signal has ended them and all is well again: processes and server run, nothing is paused. */
  async run(seed: number, ended: AbortSignal): Promise<void> {
    const order = async (name: string, next: (random: SeededRandom) => Promise<void>) => {
      const random = new SeededRandom(`${seed}/${name}`)
      while (await pauseFor(between(random, CALM_MS), ended)) await next(random)
    }
    await Promise.all([
      order('all', random => this.#act(random, ended)),
      ...this.#targets.workers.map(worker => order(worker.name, random => this.#harm(worker, random, ended))),
    ])
  }

  #note(fault: Fault, to: string): void {
    this.counts[fault] += 1
    this.notes.push({ atMs: Math.round(performance.now() - this.#begun), fault, to })
  }

  async #harm(worker: Worker, random: SeededRandom, ended: AbortSignal): Promise<void> {
    const harm = random.weighted(HARMS) ?? 'kill'
    const freezeMs = between(random, FREEZE_MS)
    this.#note(harm, worker.name)
    if (harm === 'kill') {
      await worker.kill()
      return worker.start()
    }
    if (harm === 'freeze') {
      worker.freeze()
      await pauseFor(freezeMs, ended)
      return worker.thaw()
    }
    const cut = 'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1'
    await this.#targets.pool.query(cut, [worker.name]).catch(ignoreBrokenConnection)
  }

  async #act(random: SeededRandom, ended: AbortSignal): Promise<void> {
    const act = random.weighted(ACTS) ?? 'cancel'
    const [pauseMs, downMs, one] = [between(random, TYPE_PAUSE_MS), between(random, SERVER_DOWN_MS), random.next()]
    this.#note(act, 'all')
    if (act === 'cancel') return this.#cancel(one).catch(ignoreBrokenConnection)
    const { server, scheduler } = this.#targets
    if (act === 'pause') {
      await scheduler.admin.pause({ jobType: PAUSED_TYPE }).catch(ignoreBrokenConnection)
      await pauseFor(pauseMs, ended)
      const resume = () => scheduler.admin.resume({ jobType: PAUSED_TYPE }).then(() => true)
      await until(`${PAUSED_TYPE} is resumed`, () => resume().catch(() => false))
      return
    }
    await server.kill()
    await pauseFor(downMs, ended)
    await server.start()
  }

  /** One of the jobs that run at this moment. */
  async #cancel(one: number): Promise<void> {
    const { pool, scheduler, schema } = this.#targets
    const running = `select job_id from "${schema}".scheduled_jobs where status = 'running' order by job_id`
    const { rows } = await pool.query<{ job_id: string }>(running)
    const job = rows[Math.floor(one * rows.length)]
    if (job) await scheduler.cancelJob(job.job_id)
  }
}

function between(random: SeededRandom, [least, most]: readonly [number, number]): number {
  return least + random.next() * (most - least)
}

/** The server is down, or was a moment ago and the pool does not know it yet: one fault less. */
function ignoreBrokenConnection(): void {}
