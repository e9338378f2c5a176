import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError } from '../errors.ts'
import { tangible } from '../job/error-record.ts'
import { decideOutcome } from '../job/outcome.ts'
import { parsePayload } from '../job/payload.ts'
import { relevanceOf, type Relevance, type Revalidate } from '../job/revalidate.ts'
import { openValue, sealedAs } from '../job/sealed-value.ts'
import { sleep } from '../runtime/clock.ts'
import { admitJobs } from '../store/admit-jobs.ts'
import type { ClaimedJob } from '../store/claim-jobs.ts'
import { postponeClaimed, type PostponedJob } from '../store/postpone-claimed.ts'
import { releaseJobs } from '../store/release-jobs.ts'
import { settleFinished, type FinishedAttempt, type Settled } from '../store/settle-finished.ts'
import { settlePending, type UnfinishedAttempt } from '../store/settle-pending.ts'
import { AttemptTransaction, boundStatements } from './attempt-transaction.ts'
import { HeldJob } from './held-job.ts'
import { isDataError, withoutData } from './refused-outcome.ts'
import type { Settler } from './settler.ts'
import { settlementOf, type AttemptEnd } from './settlement.ts'

/** A check holds a transaction, its connection and its job's row: look up facts there, do no work. */
const LONGEST_CHECK_MS = 5_000
/** Somebody is changing the facts at this moment: rather than wait for longer, the job is asked again later. */
const LONGEST_LOCK_WAIT_MS = 2_000
/** After a clash with another transaction the job is out of reach for so long. */
const CLASH_PAUSE_MS = 1_000
/** Deadlock, serialization failure, lock not available: the other transaction goes on, the check is made again. */
const CLASHES: ReadonlySet<unknown> = new Set(['40P01', '40001', '55P03'])
/** All checks of one claim end within this share of a lease. */
const CHECKS_PER_LEASE = 3

type Answered = Relevance | 'clash' | { readonly threw: unknown }

/** Asks, in the transaction that claims them, whether jobs are still relevant; those that are not never start. */
export class Revalidator {
  readonly #core: Core
  readonly #settler: Settler

  constructor(core: Core, parts: { settler: Settler }) {
    this.#core = core
    this.#settler = parts.settler
  }

  checkOf(jobType: string): Revalidate<never> | undefined {
    return this.#core.registry.find(jobType)?.revalidate
  }

  /** For one claim, under its lease. */
  begin(leaseToken: string): Checks {
    return new Checks(this.#core, { leaseToken, settler: this.#settler })
  }
}

/** The checks of one claim. */
export class Checks {
  readonly #core: Core
  readonly #leaseToken: string
  readonly #settler: Settler
  readonly #over: { end: AttemptEnd; row: FinishedAttempt }[] = []
  readonly #again: { end: AttemptEnd; row: UnfinishedAttempt }[] = []
  readonly #postponed: { end: AttemptEnd; row: PostponedJob }[] = []
  readonly #clashed: ClaimedJob[] = []
  readonly #unasked: ClaimedJob[] = []
  readonly #settled: { readonly ends: readonly AttemptEnd[]; readonly settled: Settled }[] = []

  constructor(core: Core, parts: { leaseToken: string; settler: Settler }) {
    this.#core = core
    this.#leaseToken = parts.leaseToken
    this.#settler = parts.settler
  }

