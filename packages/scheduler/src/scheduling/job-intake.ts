import { databaseNow, type Core } from '../core.ts'
import { describeDatabaseError } from '../database/database-error.ts'
import { missingTables } from '../database/missing-tables.ts'
import type { Queryable } from '../database/database.ts'
import { againOnConflict } from '../durable/again-on-conflict.ts'
import { BelfryError, show } from '../errors.ts'
import { refuseUnaffordable } from '../flow/set-limits.ts'
import { requireMetadata } from '../job/carried.ts'
import { referenceOf, type FoundBy, type JobReference, type KeyReference } from '../job/job-reference.ts'
import { parsePayload, serializePayload } from '../job/payload.ts'
import { requirePriority, requireWhole } from '../job/whole.ts'
import { sealedAs, sealValue } from '../job/sealed-value.ts'
import { changeJob } from '../store/change-job.ts'
import { DatabaseClock } from '../store/database-clock.ts'
import { findId } from '../store/find-id.ts'
import { findJob } from '../store/find-job.ts'
import { findFinishedIds } from '../store/find-finished-ids.ts'
import { inKeyOrder, insertJobs, type Inserted, type InsertedJob } from '../store/insert-jobs.ts'
import type { NewJob } from '../store/new-job.ts'
import { changedTime } from './change-window.ts'
import { checkJob, type JobRequest } from './check-job.ts'
import { HintThrottle } from './hint-throttle.ts'
import { insertWithKeys, looksAtHolder, type CheckedJob } from './keyed-insert.ts'
import { JobWriter, type LocalRunner } from './job-writer.ts'
import { requestOf, type UncheckedJob } from './job-requests.ts'
import { Linking } from './linking.ts'
import { notedAct, noteOfChanges, type SingleActOptions } from './noted-act.ts'
import { placeJobs } from './place-jobs.ts'
import type { JobChanges, ScheduledJob } from './schedule-options.ts'

/** Rows per statement of a bulk call. */
const ROWS_PER_STATEMENT = 1_000

/** Checks jobs at the door, stores them, and lets runners know. */
export class JobIntake {
  readonly #core: Core
  readonly #hints: HintThrottle
  readonly #writer: JobWriter
  readonly #runner: LocalRunner
  readonly #clock: DatabaseClock

  constructor(core: Core, runner: LocalRunner) {
    this.#core = core
    this.#runner = runner
    this.#hints = new HintThrottle(core)
    this.#clock = new DatabaseClock(core.clock)
    this.#writer = new JobWriter(core, { runner, hints: this.#hints })
  }

  stop(): void {
    this.#hints.stop()
  }

