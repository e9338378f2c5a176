import { Waiters, type WaitForOptions } from './aftermath/waiters.ts'
import { Administration } from './administration/administration.ts'
import { checkSchema, migrateSchema, type SchemaCheck } from './administration/schema.ts'
import type { Core } from './core.ts'
import { describeDatabaseError } from './database/database-error.ts'
import type { Queryable } from './database/database.ts'
import { migrationSql, type MigrationResult } from './database/migrator.ts'
import { sendEvent, type SendEventOptions } from './durable/send-event.ts'
import { BelfryError } from './errors.ts'
import { eventsOf } from './event-log.ts'
import type { SchedulerEventName, SchedulerEvents } from './events.ts'
import { Runner } from './execution/runner.ts'
import type { AnyJobDefinition, JobDefinition, JobHandler } from './job/definition.ts'
import { JobReader, type EndedJob } from './job-reader.ts'
import { idOf, type JobReference, type KeyReference } from './job/job-reference.ts'
import type { Attempt, Job } from './job/job.ts'
import { JobRegistry, type HandlerObject } from './job/registry.ts'
import { Maintainer } from './maintenance/maintainer.ts'
import { prune, type PruneCounts } from './maintenance/prune.ts'
import { RecurringEnqueuer } from './recurring/recurring-enqueuer.ts'
import type { InTransaction } from './recurring/in-transaction.ts'
import type { ScheduleDefinition } from './recurring/schedule-definition.ts'
import type { AppliedSchedule, Backfill, Schedule, SchedulePlan } from './recurring/schedule.ts'
import { Schedules, type ApplySchedulesOptions, type BackfillRange } from './recurring/schedules.ts'
import { resolveOptions, type EngineOptions } from './options.ts'
import { endedWithin } from './runtime/clock.ts'
import { followingJobs } from './scheduling/following-jobs.ts'
import { namedRequest, uncheckedJob } from './scheduling/job-requests.ts'
import { JobIntake } from './scheduling/job-intake.ts'
import type { FlowJobs } from './scheduling/flow-graph.ts'
import type {
  BulkJob,
  JobChanges,
  ScheduledJob,
  ScheduleOptions,
  TransactionOption,
} from './scheduling/schedule-options.ts'
import { SingleActs } from './scheduling/single-acts.ts'
import { Workflows, type ScheduledBatch } from './scheduling/workflows.ts'
import { readStats, type SchedulerStats } from './stats.ts'
import type { CancelResult } from './store/cancel-job.ts'
import { migrationPlan } from './store/migrations/plan.ts'
import { tablesIn } from './store/tables.ts'
import { Watching, type EventStream, type WatchOptions } from './watching/event-stream.ts'

/** Options of a scheduler. Only `database` is needed. */
export interface SchedulerOptions extends EngineOptions {
  /** Recurring schedules, stored or brought in line at start. */
  schedules?: readonly ScheduleDefinition[]
}

const RUNS_BY_ITSELF = 'runDueJobs is for a scheduler that is not started; a started one runs them by itself'
/** How long a stop waits for a statement of the background loops that may never be answered. */
const BACKGROUND_PATIENCE_MS = 3_000

/**
 * The scheduler: schedules jobs and, once started, runs them in this process.
 * Constructing one does nothing but check its options.
 */
