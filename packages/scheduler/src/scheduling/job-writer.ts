import { databaseNow, type Core } from '../core.ts'
import { spreadKey } from '../job/delivery.ts'
import { againOnConflict } from '../durable/again-on-conflict.ts'
import { ORDINARY, type ClaimedJob } from '../store/claim-jobs.ts'
import { insertJobs, type InsertedJob } from '../store/insert-jobs.ts'
import { isPlain, type InsertingRunner, type NewJob } from '../store/new-job.ts'
import type { HintThrottle } from './hint-throttle.ts'

/** The runner of this process, as far as scheduling is concerned. */
export interface LocalRunner {
  /** It runs, and waits for jobs. */
  readonly active: boolean
  /** Reserves a slot for a job of this type that would start at once; false when there is none. */
  reserve(jobType: string): boolean
  /** Ends reservations: what became of them was taken, or came to nothing. */
  unreserve(count: number): void
  newLease(): InsertingRunner
  take(jobs: readonly ClaimedJob[], lease: InsertingRunner): void
  doubt(lease: InsertingRunner): void
  /** A stored job will be due in `ms` milliseconds. */
  wakeIn(ms: number): void
  /** Its lease turned out to be lost. */
  renewSoon(): void
  /** Jobs that somebody waits for have ended. */
  lookAfter(): void
}

interface Waiting {
  readonly job: NewJob
  readonly resolve: (stored: InsertedJob) => void
  readonly reject: (error: unknown) => void
}

/** Rows per statement. */
const LARGEST_GROUP = 1_000
/** Calls that wait before a second connection helps: below it one connection is quicker with larger groups. */
const SECOND_CONNECTION_FROM = 32
/** A pool smaller than this keeps its connections for claiming and settling. */
const SMALLEST_POOL_FOR_TWO = 4

/**
 * Stores single jobs, each call in its own right: the promise resolves when its job is committed. Calls that arrive while
 * a statement is under way share the next one, and its transaction; one that cannot be stored fails alone.
 */
export class JobWriter {
  readonly #core: Core
  readonly #runner: LocalRunner
  readonly #hints: HintThrottle
  readonly #waiting: Waiting[] = []
  #underWay = 0
  #pumping = false

  constructor(core: Core, parts: { runner: LocalRunner; hints: HintThrottle }) {
    this.#core = core
    this.#runner = parts.runner
    this.#hints = parts.hints
  }

  /** Stores one job; rejects with the driver's error when it cannot be stored. */
  store(job: NewJob): Promise<InsertedJob> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject })
      if (this.#pumping) return
      this.#pumping = true
      // Calls made in one go, as in `Promise.all`, find themselves in one statement.
      queueMicrotask(() => this.#pump())
    })
  }

  #pump(): void {
    this.#pumping = false
    const { maxConnections } = this.#core.database
    const most = maxConnections >= SMALLEST_POOL_FOR_TWO && this.#waiting.length >= SECOND_CONNECTION_FROM ? 2 : 1
    if (this.#waiting.length === 0 || this.#underWay >= most) return
    const group = this.#waiting.splice(0, LARGEST_GROUP)
    this.#underWay += 1
    void this.#write(group).finally(() => {
      this.#underWay -= 1
      this.#pump()
    })
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    try {
      const stored = await this.#insert(group.map(each => each.job))
      for (const [index, { resolve, reject }] of group.entries()) {
        const answer = stored[index]
        if (answer) resolve(answer)
        else reject(new Error('the database answered nothing for a stored job'))
      }
    } catch (error) {
      if (group.length === 1 || !isRowsFault(error)) {
        for (const { reject } of group) reject(error)
        return
      }
      for (const each of group) await this.#write([each])
    }
  }

  async #insert(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]> {
    const { database, tables } = this.#core
    const now = databaseNow(this.#core)
    const marked = jobs.map(job =>
      this.#isDue(job) && this.#runner.reserve(job.jobType) ? { ...job, claim: true } : job,
    )
    const reserved = marked.filter(job => job.claim).length
    try {
      const hintWithinMs = this.#hints.windowFor(marked)
      const claimFor = reserved > 0 ? this.#runner.newLease() : undefined
      const dueIsNoMatter = !this.#runner.active
      const request = { jobs: marked, now, hintWithinMs, claimFor, dueIsNoMatter }
      const inserting = againOnConflict(() => insertJobs(database, tables, request))
      const inserted = await inserting.catch((error: unknown) => {
        if (claimFor && !isRowsFault(error)) this.#runner.doubt(claimFor)
        throw error
      })
      if (claimFor) this.#handOver(marked, inserted.jobs, claimFor)
      if (inserted.nextDueMs !== null) this.#runner.wakeIn(inserted.nextDueMs)
      return inserted.jobs
    } finally {
      this.#runner.unreserve(reserved)
    }
  }

  #isDue({ scheduledTime, delayMs }: NewJob): boolean {
    return scheduledTime === null && delayMs === 0
  }

  /** Jobs that were stored as claimed start now: as a claim would have answered them. */
  #handOver(jobs: readonly NewJob[], stored: readonly InsertedJob[], lease: InsertingRunner): void {
    const nowMs = this.#core.clock.now().getTime()
    const taken = jobs.filter((_job, index) => stored[index]?.claimed)
    if (taken.length > 0) {
      this.#runner.take(
        taken.map(job => claimedJobOf(job, nowMs)),
        lease,
      )
    } else if (stored.some(each => !each.conflict)) this.#runner.renewSoon()
  }
}

function claimedJobOf(job: NewJob, nowMs: number): ClaimedJob {
  const timeoutMs = job.timeoutMs ?? null
  const ordinary =
    isPlain(job) && job.payloadVersion === ORDINARY.payload_version && job.maxRetries === ORDINARY.max_retries
  return {
    job_id: job.jobId,
    job_type: job.jobType,
    payload: JSON.parse(job.payload),
    scheduled_ms: nowMs,
    due_in_ms: null,
    row_at: null,
    uncommon: ordinary
      ? null
      : {
          ...ORDINARY,
          payload_version: job.payloadVersion,
          max_retries: job.maxRetries,
          timeout_ms: timeoutMs,
          expires_in_ms: job.expiresAt == null ? (job.expireAfterMs ?? null) : null,
          metadata: job.metadata ?? null,
          lane: job.lane ?? null,
          weight: job.weight ?? 1,
          priority: job.priority ?? 0,
          delivery: job.delivery ?? null,
          spread_key: spreadKey(job),
          backoff: job.backoff ?? null,
          max_lost: job.maxLost ?? null,
        },
  }
}

/** SQLSTATE classes 22 (data) and 23 (constraint): one of the rows is at fault, the others are not. */
function isRowsFault(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^2[23]/.test(error.code)
}