  /**
   * Stores jobs: all of them or, when one is refused, none. Answers come in the order of the requests.
   * @throws BelfryError naming the first fault; nothing is written then
   */
  async schedule(
    wanted: readonly UncheckedJob[],
    transaction: Queryable | undefined,
  ): Promise<readonly ScheduledJob[]> {
    const requests = wanted.map(job => requestOf(this.#core.registry, job))
    const jobs: NewJob[] = []
    for (const request of requests) jobs.push(await this.check(request))
    return this.store(requests, jobs, transaction)
  }

  /** Checks one job at the door; what comes back can be stored. */
  check(request: JobRequest): Promise<NewJob> {
    const { clock, options } = this.#core
    const { maxPayloadBytes, payloadCipher, newJobId } = options
    return checkJob(request, { now: clock.now(), maxPayloadBytes, payloadCipher, newJobId })
  }

  /** Stores jobs that were checked, as `schedule` does. */
  async store(
    requests: readonly JobRequest[],
    jobs: readonly NewJob[],
    transaction: Queryable | undefined,
  ): Promise<readonly ScheduledJob[]> {
    if (requests.length === 0) return []
    refuseRepeatedIds(jobs)
    const chosen = requests.flatMap(request => request.options.jobId ?? [])
    try {
      if (chosen.length > 0) await this.#refuseFinishedIds(chosen, transaction ?? this.#core.database)
      const queryable = transaction ?? this.#core.database
      await refuseUnaffordable(queryable, this.#core.tables, requests)
      const placed = await placeJobs({ requests, jobs }, { clock: this.#clock, queryable })
      return await this.#aroundStoring({ requests, jobs: placed, transaction })
    } catch (error) {
      throw this.#explain(error, jobs)
    }
  }

  /**
   * Changes a pending job. False when it is not pending (any more).
   * @throws BelfryError as scheduling does
   */
  async change(
    reference: JobReference | KeyReference,
    changes: JobChanges,
    options: SingleActOptions,
  ): Promise<boolean> {
    const by = referenceOf(reference)
    const changed = await notedAct(this.#core, options, async (queryable, note) => {
      const jobId = await this.#change(queryable, by, changes)
      if (jobId !== undefined) await note({ action: 'change_job', target: jobId, detail: noteOfChanges(changes) })
      return jobId !== undefined
    })
    if (changed && !options.transaction) this.#runner.wakeIn(0)
    return changed
  }

  /** Answers the id of the job that was changed. */
  async #change(queryable: Queryable, by: FoundBy, changes: JobChanges): Promise<string | undefined> {
    const { tables, options, registry } = this.#core
    const rest = {
      priority: requirePriority(changes.priority, 'priority') ?? null,
      maxRetries: requireWhole(changes.maxRetries, { name: 'maxRetries', least: 0 }) ?? null,
    }
    const jobId = await findId(queryable, tables, by)
    if (jobId === undefined) return undefined
    let payload: { text: string; version: number } | undefined
    if (changes.payload !== undefined) {
      const job = await findJob(queryable, tables, jobId)
      if (!job) return undefined
      const definition = registry.findOrDefault(job.jobType)
      const text = serializePayload(changes.payload, definition.type, options.maxPayloadBytes)
      if (definition.payload) await parsePayload(definition, JSON.parse(text), definition.payloadVersion)
      const sealed = sealValue(options.payloadCipher, text, sealedAs.payload(definition.type))
      payload = { text: sealed, version: definition.payloadVersion }
    }
    const time = await changedTime(this.#core, { queryable, jobId, clock: this.#clock }, changes)
    if (!time) return undefined
    const changed = await changeJob(queryable, tables, {
      jobId,
      payload: payload?.text ?? null,
      payloadVersion: payload?.version ?? null,
      ...time,
      ...rest,
      now: databaseNow(this.#core),
      hint: time.scheduledTime !== null || time.delayMs !== null || rest.priority !== null,
    })
    return changed ? jobId : undefined
  }

  /** The live partition's key refuses an unfinished job's id; a finished one's is looked for. */
  async #refuseFinishedIds(ids: readonly string[], queryable: Queryable): Promise<void> {
    const [taken] = await findFinishedIds(queryable, this.#core.tables, ids)
    if (taken === undefined) return
    throw new BelfryError(
      'BELFRY_DUPLICATE_JOB_ID',
      `job id ${show(taken)} belongs to a finished job; nothing was stored. Choose another, or redrive that job.`,
    )
  }

  /** Middleware sees the jobs of a call, and may leave metadata with them. */
  #aroundStoring(work: {
    requests: readonly JobRequest[]
    jobs: readonly NewJob[]
    transaction: Queryable | undefined
  }): Promise<readonly ScheduledJob[]> {
    const { aroundScheduling } = this.#core.options
    if (!aroundScheduling) return this.#store(work)
    const calls = work.jobs.map(({ jobId, jobType, scheduledTime, delayMs, metadata }, index) => ({
      jobId,
      jobType,
      payload: work.requests[index]?.payload,
      scheduledTime: scheduledTime === null ? null : new Date(scheduledTime),
      delayMs,
      metadata: { ...metadata },
    }))
    return aroundScheduling({ jobs: calls }, () => {
      const jobs = work.jobs.map((job, index) => ({ ...job, metadata: requireMetadata(calls[index]?.metadata) }))
      return this.#store({ ...work, jobs })
    })
  }

  async #store(work: {
    requests: readonly JobRequest[]
    jobs: readonly NewJob[]
    transaction: Queryable | undefined
  }): Promise<ScheduledJob[]> {
    const { events } = this.#core
    const stored = (await this.#write(work)).map(each => ({ jobId: each.job_id, conflict: each.conflict }))
    if (events.has('job:scheduled')) {
      for (const [index, answer] of stored.entries()) {
        events.emit('job:scheduled', { ...answer, jobType: work.jobs[index]?.jobType ?? '' })
      }
    }
    return stored
  }

  /** By the way that fits: in the caller's transaction, together with other single calls, or by itself. */
  async #write(work: {
    requests: readonly JobRequest[]
    jobs: readonly NewJob[]
    transaction: Queryable | undefined
  }): Promise<readonly InsertedJob[]> {
    const { database } = this.#core
    const { jobs, transaction } = work
    if (transaction) return (await this.#insert(transaction, work)).jobs
    const careful = work.requests.some(looksAtHolder) || jobs.some(job => job.dependencies)
    const [only] = jobs
    if (only && jobs.length === 1 && !careful) return [await this.#writer.store(only)]
    const oneStatement = jobs.length <= ROWS_PER_STATEMENT && !careful
    const inserted = oneStatement
      ? await againOnConflict(() => this.#insert(database, work))
      : await againOnConflict(() => database.transaction(own => this.#insert(own, work)))
    if (inserted.someEnded) this.#runner.lookAfter()
    if (inserted.nextDueMs !== null) this.#runner.wakeIn(inserted.nextDueMs)
    return inserted.jobs
  }

  async #insert(
    queryable: Queryable,
    {
      requests,
      jobs,
      transaction,
    }: { requests: readonly JobRequest[]; jobs: readonly NewJob[]; transaction: Queryable | undefined },
  ): Promise<Inserted & { someEnded?: boolean }> {
    const { tables } = this.#core
    const linking = jobs.some(job => job.dependencies) ? new Linking(queryable, tables, jobs) : undefined
    const rows = linking?.jobs ?? jobs
    const insert = (some: readonly NewJob[]) => this.#insertRows(queryable, some, transaction !== undefined)
    const work = async () => {
      await linking?.requireParents()
      const inserted = requests.some(looksAtHolder)
        ? await insertWithKeys(this.#core, queryable, { checked: checkedJobs(requests, rows), insert })
        : await insert(rows)
      await linking?.store(inserted.jobs)
      return { ...inserted, someEnded: linking?.someEnded ?? false }
    }
    // A refusal half-way leaves the caller's transaction usable, and nothing in it.
    return transaction && jobs.length > 1 && requests.some(looksAtHolder) ? allOrNothing(transaction, work) : work()
  }

  async #insertRows(queryable: Queryable, jobs: readonly NewJob[], isCallers: boolean): Promise<Inserted> {
    const { tables } = this.#core
    const now = databaseNow(this.#core)
    const answers = new Map<NewJob, InsertedJob>()
    let nextDueMs: number | null = null
    const ordered = inKeyOrder(jobs)
    for (let start = 0; start < ordered.length; start += ROWS_PER_STATEMENT) {
      const chunk = ordered.slice(start, start + ROWS_PER_STATEMENT)
      // In the caller's transaction the hint leaves with its commit, whenever that is: throttling would lose it.
      const hintWithinMs = isCallers ? this.#hints.soonMs : this.#hints.windowFor(chunk)
      const inserted = await insertJobs(queryable, tables, { jobs: chunk, now, hintWithinMs })
      for (const [index, answer] of inserted.jobs.entries()) if (chunk[index]) answers.set(chunk[index], answer)
      if (inserted.nextDueMs !== null) nextDueMs = Math.min(nextDueMs ?? inserted.nextDueMs, inserted.nextDueMs)
    }
    return { jobs: jobs.flatMap(job => answers.get(job) ?? []), nextDueMs }
  }

  #explain(error: unknown, jobs: readonly NewJob[]): unknown {
    if (error instanceof Error && 'code' in error && error.code === '23505') {
      const named = jobs.length === 1 ? `job id ${show(jobs[0]?.jobId)}` : 'one of the job ids'
      return new BelfryError('BELFRY_DUPLICATE_JOB_ID', `${named} is taken by an unfinished job; nothing was stored`, {
        cause: error,
      })
    }
    return missingTables(error, this.#core.options.schema) ?? describeDatabaseError(error)
  }
}

/** Undoes what a call has written if it is refused, and nothing else. */
async function allOrNothing<Result>(transaction: Queryable, work: () => Promise<Result>): Promise<Result> {
  await transaction.query('savepoint belfry_call')
  try {
    const result = await work()
    await transaction.query('release savepoint belfry_call')
    return result
  } catch (error) {
    // What failed says more than a connection that cannot be asked to undo it.
    await transaction.query('rollback to savepoint belfry_call').catch(() => {})
    throw error
  }
}

function checkedJobs(requests: readonly JobRequest[], jobs: readonly NewJob[]): CheckedJob[] {
  return jobs.flatMap((job, index) => {
    const request = requests[index]
    return request ? [{ request, job }] : []
  })
}

function refuseRepeatedIds(jobs: readonly NewJob[]): void {
  const seen = new Set<string>()
  for (const { jobId } of jobs) {
    if (seen.has(jobId)) {
      throw new BelfryError(
        'BELFRY_DUPLICATE_JOB_ID',
        `job id ${show(jobId)} appears twice in one call; nothing was stored`,
      )
    }
    seen.add(jobId)
  }
}
