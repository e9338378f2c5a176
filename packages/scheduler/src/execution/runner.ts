import { randomUUID } from 'node:crypto'
import { Aftermath } from '../aftermath/aftermath.ts'
import type { Core } from '../core.ts'
import type { FollowingJobs } from '../durable/outbox.ts'
import { BelfryError } from '../errors.ts'
import { endedWithin, type Timer } from '../runtime/clock.ts'
import { Governor } from '../flow/governor.ts'
import type { ClaimedJob } from '../store/claim-jobs.ts'
import type { InsertingRunner } from '../store/new-job.ts'
import { Claimer } from './claimer.ts'
import { Dispatcher } from './dispatcher.ts'
import { drainDueJobs } from './drain.ts'
import { EventPublisher } from '../watching/event-publisher.ts'
import { Executor } from './executor.ts'
import { HeldJobs } from './held-jobs.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { Poller } from './poller.ts'
import { Revalidator } from './revalidator.ts'
import { Settler } from './settler.ts'
import { WakeListener } from './wake-listener.ts'

/** After their signals were aborted, handlers get this long to end before their jobs are given back without them. */
const ABORT_PATIENCE_MS = 1_000
/** How long a stop waits for outcomes to be written when the database does not answer. */
const SETTLE_PATIENCE_MS = 3_000

/** The part of a scheduler that runs jobs: everything between a claimed row and a settled one. */
export class Runner {
  readonly #core: Core
  readonly #held = new HeldJobs()
  readonly #settler: Settler
  readonly #executor: Executor
  readonly #leaseKeeper: LeaseKeeper
  readonly #governor: Governor
  readonly #claimer: Claimer
  readonly #dispatcher: Dispatcher
  readonly #poller: Poller
  readonly #listener: WakeListener
  readonly #aftermath: Aftermath
  readonly #publisher: EventPublisher
  /** Slots promised to jobs that are being stored. */
  #reserved = 0
  #strandedTimer: Timer | undefined
  #onUnreserved: (() => void)[] = []
  /** Jobs that come after all are not begun: nobody would wait for their end. */
  #closed = false

