import { migrateSchema } from './administration/schema.ts'
import { Waiters } from './aftermath/waiters.ts'
import type { Core } from './core.ts'
import { describeDatabaseError } from './database/database-error.ts'
import { tellMissingTables } from './database/missing-tables.ts'
import { BelfryError } from './errors.ts'
import { eventsOf } from './event-log.ts'
import { Runner } from './execution/runner.ts'
import { Hints } from './hints.ts'
import { JobReader } from './job-reader.ts'
import { JobRegistry } from './job/registry.ts'
import { Maintainer } from './maintenance/maintainer.ts'
import { PoolWatch } from './maintenance/pool-watch.ts'
import { prune, type PruneCounts } from './maintenance/prune.ts'
import { resolveOptions, type EngineOptions } from './options.ts'
import { AT_START, checkDeclared, type DeclaredSchedules } from './recurring/declared-schedules.ts'
import { RecurringEnqueuer } from './recurring/recurring-enqueuer.ts'
import { Schedules } from './recurring/schedules.ts'
import { endedWithin } from './runtime/clock.ts'
import { followingJobs } from './scheduling/following-jobs.ts'
import { JobIntake } from './scheduling/job-intake.ts'
import { SchedulingCalls } from './scheduling/scheduling-calls.ts'
import { SingleActs } from './scheduling/single-acts.ts'
import { Workflows } from './scheduling/workflows.ts'
import { tablesIn } from './store/tables.ts'
import { Watching } from './watching/event-stream.ts'

/** How long a stop waits for a statement of the background loops that may never be answered. */
const BACKGROUND_PATIENCE_MS = 3_000

/** The parts of a scheduler, wired together, and their life: made, started, stopped. */
export class Engine {
  readonly core: Core
  readonly runner: Runner
  readonly calls: SchedulingCalls
  readonly reader: JobReader
  readonly acts: SingleActs
  readonly schedules: Schedules
  readonly waiters: Waiters
  readonly watching: Watching
  readonly #intake: JobIntake
  readonly #maintainer: Maintainer
  readonly #poolWatch: PoolWatch
  readonly #enqueuer: RecurringEnqueuer
  readonly #declared: ReturnType<typeof checkDeclared>
  #state: 'new' | 'started' | 'stopped' = 'new'
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: EngineOptions & DeclaredSchedules) {
    const resolved = resolveOptions(options)
    const events = eventsOf(resolved.logger)
    this.core = {
      options: resolved,
      database: tellMissingTables(resolved.database, resolved.schema),
      tables: tablesIn(resolved.schema),
      registry: new JobRegistry(options.jobs ?? []),
      events,
      hints: new Hints(events, resolved.pollIntervalMs),
      clock: resolved.clock,
    }
    this.#declared = checkDeclared(options)
    this.runner = new Runner(this.core, {
      onSchedules: () => this.#enqueuer.wake(),
      onEnded: () => this.waiters.look(),
      following: followingJobs(this.core.registry, () => this.#intake),
    })
    this.#enqueuer = new RecurringEnqueuer(this.core, () => this.runner.wake())
    this.schedules = new Schedules(this.core, () => this.#enqueuer.wake())
    this.reader = new JobReader(this.core)
    this.acts = new SingleActs(this.core, this.runner)
    this.#intake = new JobIntake(this.core, this.runner)
    this.calls = new SchedulingCalls(this.#intake, new Workflows(this.core, this.#intake))
    this.waiters = new Waiters(this.core, () => this.runner.active)
    this.#maintainer = new Maintainer(this.core, signal => this.prune(signal))
    this.#poolWatch = new PoolWatch(this.core)
    this.watching = new Watching(this.core)
  }

  get running(): boolean {
    return this.#state === 'started'
  }

  /** Idempotent. Nothing is left running when it rejects. */
  start(): Promise<void> {
    if (this.#state === 'stopped') return Promise.reject(stopped())
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      this.#starting = undefined
      this.#poolWatch.stop()
      await this.runner.stop(0)
      throw describeDatabaseError(error)
    })
    return this.#starting
  }

  /** Idempotent. Resolves when nothing of this scheduler is left. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** Runs what is due, and what becomes due through it; answers the number of attempts. */
  async runDueJobs(): Promise<number> {
    if (this.#state === 'started') {
      throw new BelfryError(
        'BELFRY_INVALID_OPTION',
        'runDueJobs is for a scheduler that is not started; a started one runs them by itself',
      )
    }
    let attempts = 0
    for (;;) {
      const fired = await this.#enqueuer.fireDue()
      const ran = await this.runner.drain()
      attempts += ran
      if (fired + ran === 0) return attempts
    }
  }

  /** Removes what is past its retention, until `signal` aborts. What still waits for jobs that are gone is told. */
  async prune(signal?: AbortSignal): Promise<PruneCounts> {
    const counts = await prune(this.core, signal)
    if (counts.failed + counts.cancelled > 0) this.runner.lookAfter(true)
    return counts
  }

  async #start(): Promise<void> {
    // First: a start, too, may wait for a connection.
    this.#poolWatch.start()
    if (this.core.options.migrate) await migrateSchema(this.core)
    await this.#applyDeclared()
    await this.runner.start()
    this.#enqueuer.start()
    this.#maintainer.start()
    this.#state = 'started'
  }

  async #applyDeclared(): Promise<void> {
    const { definitions, removeOthers } = this.#declared
    if (definitions.length === 0 && removeOthers === false) return
    const plan = await this.schedules.applyAll(definitions, { removeOthers, actor: AT_START })
    this.core.events.emit('schedules:applied', plan)
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => {})
    const wasStarted = this.#state === 'started'
    this.#state = 'stopped'
    this.#intake.stop()
    const rest = Promise.all([this.waiters.stop(), this.watching.stop()])
    await endedWithin(this.core.clock, rest, BACKGROUND_PATIENCE_MS)
    if (!wasStarted) return
    const background = Promise.all([this.#enqueuer.stop(), this.#maintainer.stop()])
    await endedWithin(this.core.clock, background, BACKGROUND_PATIENCE_MS)
    await this.runner.stop(this.core.options.gracePeriodMs)
    this.#poolWatch.stop()
  }
}

function stopped(): BelfryError {
  return new BelfryError('BELFRY_SHUTDOWN', 'this scheduler was stopped; make a new one to start again')
}