  /** Something that was claimed does not run: there may be room for others. */
  get dropped(): boolean {
    const dropped = [this.#over, this.#again, this.#postponed, this.#clashed, this.#unasked]
    return dropped.some(each => each.length > 0)
  }

  /** Answers those that shall run; what becomes of the others is written in the same transaction. */
  readonly sift = async (transaction: Queryable, jobs: readonly ClaimedJob[]): Promise<readonly ClaimedJob[]> => {
    if (jobs.length === 0) return jobs
    const { clock, options, database } = this.#core
    if (database.kind === 'server') {
      await boundStatements(transaction, { statementMs: this.#longestMs, lockMs: LONGEST_LOCK_WAIT_MS })
    }
    const until = clock.monotonic() + options.leaseMs / CHECKS_PER_LEASE
    const kept: ClaimedJob[] = []
    for (const job of jobs) {
      // A job whose cancelling was asked for, or whose row is spoiled, ends before its handler is called, whatever a check would say.
      if (job.uncommon?.cancel_requested || job.uncommon?.fault !== undefined) kept.push(job)
      else if (clock.monotonic() >= until) this.#unasked.push(job)
      else if (await this.#check(transaction, job)) kept.push(job)
    }
    await this.#write(transaction)
    return kept
  }

  /** Never so long that an embedded database, which does nothing else meanwhile, could not renew its lease. */
  get #longestMs(): number {
    return Math.min(LONGEST_CHECK_MS, Math.round(this.#core.options.leaseMs / CHECKS_PER_LEASE))
  }

  /** The transaction is committed: now it may be told. */
  async committed(): Promise<void> {
    for (const { ends, settled } of this.#settled) await this.#settler.settledElsewhere(ends, settled)
    await this.#settler.freed(this.#postponed.map(each => each.end))
  }

  /** True: it shall run. */
  async #check(transaction: Queryable, job: ClaimedJob): Promise<boolean> {
    const { clock, registry, options } = this.#core
    const startedAt = clock.monotonic()
    const definition = registry.findOrDefault(job.job_type)
    const held = new HeldJob(job, definition, { token: this.#leaseToken, claimedAt: startedAt })
    held.startedAt = startedAt
    const answer = await this.#ask(transaction, held)
    if (answer === 'run') return true
    const durationMs = clock.monotonic() - startedAt
    if (answer === 'clash') this.#clashed.push(job)
    else if ('postpone' in answer) {
      const outcome = { kind: 'snoozed', wake: answer.postpone, reason: 'postponed' } as const
      this.#postponed.push({
        end: { held, outcome, durationMs },
        row: { jobId: job.job_id, wake: answer.postpone },
      })
    } else if ('skip' in answer) {
      this.#settle({ held, outcome: { kind: 'cancelled', reason: answer.skip }, durationMs })
    } else {
      const { retry_count: retryCount, max_retries: maxRetries } = held.details
      const facts = { retryCount, maxRetries, backoff: definition.backoff, abortReason: undefined }
      this.#settle({ held, outcome: decideOutcome(answer, { ...facts, random: options.random }), durationMs })
    }
    return false
  }

  #settle(end: AttemptEnd): void {
    const settlement = settlementOf(end, this.#core.options)
    const { record } = settlement
    if ('over' in record) this.#over.push({ end: settlement.end, row: record.over })
    else this.#again.push({ end: settlement.end, row: record.again })
  }

  /** A savepoint keeps what goes wrong in one check from the others, and takes back what a failed one has written. */
  async #ask(transaction: Queryable, held: HeldJob): Promise<Answered> {
    const guarded = new AttemptTransaction(held.job.job_id, transaction)
    await transaction.query('savepoint belfry_check')
    try {
      const answer = await this.#answerOf(held, guarded)
      guarded.close()
      await transaction.query('release savepoint belfry_check')
      return answer
    } catch (thrown) {
      const threw = tangible(thrown)
      guarded.close()
      await transaction.query('rollback to savepoint belfry_check')
      return CLASHES.has(codeOf(threw)) ? 'clash' : { threw }
    }
  }

  async #answerOf(held: HeldJob, tx: Queryable): Promise<Relevance> {
    const { job, details, definition } = held
    const sealed = openValue(this.#core.options.payloadCipher, job.payload, sealedAs.payload(job.job_type))
    const timeUp = new AbortController()
    const ended = new AbortController()
    const asking = async () => {
      // A schema may ask somebody too, and wait for the answer.
      const payload = await parsePayload(definition, sealed, details.payload_version)
      timeUp.signal.throwIfAborted()
      // The definition's own schema vouches for the payload's type, which the registry no longer knows.
      return definition.revalidate?.(payload as never, {
        jobId: job.job_id,
        jobType: job.job_type,
        scheduledTime: new Date(job.scheduled_ms),
        occurrence: details.occurrence_ms === null ? null : new Date(details.occurrence_ms),
        tx,
        signal: timeUp.signal,
      })
    }
    const answer = asking()
    // It may fail after its time was up, when nobody listens any more.
    answer.catch(() => {})
    const longestMs = this.#longestMs
    const late = sleep(this.#core.clock, longestMs, ended.signal).then(() => {
      const error = new BelfryError('BELFRY_JOB_TIMEOUT', `revalidate ran longer than ${longestMs} ms`)
      if (!ended.signal.aborted) timeUp.abort(error)
      throw error
    })
    try {
      return relevanceOf(await Promise.race([answer, late]), job.job_type)
    } finally {
      ended.abort()
      late.catch(() => {})
    }
  }

  async #write(transaction: Queryable): Promise<void> {
    const { tables } = this.#core
    const now = databaseNow(this.#core)
    const over = this.#over.map(each => each.row)
    const again = this.#again.map(each => each.row)
    const postponed = this.#postponed.map(each => each.row)
    if (over.length > 0) {
      const settled = await storable(transaction, over, attempts =>
        settleFinished(transaction, tables, { attempts, now }),
      )
      this.#settled.push({ ends: this.#over.map(each => each.end), settled })
    }
    if (again.length > 0) {
      // In strict order the followers of a key wait for a retry, as if it had been started.
      const strict = again.filter(each => each.keepsSlot).map(each => each.jobId)
      if (strict.length > 0) await admitJobs(transaction, tables, strict)
      const settled = await storable(transaction, again, attempts =>
        settlePending(transaction, tables, { attempts, now }),
      )
      this.#settled.push({ ends: this.#again.map(each => each.end), settled })
    }
    if (postponed.length > 0) {
      await postponeClaimed(transaction, tables, { jobs: postponed, leaseToken: this.#leaseToken, now })
    }
    await this.#giveBack(transaction, { jobs: this.#clashed, delayMs: CLASH_PAUSE_MS, now })
    await this.#giveBack(transaction, { jobs: this.#unasked, delayMs: 0, now })
  }

  async #giveBack(
    transaction: Queryable,
    { jobs, ...request }: { jobs: readonly ClaimedJob[]; delayMs: number; now: string | null },
  ): Promise<void> {
    if (jobs.length === 0) return
    const held = jobs.map(job => ({ jobId: job.job_id, leaseToken: this.#leaseToken }))
    const strictTypes = this.#core.registry.strictTypes()
    await releaseJobs(transaction, this.#core.tables, { jobs: held, strictTypes, ...request })
  }
}

/** What the database would not take in full is stored without its details: the claim must not fail for it, again and again. */
async function storable<Row extends object>(
  transaction: Queryable,
  rows: readonly Row[],
  store: (rows: readonly Row[]) => Promise<Settled>,
): Promise<Settled> {
  await transaction.query('savepoint belfry_outcomes')
  try {
    const settled = await store(rows)
    await transaction.query('release savepoint belfry_outcomes')
    return settled
  } catch (error) {
    if (!isDataError(error)) throw error
    await transaction.query('rollback to savepoint belfry_outcomes')
    return store(rows.map(row => withoutData(row, error)))
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
