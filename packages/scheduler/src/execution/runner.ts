import { randomUUID } from 'node:crypto'
import { databaseNow, type Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import { endedWithin } from '../runtime/clock.ts'
import { claimJobs } from '../store/claim-jobs.ts'
import { Executor } from './executor.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { Poller } from './poller.ts'
import { RunningJobs } from './running-jobs.ts'
import { Settler } from './settler.ts'
import { WakeListener } from './wake-listener.ts'

/** After their signals were aborted, handlers get this long to end before their jobs are given back without them. */
const ABORT_PATIENCE_MS = 1_000
/** How long a stop waits for outcomes to be written when the database does not answer. */
const SETTLE_PATIENCE_MS = 3_000
const CLAIM_WHEN_DRAINING = 100

/** The part of a scheduler that runs jobs: everything between a claimed row and a settled one. */
export class Runner {
  readonly #core: Core
  readonly #running = new RunningJobs()
  readonly #settler: Settler
  readonly #executor: Executor
  readonly #leaseKeeper: LeaseKeeper
  readonly #poller: Poller
  readonly #listener: WakeListener

  constructor(core: Core, hooks: { onSchedules: () => void }) {
    this.#core = core
    this.#settler = new Settler(core)
    this.#executor = new Executor(core, { running: this.#running, settler: this.#settler })
    this.#leaseKeeper = new LeaseKeeper(core, { running: this.#running, onRescued: () => this.wake() })
    this.#poller = new Poller(core, {
      executor: this.#executor,
      settler: this.#settler,
      running: this.#running,
      leaseKeeper: this.#leaseKeeper,
    })
    this.#listener = new WakeListener(core, {
      running: this.#running,
      onDue: () => this.wake(),
      onSchedules: hooks.onSchedules,
      onReconnect: () => this.#catchUpOnHints(),
    })
    // A job that went back to pending may be due before anything the poller waits for.
    core.events.on('job:settled', ({ willRetry }) => {
      if (willRetry) this.wake()
    })
  }

  get runnerId(): string {
    return this.#leaseKeeper.runnerId
  }

  get runningCount(): number {
    return this.#running.size
  }

  async start(): Promise<void> {
    this.#settler.open()
    await this.#leaseKeeper.start()
    await this.#listener.start()
    this.#poller.start()
  }

  /**
   * Claims no more, lets running jobs finish for `gracePeriodMs`, then aborts them; an attempt cut off that way is given
   * back unspent.
   */
  async stop(gracePeriodMs: number): Promise<void> {
    await this.#poller.stop()
    await this.#finishOrGiveUp(gracePeriodMs)
    const holdsNothing = await this.#settler.drain(SETTLE_PATIENCE_MS)
    this.#settler.close()
    await this.#listener.stop()
    await this.#leaseKeeper.stop()
    if (holdsNothing) await this.#leave()
  }

  /** Look for due jobs now. */
  wake(): void {
    this.#poller.wake()
  }

  abort(jobId: string): void {
    this.#running.abort(jobId, new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while running'))
  }

  /** Runs everything that is due, and what becomes due through it, without any loop; answers how many attempts ran. */
  async drain(): Promise<number> {
    const { database, tables, registry } = this.#core
    await this.#leaseKeeper.register()
    let attempts = 0
    try {
      for (;;) {
        const leaseToken = randomUUID()
        const jobs = await claimJobs(database, tables, {
          runnerId: this.#leaseKeeper.runnerId,
          leaseToken,
          jobTypes: registry.handledTypes(),
          limit: CLAIM_WHEN_DRAINING,
          now: databaseNow(this.#core),
        })
        if (jobs.length === 0) return attempts
        await Promise.all(jobs.map(job => this.#executor.run(job, leaseToken)))
        attempts += jobs.length
        // Unsettled jobs stay with this runner until its lease runs out, and are rescued then.
        if (!(await this.#settler.drain(SETTLE_PATIENCE_MS))) {
          throw new BelfryError('BELFRY_DATABASE_UNAVAILABLE', 'the outcome of jobs could not be stored in time')
        }
      }
    } finally {
      if (this.#settler.backlog === 0) await this.#leave()
    }
  }

  async #finishOrGiveUp(gracePeriodMs: number): Promise<void> {
    const { clock } = this.#core
    await endedWithin(clock, this.#running.whenIdle(), gracePeriodMs)
    if (this.#running.size === 0) return
    this.#running.abortAll(new BelfryError('BELFRY_SHUTDOWN', 'the process is stopping'))
    await endedWithin(clock, this.#running.whenIdle(), ABORT_PATIENCE_MS)
    for (const running of this.#running.all()) this.#executor.giveBack(running)
  }

  /** Leaves the registry. A database that is gone must not keep the process: the lease then simply runs out. */
  async #leave(): Promise<void> {
    try {
      await this.#leaseKeeper.unregister()
    } catch (error) {
      this.#core.events.emit('database:error', { during: 'stop', error })
    }
  }

  #catchUpOnHints(): void {
    this.wake()
    this.#leaseKeeper.checkRunning().catch((error: unknown) => {
      this.#core.events.emit('database:error', { during: 'check running', error })
    })
  }
}