export class Scheduler {
  /** What a person asks of a running scheduler: lists, acts on many jobs, subjects, audit, `explain`, `forecast`. */
  readonly admin: Administration
  readonly #core: Core
  readonly #intake: JobIntake
  readonly #workflows: Workflows
  readonly #reader: JobReader
  readonly #acts: SingleActs
  readonly #runner: Runner
  readonly #waiters: Waiters
  readonly #maintainer: Maintainer
  readonly #watching: Watching
  readonly #enqueuer: RecurringEnqueuer
  readonly #schedules: Schedules
  readonly #declared: readonly ScheduleDefinition[]
  #state: 'new' | 'started' | 'stopped' = 'new'
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  /** @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`, `BELFRY_DUPLICATE_HANDLER` */
  constructor(options: SchedulerOptions) {
    const resolved = resolveOptions(options)
    this.#core = {
      options: resolved,
      database: resolved.database,
      tables: tablesIn(resolved.schema),
      registry: new JobRegistry(options.jobs ?? []),
      events: eventsOf(resolved.logger),
      clock: resolved.clock,
    }
    this.#runner = new Runner(this.#core, {
      onSchedules: () => this.#enqueuer.wake(),
      onEnded: () => this.#waiters.look(),
      following: followingJobs(this.#core.registry, () => this.#intake),
    })
    this.#enqueuer = new RecurringEnqueuer(this.#core, () => this.#runner.wake())
    this.#schedules = new Schedules(this.#core, () => this.#enqueuer.wake())
    this.#declared = options.schedules ?? []
    this.#reader = new JobReader(this.#core)
    this.#acts = new SingleActs(this.#core, this.#runner)
    this.#intake = new JobIntake(this.#core, this.#runner)
    this.#workflows = new Workflows(this.#core, this.#intake)
    this.#waiters = new Waiters(this.#core, () => this.#runner.active)
    this.#maintainer = new Maintainer(this.#core)
    this.#watching = new Watching(this.#core)
    this.admin = new Administration(this.#core, this.#runner)
  }

  /** True between `start()` and `stop()`. */
  get running(): boolean {
    return this.#state === 'started'
  }

  /**
   * Brings the schema up to date (unless `migrate: false`). `start()` does it too; a process that only schedules may
   * call it alone.
   * @throws BelfryError `BELFRY_SCHEMA_NEWER`, `BELFRY_MIGRATION_CHANGED`, `BELFRY_FOREIGN_TABLE`, `BELFRY_DATABASE_…`
   */
  migrate(): Promise<MigrationResult> {
    return migrateSchema(this.#core)
  }

  /** Compares the schema with what its migrations make. Changes nothing; needs the right to create a schema. */
  checkSchema(): Promise<SchemaCheck> {
    return checkSchema(this.#core)
  }

  /** The schema as plain SQL, for a database that is changed by hand. */
  migrationSql(): string {
    return migrationSql(migrationPlan(this.#core.tables))
  }

  /**
   * Migrates, joins the registry of runners and begins to run jobs. Idempotent.
   * @throws BelfryError when the database cannot be used; nothing is left running then
   */
  start(): Promise<void> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      this.#starting = undefined
      await this.#runner.stop(0)
      throw describeDatabaseError(error)
    })
    return this.#starting
  }

  /**
   * Stops claiming, lets running jobs finish for the grace period (default: the `gracePeriod` option), then aborts them
   * and gives their attempts back. Resolves when nothing of this scheduler is left; the database stays open. Idempotent.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Gives a job type its handler: a function, or an object with `execute(payload, context)`.
   * @throws BelfryError `BELFRY_DUPLICATE_HANDLER`, `BELFRY_INVALID_JOB_TYPE`
   */
  registerHandler<Payload, Input>(
    job: JobDefinition<Payload, Input>,
    handler: JobHandler<Payload> | HandlerObject<Payload>,
  ): void
  registerHandler(jobType: string, handler: JobHandler<unknown> | HandlerObject<unknown>): void
  registerHandler(job: string | AnyJobDefinition, handler: JobHandler<never> | HandlerObject<never>): void {
    this.#core.registry.accept(job, handler)
    this.#runner.wake()
  }

  /**
   * Schedules one job. With a definition its payload is typed and checked; with a type's name, the guide's way, it is
   * checked if this process knows the type.
   *
   * Resolves when the job is stored (in a caller's `transaction`: when it is part of that), never to be lost after.
   * @throws BelfryError `BELFRY_INVALID_PAYLOAD`, `BELFRY_PAYLOAD_TOO_LARGE`, `BELFRY_INVALID_TIME`,
   *   `BELFRY_INVALID_DURATION`, `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_JOB_TYPE`, `BELFRY_INVALID_JOB_ID`,
   *   `BELFRY_DUPLICATE_JOB_ID`, `BELFRY_DATABASE_…`; nothing is written then
   */
  scheduleJob<Payload, Input>(
    job: JobDefinition<Payload, Input>,
    payload: Input,
    options?: ScheduleOptions,
  ): Promise<ScheduledJob>
  scheduleJob(jobType: string, options: ScheduleOptions & { payload?: unknown }): Promise<ScheduledJob>
  async scheduleJob(
    job: string | AnyJobDefinition,
    payloadOrOptions: unknown,
    options: ScheduleOptions = {},
  ): Promise<ScheduledJob> {
    const request =
      typeof job === 'string' ? namedRequest(job, payloadOrOptions) : { job, payload: payloadOrOptions, options }
    const [scheduled] = await this.#intake.schedule([request], request.options.transaction as Queryable | undefined)
    if (!scheduled)
      throw new BelfryError('BELFRY_DATABASE_UNAVAILABLE', 'the database answered nothing for a stored job')
    return scheduled
  }

  /**
   * Schedules many jobs, of one type or several, in one transaction: all or none. Answers come in order.
   * @throws BelfryError as `scheduleJob` does, for the first job at fault
   */
  scheduleJobs(jobs: readonly BulkJob[], options: TransactionOption = {}): Promise<readonly ScheduledJob[]> {
    return this.#intake.schedule(jobs.map(uncheckedJob), options.transaction as Queryable | undefined)
  }

  /**
   * Schedules a graph of jobs by name, in one transaction: all or none. Each starts when those in its `after` have ended.
   * A job whose unique key is taken is not stored; the one that holds the key stands in for it.
   * @throws BelfryError as `scheduleJob` does, and `BELFRY_INVALID_DEPENDENCY` for a graph that cannot end
   */
  scheduleFlow<Inputs extends Record<string, unknown>>(
    jobs: FlowJobs<Inputs>,
    options: TransactionOption = {},
  ): Promise<{ readonly [Name in keyof Inputs]: ScheduledJob }> {
    return this.#workflows.scheduleFlow(jobs, options.transaction as Queryable | undefined) as never
  }

  /**
   * Schedules at most 100,000 jobs, and one that runs when all of them have ended, however; its handler learns with
   * `context.dependencyCounts()` how. In one transaction: all or none.
   * @throws BelfryError as `scheduleJobs` does
   */
  scheduleBatch(
    jobs: readonly BulkJob[],
    completion: BulkJob,
    options: TransactionOption = {},
  ): Promise<ScheduledBatch> {
    const batch = { jobs: jobs.map(uncheckedJob), completion: uncheckedJob(completion) }
    return this.#workflows.scheduleBatch(batch, options.transaction as Queryable | undefined)
  }

  /**
   * Resolves with the job when it has ended, in whatever process; at once when it has ended before.
   * @throws BelfryError `BELFRY_JOB_NOT_FOUND`, `BELFRY_WAIT_TIMEOUT`, `BELFRY_WAIT_ABORTED`, `BELFRY_SHUTDOWN`,
   *   `BELFRY_INVALID_…`; the job is not touched
   */
  async waitFor<Result = unknown>(job: JobReference, options: WaitForOptions = {}): Promise<EndedJob<Result>> {
    return this.#reader.ended<Result>(idOf(job), this.#waiters, options)
  }

  /** The job with this id, or the unfinished one with this key; undefined: there is none, or retention removed it. */
  getJob(job: JobReference | KeyReference, options: TransactionOption = {}): Promise<Job | undefined> {
    return this.#reader.find(job, options.transaction)
  }

  /** The unfinished job of a type that holds a unique key. */
  getJobByKey(jobType: string, uniqueKey: string): Promise<Job | undefined> {
    return this.#reader.find({ jobType, uniqueKey })
  }

  /** Jobs whose id begins with `prefix`, newest first, at most `limit` (default 10). */
  findJobs(prefix: string, limit = 10): Promise<Job[]> {
    return this.#reader.byPrefix(prefix, limit)
  }

  /** Every attempt of a job, the first one first. */
  getAttempts(job: JobReference, options: TransactionOption = {}): Promise<Attempt[]> {
    return this.#reader.attempts(job, options.transaction)
  }

  /** Jobs by type and status, what is due, the last day's success, and the processes that run jobs. */
  getStats(): Promise<SchedulerStats> {
    return readStats(this.#core)
  }

  /**
   * Cancels a job. A pending one never starts; a running one is asked to stop through its signal, in whatever process it
   * runs, and ends as `cancelled` if its handler obeys.
   */
  cancelJob(
    job: JobReference | KeyReference,
    options: { reason?: string } & TransactionOption = {},
  ): Promise<CancelResult> {
    return this.#acts.cancel(job, options)
  }

  /** Changes a pending job: its time, payload, priority, retries. False when it is not pending (any more). */
  changeJob(job: JobReference | KeyReference, changes: JobChanges, options: TransactionOption = {}): Promise<boolean> {
    return this.#intake.change(job, changes, options.transaction as Queryable | undefined)
  }

  /**
   * Gives a failed or cancelled job a new life, due now, with all its retries. False when it is neither, or when its
   * unique key belongs to another unfinished job by now.
   */
  redriveJob(job: JobReference, options: TransactionOption = {}): Promise<boolean> {
    return this.#acts.redrive(job, options)
  }

  /**
   * Sends an event to the jobs that wait for it (`context.waitForEvent`): those that wait now, which are due at once, and
   * those that begin to within `keep`. Each job gets it once. Resolves with the number of jobs that were waiting.
   * @throws BelfryError `BELFRY_INVALID_…`, `BELFRY_PAYLOAD_TOO_LARGE`, `BELFRY_DATABASE_…`; nothing is sent then
   */
  async sendEvent(name: string, options: SendEventOptions & TransactionOption = {}): Promise<{ delivered: number }> {
    const parts = { ...this.#core, maxBytes: this.#core.options.maxPayloadBytes }
    const sent = await sendEvent(parts, name, options as SendEventOptions & { transaction?: Queryable })
    if (sent.delivered > 0 && !options.transaction) this.#runner.wake()
    return sent
  }

  /**
   * Stores a recurring schedule, or brings the stored one in line. An unchanged rule keeps its next occurrence, so that
   * restarts shift nothing; a paused schedule stays paused.
   * @throws BelfryError `BELFRY_INVALID_RULE`, `BELFRY_INVALID_TIME_ZONE`, `BELFRY_INVALID_PAYLOAD`, `BELFRY_INVALID_…`
   */
  applySchedule(definition: ScheduleDefinition, options: InTransaction = {}): Promise<AppliedSchedule> {
    return this.#schedules.apply(definition, options)
  }

  /**
   * Brings the stored schedules in line with your code, all or none, and answers what that changed. The `schedules` option
   * does this at start.
   * @throws BelfryError as `applySchedule` does, for the first one at fault
   */
  applySchedules(
    definitions: readonly ScheduleDefinition[],
    options: ApplySchedulesOptions = {},
  ): Promise<SchedulePlan> {
    return this.#schedules.applyAll(definitions, options)
  }

  getSchedules(): Promise<Schedule[]> {
    return this.#schedules.list()
  }

  /** Stops a schedule from firing until it is resumed. False when there is none. */
  pauseSchedule(scheduleId: string, options: InTransaction = {}): Promise<boolean> {
    return this.#schedules.pause(scheduleId, true, options)
  }

  /** Goes on with the next occurrence from now. False when there is none. */
  resumeSchedule(scheduleId: string, options: InTransaction = {}): Promise<boolean> {
    return this.#schedules.pause(scheduleId, false, options)
  }

  /** Deletes a schedule; jobs it made stay. False when there is none. */
  removeSchedule(scheduleId: string, options: InTransaction = {}): Promise<boolean> {
    return this.#schedules.remove(scheduleId, options)
  }

  /**
   * Makes a schedule's job now, be it paused or not; its `occurrence` is now. Answers its id, or null when the schedule
   * skips or queues it because an earlier job is unfinished.
   * @throws BelfryError `BELFRY_INVALID_OPTION` when there is no such schedule
   */
  triggerSchedule(scheduleId: string, options: InTransaction = {}): Promise<string | null> {
    return this.#schedules.trigger(scheduleId, options)
  }

  /**
   * Makes the jobs of occurrences (at most 1,000) that have none yet, whatever the overlap policy; past ones are due now.
   * @throws BelfryError `BELFRY_INVALID_OPTION` without such a schedule or for too long a range, `BELFRY_INVALID_TIME`
   */
  backfillSchedule(scheduleId: string, range: BackfillRange, options: InTransaction = {}): Promise<Backfill> {
    return this.#schedules.backfill(scheduleId, range, options)
  }

  /** Removes finished jobs and attempts past their retention now; a started scheduler does so hourly. */
  prune(): Promise<PruneCounts> {
    return prune(this.#core)
  }

  /** Listens to what happens; the answer takes the listener away. */
  on<Name extends SchedulerEventName>(name: Name, listener: (event: SchedulerEvents[Name]) => void): () => void {
    return this.#core.events.on(name, listener)
  }

  /**
   * Events of the jobs of all processes, as they happen; resolves once this process hears them. At most once: what must
   * not be missed is read from the tables. Ends with `close()`, by leaving its loop, or with `stop()`.
   * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_JOB_TYPE`, `BELFRY_DATABASE_UNAVAILABLE` without LISTEN
   */
  watch(options: WatchOptions = {}): Promise<EventStream> {
    return this.#watching.watch(options)
  }

  /**
   * Runs every job that is due, and those that become due through them, then resolves with the number of attempts.
   * For tests, scripts and simulations, on a scheduler that is not started.
   */
  async runDueJobs(): Promise<number> {
    if (this.#state === 'started') throw new BelfryError('BELFRY_INVALID_OPTION', RUNS_BY_ITSELF)
    let attempts = 0
    for (;;) {
      const fired = await this.#enqueuer.fireDue()
      const ran = await this.#runner.drain()
      attempts += ran
      if (fired + ran === 0) return attempts
    }
  }

  async #start(): Promise<void> {
    if (this.#state === 'stopped') {
      throw new BelfryError('BELFRY_SHUTDOWN', 'this scheduler was stopped; make a new one to start again')
    }
    if (this.#core.options.migrate) await this.migrate()
    if (this.#declared.length > 0) await this.applySchedules(this.#declared)
    await this.#runner.start()
    this.#enqueuer.start()
    this.#maintainer.start()
    this.#state = 'started'
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => {})
    const wasStarted = this.#state === 'started'
    this.#state = 'stopped'
    this.#intake.stop()
    const rest = Promise.all([this.#waiters.stop(), this.#watching.stop()])
    await endedWithin(this.#core.clock, rest, BACKGROUND_PATIENCE_MS)
    if (!wasStarted) return
    const background = Promise.all([this.#enqueuer.stop(), this.#maintainer.stop()])
    await endedWithin(this.#core.clock, background, BACKGROUND_PATIENCE_MS)
    await this.#runner.stop(this.#core.options.gracePeriodMs)
  }
}
