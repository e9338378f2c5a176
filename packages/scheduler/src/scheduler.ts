import type { WaitForOptions } from './aftermath/waiters.ts'
import { Administration } from './administration/administration.ts'
import { requireLimit } from './administration/page.ts'
import { checkSchema, migrateSchema, schemaSql, type SchemaCheck } from './administration/schema.ts'
import type { MigrationResult } from './database/migrator.ts'
import type { SendEventOptions } from './durable/send-event.ts'
import { Engine } from './engine.ts'
import type { SchedulerEventName, SchedulerEvents } from './events.ts'
import type { AnyJobDefinition, JobDefinition, JobHandler } from './job/definition.ts'
import type { InputOf, JobName } from './job/job-with-payload.ts'
import type { EndedJob } from './job-reader.ts'
import { idOf, type JobReference, type KeyReference } from './job/job-reference.ts'
import type { Attempt, Job } from './job/job.ts'
import type { HandlerObject } from './job/registry.ts'
import type { PruneCounts } from './maintenance/prune.ts'
import type { ApplySchedulesOptions, BackfillRange, InTransaction } from './recurring/call-options.ts'
import type { DeclaredSchedules } from './recurring/declared-schedules.ts'
import type { ScheduleDefinition, ScheduleDefinitions } from './recurring/schedule-definition.ts'
import type { AppliedSchedule, Backfill, Schedule, SchedulePlan } from './recurring/schedule.ts'
import type { EngineOptions } from './options.ts'
import type { FlowJobs, ScheduledFlow } from './scheduling/flow-graph.ts'
import type {
  BulkJob,
  BulkJobs,
  JobChanges,
  ScheduledJob,
  ScheduledJobs,
  ScheduleOptions,
} from './scheduling/schedule-options.ts'
import type { SingleActOptions } from './scheduling/noted-act.ts'
import type { TransactionOption } from './scheduling/transaction-option.ts'
import type { ScheduledBatch } from './scheduling/workflows.ts'
import { readStats, type SchedulerStats } from './stats.ts'
import type { CancelResult } from './store/cancel-job.ts'
import type { EventStream, WatchOptions } from './watching/event-stream.ts'

/** Options of a scheduler. Only `database` is needed. */
export interface SchedulerOptions<Scheduled extends readonly JobName[] = readonly JobName[]>
  extends EngineOptions,
    DeclaredSchedules<Scheduled> {}

/**
 * The scheduler: schedules jobs and, once started, runs them in this process.
 * Constructing one does nothing but check its options. `Scheduled` is there for their `schedules` alone, whose payloads are
 * checked against their jobs: constructors have no type parameters of their own.
 */
export class Scheduler<Scheduled extends readonly JobName[] = readonly JobName[]> {
  /** What a person asks of a running scheduler: lists, acts on many jobs, subjects, audit, `explain`, `forecast`. */
  readonly admin: Administration
  readonly #engine: Engine

