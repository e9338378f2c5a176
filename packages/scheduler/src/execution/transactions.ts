import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import type { FollowingJobs } from '../durable/outbox.ts'
import { BelfryError } from '../errors.ts'
import { NonRetryableError } from '../job/control-errors.ts'
import { recordError } from '../job/error-record.ts'
import { lockAttempt } from '../store/lock-attempt.ts'
import { settleFinished, type Settled } from '../store/settle-finished.ts'
import { boundStatements } from './attempt-transaction.ts'
import type { HeldJob } from './held-job.ts'
import { recordOf, type AttemptEnd } from './settlement.ts'
import { isRefusal } from './refused-outcome.ts'
import type { Settler } from './settler.ts'
import type { TransactionalAttempt } from './transactional-attempt.ts'

/** Connections that transactional handlers leave to the scheduler: one listens, one claims, one settles and renews. */
const KEPT_CONNECTIONS = 3

/** Runs handlers inside the transaction that completes their job. */
export class Transactions {
  readonly #core: Core
  readonly #settler: Settler
  readonly #following: FollowingJobs
  readonly #open = new Set<HeldJob>()

  constructor(core: Core, parts: { settler: Settler; following: FollowingJobs }) {
    this.#core = core
    this.#settler = parts.settler
    this.#following = parts.following
  }

  /** Transactions that may be opened beside those that are open, so that the scheduler never starves itself. */
  get free(): number {
    return Math.max(1, this.#core.database.maxConnections - KEPT_CONNECTIONS) - this.#open.size
  }

  /**
   * Longest run of such a handler, in ms: with too few connections for anything beside it, not even the lease can be
   * renewed meanwhile.
   */
  get longestMs(): number {
    return this.#isAlone ? this.#core.options.leaseMs / 2 : Number.POSITIVE_INFINITY
  }

  /** A transaction is open that everything else has to wait for. */
  get blocksDatabase(): boolean {
    return this.#isAlone && this.#open.size > 0
  }

  get #isAlone(): boolean {
    return this.#core.database.maxConnections < KEPT_CONNECTIONS
  }

  /** Its handler is about to start. */
  reserve(held: HeldJob): void {
    this.#open.add(held)
  }

  /** Its transaction has ended, or was never begun. */
  release(held: HeldJob): void {
    this.#open.delete(held)
  }

  /**
   * Calls the handler with an open transaction. When it has returned, the attempt is settled as completed in that
   * transaction; in every other case nothing of it is kept and this rejects. Resolves or rejects when the handler has
   * ended too: its slot is its own until then.
   */
  async run(held: HeldJob, context: TransactionalAttempt, call: () => Promise<unknown>): Promise<unknown> {
    let work: Promise<unknown> | undefined
    let end: AttemptEnd | undefined
    let settled: Settled | undefined
    held.handlerEnded = true
    try {
      await this.#core.database.transaction(async transaction => {
        await this.#bound(transaction, held)
        if (held.abortReason) throw held.abortReason
        context.transaction.open(transaction)
        try {
          held.handlerEnded = false
          work = call().finally(() => (held.handlerEnded = true))
          const result = await unlessAborted(held, work)
          end = {
            held,
            outcome: { kind: 'completed', result },
            durationMs: this.#core.clock.monotonic() - held.startedAt,
          }
        } finally {
          context.transaction.close()
        }
        const written = await this.#complete(transaction, end, context)
        if (isRefused(held)) throw held.abortReason
        // From here on only the commit decides: neither the clock nor a shutdown does.
        held.settled = true
        settled = written
      })
    } catch (error) {
      if (settled) held.settled = false
      this.release(held)
      await work?.catch(() => {})
      throw error
    }
    if (end && settled) await this.#settler.settledElsewhere([end], settled)
    return undefined
  }

  async #complete(transaction: Queryable, end: AttemptEnd, context: TransactionalAttempt): Promise<Settled> {
    const { held } = end
    const { tables, options } = this.#core
    const following = (await context.outbox?.collect()) ?? []
    const row = await lockAttempt(transaction, tables, { jobId: held.job.job_id, leaseToken: held.leaseToken })
    if (!row) held.abort(new BelfryError('BELFRY_LEASE_LOST', `job ${held.job.job_id} was taken from this runner`))
    else if (row.cancel_requested) held.abort(new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while running'))
    if (isRefused(held)) throw held.abortReason
    const record = recordOf(end, options)
    const attempts = 'over' in record ? [record.over] : []
    const settled = await settleFinished(transaction, tables, { attempts, now: databaseNow(this.#core) })
    if (following.length > 0) {
      await this.#following.store(transaction, following).catch((error: unknown) => {
        throw isRefusal(error) ? hopeless(error) : error
      })
    }
    return settled
  }

  /** A statement of the handler must not keep the rollback waiting past its time. */
  async #bound(transaction: Queryable, held: HeldJob): Promise<void> {
    const { database, clock } = this.#core
    if (database.kind !== 'server') return
    const leftMs = Math.min(held.deadline - clock.monotonic(), LONGEST_STATEMENT_MS)
    await boundStatements(transaction, { statementMs: leftMs, lockMs: leftMs })
  }
}

/** The server counts milliseconds in 32 bits. */
const LONGEST_STATEMENT_MS = 2_147_483_647

/** What was written must not stay. A process that is stopping may keep what is complete. */
function isRefused({ abortReason }: HeldJob): boolean {
  return abortReason !== undefined && abortReason.code !== 'BELFRY_SHUTDOWN'
}

/** A job whose followers cannot be stored, an id being taken, has failed: trying again would ask for the same. */
function hopeless(error: unknown): Error {
  const { code, message } = recordError(error)
  return Object.assign(new NonRetryableError(message, { cause: error }), code !== null && { code })
}

/** Answers what the work does, unless the attempt is aborted before: its transaction is not kept open for the deaf. */
function unlessAborted(held: HeldJob, work: Promise<unknown>): Promise<unknown> {
  const { signal } = held
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
    if (signal.aborted) stop()
  })
}