  constructor(core: Core, hooks: { onSchedules: () => void; onEnded: () => void; following: FollowingJobs }) {
    this.#core = core
    this.#aftermath = new Aftermath(core, { onReady: () => this.wake(), onEnded: hooks.onEnded })
    this.#governor = new Governor(core)
    this.#settler = new Settler(core, {
      isGoverned: jobType => this.#governor.limitsOf(jobType) !== undefined,
      onGovernedEnded: (jobType, ended) => this.#governor.ended(jobType, ended),
      onAgain: () => this.wake(),
      onWritten: () => this.#poller.slotFreed(),
      onAwaited: jobIds => {
        this.#aftermath.take(jobIds)
        hooks.onEnded()
      },
      storeFollowing: (transaction, jobs) => hooks.following.store(transaction, jobs),
    })
    const held = this.#held
    this.#executor = new Executor(core, { held, settler: this.#settler, following: hooks.following })
    this.#leaseKeeper = new LeaseKeeper(core, {
      held,
      onRescued: () => this.wake(),
      onGivenUp: () => this.lookAfter(),
    })
    this.#claimer = new Claimer(core, {
      governor: this.#governor,
      leaseKeeper: this.#leaseKeeper,
      revalidator: new Revalidator(core, { settler: this.#settler }),
    })
    this.#dispatcher = new Dispatcher(core, {
      held,
      isGoverned: jobType => this.#governor.limitsOf(jobType) !== undefined,
      executor: this.#executor,
      onFree: () => this.#poller.slotFreed(),
      onUnreleased: jobs => this.#leaseKeeper.releaseLater(jobs),
    })
    this.#poller = new Poller(core, {
      held,
      claimer: this.#claimer,
      dispatcher: this.#dispatcher,
      settler: this.#settler,
      leaseKeeper: this.#leaseKeeper,
    })
    this.#publisher = new EventPublisher(core)
    this.#listener = new WakeListener(core, {
      held,
      onDue: () => this.wake(),
      onWatched: () => this.#publisher.watched(),
      onSchedules: hooks.onSchedules,
      onLimits: () => this.#refreshLimits(),
      onEnded: handled => {
        if (!handled) this.lookAfter()
        hooks.onEnded()
      },
      onDeleted: () => this.lookAfter(true),
      onReconnect: () => this.#catchUpOnHints(),
    })
  }

  get runnerId(): string {
    return this.#leaseKeeper.runnerId
  }

  async start(): Promise<void> {
    // A start that failed has stopped what had begun, and may be tried again.
    this.#closed = false
    this.#settler.open()
    await this.#governor.refresh()
    await this.#leaseKeeper.start()
    await this.#listener.start()
    this.#poller.start()
    this.#aftermath.sweep()
    this.#watchStranded()
  }

  /**
   * Claims no more, lets running jobs finish for `gracePeriodMs`, then aborts them; an attempt cut off that way is given
   * back unspent.
   */
  async stop(gracePeriodMs: number): Promise<void> {
    this.#strandedTimer?.cancel()
    // A database that does not answer at all must not keep the process: its claim, if it comes true, runs out.
    const stopped = this.#poller.stop()
    // A transaction that holds the only connection has to end before anything can be said to the database.
    if (this.#executor.blocksDatabase) await this.#finishOrGiveUp(gracePeriodMs)
    const answers = await this.#patiently(stopped)
    if (!answers) this.#poller.abandon()
    const stored = await this.#patiently(this.#reservationsEnded())
    this.#closed = true
    // Also what cannot be given back, as a claim still hangs, must not begin any more.
    this.#dispatcher.close()
    const released = answers && stored && (await this.#releaseWaiting())
    await this.#finishOrGiveUp(gracePeriodMs)
    const settled = await this.#settler.drain(SETTLE_PATIENCE_MS)
    await this.#patiently(this.#aftermath.drain())
    this.#executor.stop()
    this.#settler.close()
    const left = await this.#patiently(Promise.all([this.#leaveWatchers(), this.#leaseKeeper.stop()]))
    if (released && settled && left) await this.#patiently(this.#leave())
  }

  /** Nobody may ask for events any more before the last ones are sent. */
  async #leaveWatchers(): Promise<void> {
    await this.#listener.stop()
    await this.#publisher.stop()
  }

  /** Look for due jobs now. */
  wake(): void {
    this.#poller.wake()
  }

  /** A job will be due in `ms` milliseconds. */
  wakeIn(ms: number): void {
    this.#poller.wakeIn(ms)
  }

  get active(): boolean {
    return this.#poller.active
  }

  /** Reserves a slot for a job of this type that is about to be stored as claimed by this runner. */
  reserve(jobType: string): boolean {
    if (!this.#poller.idle || !this.#dispatcher.hasSlotFor(jobType, this.#reserved)) return false
    this.#reserved += 1
    return true
  }

  unreserve(count: number): void {
    this.#reserved -= count
    if (this.#reserved > 0) return
    for (const resolve of this.#onUnreserved.splice(0)) resolve()
  }

  /** A new lease under this runner. */
  newLease(): InsertingRunner {
    return { runnerId: this.#leaseKeeper.runnerId, leaseToken: randomUUID() }
  }

  /** Runs jobs that were stored as claimed under a lease of ours; of one that has been stopped the lease runs out. */
  take(jobs: readonly ClaimedJob[], { leaseToken }: InsertingRunner): void {
    if (this.#closed) return
    this.#dispatcher.accept(jobs, { token: leaseToken, claimedAt: this.#core.clock.monotonic() })
  }

  /** Storing jobs as claimed under this lease failed, perhaps after it was done. */
  doubt({ leaseToken }: InsertingRunner): void {
    this.#leaseKeeper.doubt(leaseToken)
  }

  /** This runner's name is not in the registry any more: enter it anew. */
  renewSoon(): void {
    this.#leaseKeeper.renewSoon()
  }

  /** Jobs that somebody waits for may have ended, or be gone. A runner that is not started does it when it runs jobs. */
  lookAfter(deleted = false): void {
    if (!this.active) return
    if (deleted) this.#aftermath.sweepAll()
    else this.#aftermath.sweep()
  }

  abort(jobId: string): void {
    this.#held.abort(jobId, new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while running'))
  }

  /** Runs everything that is due, and what becomes due through it, without any loop; answers how many attempts ran. */
  async drain(): Promise<number> {
    this.#settler.open()
    await this.#governor.refresh().then(() => this.#governor.wakeStranded())
    await this.#leaseKeeper.register()
    this.#aftermath.sweepAll()
    try {
      return await drainDueJobs(this.#core, {
        aftermath: this.#aftermath,
        claimer: this.#claimer,
        executor: this.#executor,
        settler: this.#settler,
        patienceMs: SETTLE_PATIENCE_MS,
      })
    } finally {
      this.#executor.stop()
      if (this.#settler.backlog === 0) await this.#leave()
    }
  }

  /** False when the database could not be told: what was claimed and not started then stays ours until the lease ends. */
  async #releaseWaiting(): Promise<boolean> {
    try {
      await this.#dispatcher.releaseWaiting()
      await this.#leaseKeeper.giveBackForgotten()
      return true
    } catch (error) {
      this.#core.events.emit('database:error', { during: 'stop', error })
      return false
    }
  }

  async #finishOrGiveUp(gracePeriodMs: number): Promise<void> {
    const { clock } = this.#core
    await endedWithin(clock, this.#held.whenIdle(), gracePeriodMs)
    if (this.#held.runningCount === 0) return
    this.#held.abortAll(new BelfryError('BELFRY_SHUTDOWN', 'the process is stopping'))
    await endedWithin(clock, this.#held.whenIdle(), ABORT_PATIENCE_MS)
    for (const held of this.#held.running()) this.#executor.giveBack(held)
  }

  /** Calls that store jobs as claimed here are over. */
  #reservationsEnded(): Promise<void> {
    if (this.#reserved === 0) return Promise.resolve()
    return new Promise(resolve => this.#onUnreserved.push(resolve))
  }

  #patiently(work: Promise<unknown>): Promise<boolean> {
    return endedWithin(this.#core.clock, work, SETTLE_PATIENCE_MS)
  }

  /** Leaves the registry. A database that is gone must not keep the process: the lease then simply runs out. */
  async #leave(): Promise<void> {
    try {
      await this.#leaseKeeper.unregister()
    } catch (error) {
      this.#core.events.emit('database:error', { during: 'stop', error })
    }
  }

  /** At each poll: jobs of keys whose wake-up was lost with a process, and limits that were set and not heard of. */
  #watchStranded(): void {
    this.#strandedTimer = this.#core.clock.setTimer(this.#core.options.pollIntervalMs, () => {
      this.#aftermath.sweep()
      this.#governor
        .refresh()
        .then(() => this.#governor.wakeStranded())
        .catch((error: unknown) => this.#core.events.emit('database:error', { during: 'wake keys', error }))
        .finally(() => {
          if (this.#poller.active) this.#watchStranded()
        })
    })
  }

  #refreshLimits(): void {
    this.#governor.refresh().then(
      () => this.wake(),
      (error: unknown) => this.#core.events.emit('database:error', { during: 'read limits', error }),
    )
  }

  #catchUpOnHints(): void {
    this.#refreshLimits()
    this.wake()
    this.#aftermath.sweep()
    this.#leaseKeeper.checkRunning().catch((error: unknown) => {
      this.#core.events.emit('database:error', { during: 'check running', error })
    })
  }
}