  /** @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`, `BELFRY_DUPLICATE_HANDLER` */
  constructor(options: SchedulerOptions<Scheduled>) {
    this.#engine = new Engine(options)
    this.admin = new Administration(this.#engine.core, this.#engine.runner)
  }

  /** True between `start()` and `stop()`. */
  get running(): boolean {
    return this.#engine.running
  }

  /**
   * Brings the schema up to date (unless `migrate: false`). `start()` does it too; a process that only schedules may
   * call it alone.
   * @throws BelfryError `BELFRY_SCHEMA_NEWER`, `BELFRY_MIGRATION_CHANGED`, `BELFRY_FOREIGN_TABLE`, `BELFRY_DATABASE_…`
   */
  migrate(): Promise<MigrationResult> {
    return migrateSchema(this.#engine.core)
  }

  /** Compares the schema with what its migrations make. Changes nothing; needs the right to create a schema. */
  checkSchema(): Promise<SchemaCheck> {
    return checkSchema(this.#engine.core)
  }

  /** The schema as plain SQL, for a database that is changed by hand. */
  migrationSql(): string {
    return schemaSql(this.#engine.core.tables)
  }

  /**
   * Migrates, joins the registry of runners and begins to run jobs. Idempotent.
   * @throws BelfryError when the database cannot be used; nothing is left running then
   */
  start(): Promise<void> {
    return this.#engine.start()
  }

  /**
   * Stops claiming, lets running jobs finish for the grace period (default: the `gracePeriod` option), then aborts them
   * and gives their attempts back. Resolves when nothing of this scheduler is left; the database stays open. Idempotent.
   */
  stop(): Promise<void> {
    return this.#engine.stop()
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
    this.#engine.core.registry.accept(job, handler)
    this.#engine.runner.wake()
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
  scheduleJob<Payload, Input, Result>(
    job: JobDefinition<Payload, Input, Result>,
    payload: Input,
    options?: ScheduleOptions,
  ): Promise<ScheduledJob<Result>>
  scheduleJob(jobType: string, options: ScheduleOptions & { payload?: unknown }): Promise<ScheduledJob>
  scheduleJob(job: string | AnyJobDefinition, given: unknown, options?: ScheduleOptions): Promise<ScheduledJob> {
    return this.#engine.calls.one(job, given, options)
  }

  /**
   * Schedules many jobs, of one type or several, in one transaction: all or none. Answers come in order.
   * @throws BelfryError as `scheduleJob` does, for the first job at fault
   */
  scheduleJobs<Jobs extends readonly JobName[]>(
    jobs: BulkJobs<Jobs>,
    options?: TransactionOption,
  ): Promise<ScheduledJobs<Jobs>>
  scheduleJobs(jobs: readonly BulkJob[], options?: TransactionOption): Promise<readonly ScheduledJob[]> {
    return this.#engine.calls.many(jobs, options)
  }

  /**
   * Schedules a graph of jobs by name, in one transaction: all or none. Each starts when those in its `after` have ended.
   * A job whose unique key is taken is not stored; the one that holds the key stands in for it.
   * @throws BelfryError as `scheduleJob` does, and `BELFRY_INVALID_DEPENDENCY` for a graph that cannot end
   */
  scheduleFlow<Jobs extends Readonly<Record<string, JobName>>>(
    jobs: FlowJobs<Jobs>,
    options?: TransactionOption,
  ): Promise<ScheduledFlow<Jobs>>
  scheduleFlow(jobs: unknown, options?: TransactionOption): Promise<Readonly<Record<string, ScheduledJob>>> {
    return this.#engine.calls.flow(jobs, options)
  }

  /**
   * Schedules at most 100,000 jobs, and one that runs when all of them have ended, however; its handler learns with
   * `context.dependencyCounts()` how. In one transaction: all or none.
   * @throws BelfryError as `scheduleJobs` does
   */
  scheduleBatch<Jobs extends readonly JobName[], Last extends JobName>(
    jobs: BulkJobs<Jobs>,
    completion: BulkJob<Last>,
    options?: TransactionOption,
  ): Promise<ScheduledBatch<Jobs, Last>>
  scheduleBatch(jobs: readonly BulkJob[], completion: BulkJob, options?: TransactionOption): Promise<ScheduledBatch> {
    return this.#engine.calls.batch(jobs, completion, options)
  }

  /**
   * Resolves with the job when it has ended, in whatever process; at once when it has ended before. The answer of
   * `scheduleJob` tells the type of the result, if the definition has a handler; for an id the caller does.
   * @throws BelfryError `BELFRY_JOB_NOT_FOUND`, `BELFRY_WAIT_TIMEOUT`, `BELFRY_WAIT_ABORTED`, `BELFRY_SHUTDOWN`,
   *   `BELFRY_INVALID_…`; the job is not touched
   */
  waitFor<Result>(job: ScheduledJob<Result>, options?: WaitForOptions): Promise<EndedJob<Result>>
  waitFor<Result = unknown>(job: JobReference, options?: WaitForOptions): Promise<EndedJob<Result>>
  async waitFor<Result = unknown>(job: JobReference, options: WaitForOptions = {}): Promise<EndedJob<Result>> {
    return this.#engine.reader.ended<Result>(idOf(job), this.#engine.waiters, options)
  }

  /** The job with this id, or the unfinished one with this key; undefined: there is none, or retention removed it. */
  getJob(job: JobReference | KeyReference, options: TransactionOption = {}): Promise<Job | undefined> {
    return this.#engine.reader.find(job, options.transaction)
  }

  /** The unfinished job of a type that holds a unique key. */
  getJobByKey(jobType: string, uniqueKey: string): Promise<Job | undefined> {
    return this.#engine.reader.find({ jobType, uniqueKey })
  }

  /** Jobs whose id begins with `prefix`, newest first, at most `limit` (default 10, up to 1,000). */
  async findJobs(prefix: string, limit = 10): Promise<Job[]> {
    return this.#engine.reader.byPrefix(prefix, requireLimit(limit))
  }

  /** Every attempt of a job, the first one first. */
  getAttempts(job: JobReference, options: TransactionOption = {}): Promise<Attempt[]> {
    return this.#engine.reader.attempts(job, options.transaction)
  }

  /** Jobs by type and status, what is due, the last day's success, and the processes that run jobs. */
  getStats(): Promise<SchedulerStats> {
    return readStats(this.#engine.core)
  }

  /**
   * Cancels a job. A pending one never starts; a running one is asked to stop through its signal, in whatever process it
   * runs, and ends as `cancelled` if its handler obeys.
   */
  cancelJob(job: JobReference | KeyReference, options?: { reason?: string } & SingleActOptions): Promise<CancelResult> {
    return this.#engine.acts.cancel(job, options)
  }

  /** Changes a pending job: its time, payload, priority, retries. False when it is not pending (any more). */
  changeJob<Definition extends { readonly type: string }>(
    job: JobReference | KeyReference<Definition>,
    changes: JobChanges<InputOf<Definition>>,
    options?: SingleActOptions,
  ): Promise<boolean> {
    return this.#engine.calls.change(job, changes, options)
  }

  /**
   * Gives a failed or cancelled job a new life, due now, with all its retries. False when it is neither, or when its
   * unique key belongs to another unfinished job by now.
   */
  redriveJob(job: JobReference, options: SingleActOptions = {}): Promise<boolean> {
    return this.#engine.acts.redrive(job, options)
  }

  /**
   * Sends an event to the jobs that wait for it (`context.waitForEvent`): those that wait now, which are due at once, and
   * those that begin to within `keep`. Each job gets it once. Resolves with the number of jobs that were waiting.
   * @throws BelfryError `BELFRY_INVALID_…`, `BELFRY_PAYLOAD_TOO_LARGE`, `BELFRY_DATABASE_…`; nothing is sent then
   */
  sendEvent(name: string, options: SendEventOptions & TransactionOption = {}): Promise<{ delivered: number }> {
    return this.#engine.acts.sendEvent(name, options)
  }

  /**
   * Stores a recurring schedule, or brings the stored one in line. An unchanged rule keeps its next occurrence, so that
   * restarts shift nothing; a paused schedule stays paused.
   * @throws BelfryError `BELFRY_INVALID_RULE`, `BELFRY_INVALID_TIME_ZONE`, `BELFRY_INVALID_PAYLOAD`, `BELFRY_INVALID_…`
   */
  applySchedule<Named extends JobName>(
    definition: ScheduleDefinition<Named>,
    options: InTransaction = {},
  ): Promise<AppliedSchedule> {
    return this.#engine.schedules.apply(definition, options)
  }

  /**
   * Brings the stored schedules in line with your code, all or none, and answers what that changed. The `schedules` option
   * does this at start.
   * @throws BelfryError as `applySchedule` does, for the first one at fault
   */
  applySchedules<Jobs extends readonly JobName[]>(
    definitions: ScheduleDefinitions<Jobs>,
    options?: ApplySchedulesOptions,
  ): Promise<SchedulePlan>
  applySchedules(definitions: readonly ScheduleDefinition[], options?: ApplySchedulesOptions): Promise<SchedulePlan> {
    return this.#engine.schedules.applyAll(definitions, options)
  }

  getSchedules(): Promise<Schedule[]> {
    return this.#engine.schedules.list()
  }

  /** Stops a schedule from firing until it is resumed. False when there is none. */
  pauseSchedule(scheduleId: string, options: InTransaction = {}): Promise<boolean> {
    return this.#engine.schedules.pause(scheduleId, true, options)
  }

  /** Goes on with the next occurrence from now. False when there is none. */
  resumeSchedule(scheduleId: string, options: InTransaction = {}): Promise<boolean> {
    return this.#engine.schedules.pause(scheduleId, false, options)
  }

  /** Deletes a schedule; jobs it made stay. False when there is none. */
  removeSchedule(scheduleId: string, options: InTransaction = {}): Promise<boolean> {
    return this.#engine.schedules.remove(scheduleId, options)
  }

  /**
   * Makes a schedule's job now, be it paused or not; its `occurrence` is now. Answers its id, or null when the schedule
   * skips or queues it because an earlier job is unfinished.
   * @throws BelfryError `BELFRY_INVALID_OPTION` when there is no such schedule
   */
  triggerSchedule(scheduleId: string, options: InTransaction = {}): Promise<string | null> {
    return this.#engine.schedules.trigger(scheduleId, options)
  }

  /**
   * Makes the jobs of occurrences (at most 1,000) that have none yet, whatever the overlap policy; past ones are due now.
   * @throws BelfryError `BELFRY_INVALID_OPTION` without such a schedule or for too long a range, `BELFRY_INVALID_TIME`
   */
  backfillSchedule(scheduleId: string, range: BackfillRange, options: InTransaction = {}): Promise<Backfill> {
    return this.#engine.schedules.backfill(scheduleId, range, options)
  }

  /** Removes finished jobs and attempts past their retention now; a started scheduler does so hourly. */
  prune(): Promise<PruneCounts> {
    return this.#engine.prune()
  }

  /** Listens to what happens; the answer takes the listener away. */
  on<Name extends SchedulerEventName>(name: Name, listener: (event: SchedulerEvents[Name]) => void): () => void {
    return this.#engine.core.events.on(name, listener)
  }

  /**
   * Events of the jobs of all processes, as they happen; resolves once this process hears them. At most once: what must
   * not be missed is read from the tables. Ends with `close()`, by leaving its loop, or with `stop()`.
   * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_JOB_TYPE`, `BELFRY_DATABASE_UNAVAILABLE` without LISTEN
   */
  watch(options: WatchOptions = {}): Promise<EventStream> {
    return this.#engine.watching.watch(options)
  }

  /**
   * Runs every job that is due, and those that become due through them, then resolves with the number of attempts.
   * For tests, scripts and simulations, on a scheduler that is not started. A type whose claim fails is left out, and
   * `database:error` tells of it.
   */
  runDueJobs(): Promise<number> {
    return this.#engine.runDueJobs()
  }
}
