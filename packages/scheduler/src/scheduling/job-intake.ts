import { databaseNow, type Core } from '../core.ts'
import { describeDatabaseError } from '../database/database-error.ts'
import type { Queryable } from '../database/database.ts'
import { againOnConflict } from '../durable/again-on-conflict.ts'
import { BelfryError, show } from '../errors.ts'
import { parsePayload, serializePayload } from '../job/payload.ts'
import { requirePriority, requireWhole } from '../job/whole.ts'
import { sealPayload } from '../job/stored-payload.ts'
import { parseDuration } from '../runtime/duration.ts'
import { changeJob } from '../store/change-job.ts'
import { findJob } from '../store/find-job.ts'
import { findFinishedIds } from '../store/find-finished-ids.ts'
import { insertJobs, type Inserted, type InsertedJob, type NewJob } from '../store/insert-jobs.ts'
import { requestRerun } from '../store/rerun.ts'
import { checkJob, dueTime, requireMetadata, type JobRequest } from './check-job.ts'
import { Linking } from './linking.ts'
import { HintThrottle } from './hint-throttle.ts'
import { JobWriter, type LocalRunner } from './job-writer.ts'
import { requestOf, type UncheckedJob } from './job-requests.ts'
import type { JobChanges, ScheduledJob } from './schedule-options.ts'

/** Rows per statement of a bulk call. */
const ROWS_PER_STATEMENT = 1_000

/** Checks jobs at the door, stores them, and lets runners know. */
export class JobIntake {
  readonly #core: Core
  readonly #hints: HintThrottle
  readonly #writer: JobWriter
  readonly #runner: LocalRunner

  constructor(core: Core, runner: LocalRunner) {
    this.#core = core
    this.#runner = runner
    this.#hints = new HintThrottle(core)
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
    const { maxPayloadBytes, payloadCipher } = options
    return checkJob(request, { now: clock.now(), maxPayloadBytes, payloadCipher })
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
      return await this.#aroundStoring({ requests, jobs, transaction })
    } catch (error) {
      throw this.#explain(error, jobs)
    }
  }

  /**
   * Changes a pending job. False when it is not pending (any more).
   * @throws BelfryError as scheduling does
   */
  async change(jobId: string, changes: JobChanges): Promise<boolean> {
    const { database, tables, options, registry } = this.#core
    const timed = changes.scheduledTime !== undefined || changes.delay !== undefined
    const due = dueTime(changes)
    let payload: { text: string; version: number } | undefined
    if (changes.payload !== undefined) {
      const job = await findJob(database, tables, jobId)
      if (!job) return false
      const definition = registry.findOrDefault(job.jobType)
      const text = serializePayload(changes.payload, definition.type, options.maxPayloadBytes)
      if (definition.payload) await parsePayload(definition, JSON.parse(text), definition.payloadVersion)
      payload = { text: sealPayload(options.payloadCipher, text, definition.type), version: definition.payloadVersion }
    }
    const changed = await changeJob(database, tables, {
      jobId,
      payload: payload?.text ?? null,
      payloadVersion: payload?.version ?? null,
      scheduledTime: due.scheduledTime,
      delayMs: timed ? due.delayMs : null,
      now: databaseNow(this.#core),
      maxWaitMs: null,
      hint: timed || changes.priority !== undefined,
      priority: requirePriority(changes.priority, 'priority') ?? null,
      maxRetries: requireWhole(changes.maxRetries, { name: 'maxRetries', least: 0 }) ?? null,
    })
    if (changed) this.#runner.wakeIn(0)
    return changed
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
    const merging = work.requests.some(isMerging) || jobs.some(job => job.dependencies)
    const [only] = jobs
    if (only && jobs.length === 1 && !merging) return [await this.#writer.store(only)]
    const oneStatement = jobs.length <= ROWS_PER_STATEMENT && !merging
    const inserted = oneStatement
      ? await this.#insert(database, work)
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
    const now = databaseNow(this.#core)
    const linking = jobs.some(job => job.dependencies) ? new Linking(queryable, tables, jobs) : undefined
    await linking?.requireParents()
    const rows = linking?.jobs ?? jobs
    const stored: InsertedJob[] = []
    let nextDueMs: number | null = null
    for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
      const chunk = rows.slice(start, start + ROWS_PER_STATEMENT)
      // In the caller's transaction the hint leaves with its commit, whenever that is: throttling would lose it.
      const hintWithinMs = transaction ? this.#hints.soonMs : this.#hints.windowFor(chunk)
      const inserted = await insertJobs(queryable, tables, { jobs: chunk, now, hintWithinMs })
      stored.push(...inserted.jobs)
      if (inserted.nextDueMs !== null) nextDueMs = Math.min(nextDueMs ?? inserted.nextDueMs, inserted.nextDueMs)
    }
    for (const [index, request] of requests.entries()) {
      const job = rows[index]
      const answer = stored[index]
      if (!job || !answer?.conflict || !isMerging(request)) continue
      if (isReplacing(request)) await this.#replace(queryable, { request, job, jobId: answer.job_id })
      else stored[index] = await this.#rerun(queryable, job, answer)
      nextDueMs = 0
    }
    await linking?.store(stored)
    return { jobs: stored, nextDueMs, someEnded: linking?.someEnded ?? false }
  }

  /** The key's holder runs once more; if it has ended meanwhile, the job is stored after all. */
  async #rerun(queryable: Queryable, job: NewJob, conflict: InsertedJob): Promise<InsertedJob> {
    const { tables } = this.#core
    const now = databaseNow(this.#core)
    for (let answer = conflict; ; ) {
      if (!answer.conflict || (await requestRerun(queryable, tables, { ...job, jobId: answer.job_id, now })))
        return answer
      const again = await insertJobs(queryable, tables, { jobs: [job], now, hintWithinMs: this.#hints.soonMs })
      answer = again.jobs[0] ?? answer
    }
  }

  async #replace(
    queryable: Queryable,
    { request, job, jobId }: { request: JobRequest; job: NewJob; jobId: string },
  ): Promise<void> {
    const { maxWait } = request.options
    await changeJob(queryable, this.#core.tables, {
      jobId,
      payload: job.payload,
      payloadVersion: job.payloadVersion,
      scheduledTime: job.scheduledTime,
      delayMs: job.delayMs,
      now: databaseNow(this.#core),
      maxWaitMs: maxWait === undefined ? null : parseDuration(maxWait, 'maxWait'),
      hint: true,
    })
  }

  #explain(error: unknown, jobs: readonly NewJob[]): unknown {
    if (error instanceof Error && 'code' in error && error.code === '23505') {
      const named = jobs.length === 1 ? `job id ${show(jobs[0]?.jobId)}` : 'one of the job ids'
      return new BelfryError('BELFRY_DUPLICATE_JOB_ID', `${named} is taken by an unfinished job; nothing was stored`, {
        cause: error,
      })
    }
    return describeDatabaseError(error)
  }
}

function isReplacing(request: JobRequest): boolean {
  return request.options.onConflict === 'replace'
}

/** On a conflict there is something to do. */
function isMerging(request: JobRequest): boolean {
  return isReplacing(request) || request.options.onConflict === 'rerun'
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
