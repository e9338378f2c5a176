import type { Core } from '../core.ts'
import type { FollowingJobs } from '../durable/outbox.ts'
import { BelfryError } from '../errors.ts'
import { ExpiredError } from '../job/control-errors.ts'
import type { ResolvedWindow } from '../job/delivery-window.ts'
import type { ExecutionCall } from '../job/middleware.ts'
import { decideOutcome, type HandlerEnd } from '../job/outcome.ts'
import { parsePayload } from '../job/payload.ts'
import { openValue, sealedAs } from '../job/sealed-value.ts'
import type { ResolvedOptions } from '../options.ts'
import { parseDuration } from '../runtime/duration.ts'
import type { UncommonFields } from '../store/claim-jobs.ts'
import { AttemptContext } from './attempt-context.ts'
import { runBatch, type RunningAttempt } from './batch-run.ts'
import { Deadlines } from './deadlines.ts'
import { DeliveryGate } from './delivery-gate.ts'
import { eventOf, refuseUnreadable, waitedMs, type HeldJob } from './held-job.ts'
import type { HeldJobs } from './held-jobs.ts'
import { Overruns } from './overruns.ts'
import { EndedAttempt } from './settlement.ts'
import type { Settler } from './settler.ts'
import { TransactionalAttempt } from './transactional-attempt.ts'
import { Transactions } from './transactions.ts'

/** Takes claimed jobs to their settled rows: resolve, parse, run, decide, settle. */
export class Executor {
  readonly #core: Core
  readonly #held: HeldJobs
  readonly #settler: Settler
  readonly #following: FollowingJobs
  readonly #deadlines: Deadlines
  readonly #gate: DeliveryGate
  readonly #transactions: Transactions
  readonly #overruns: Overruns

  constructor(core: Core, parts: { held: HeldJobs; settler: Settler; following: FollowingJobs }) {
    this.#core = core
    this.#held = parts.held
    this.#settler = parts.settler
    this.#following = parts.following
    this.#gate = new DeliveryGate(core)
    this.#transactions = new Transactions(core, parts)
    this.#overruns = new Overruns(core.clock, core.options.concurrency)
    this.#deadlines = new Deadlines(core.clock, {
      running: () => this.#held.running(),
      onExpired: held => this.#timeUp(held),
    })
  }

  /** Transactional handlers that may start beside those that run. */
  get freeTransactions(): number {
    return this.#transactions.free
  }

  /** A transactional handler holds the connection that everything else needs too. */
  get blocksDatabase(): boolean {
    return this.#transactions.blocksDatabase
  }

  /**
   * Runs one attempt; `onFree` is called when its slot is free again: when the handler has ended, even if its outcome
   * was settled earlier because it ran into its timeout, or a grace after that timeout. Never throws.
   */
  start(held: HeldJob, onFree: () => void): void {
    const { transactional } = held.definition
    this.#held.takeSlot(held)
    if (transactional) this.#transactions.reserve(held)
    const context = this.#begin(held, onFree)
    const ended = (end: HandlerEnd) => {
      if (transactional) this.#transactions.release(held)
      const durationMs = this.#core.clock.monotonic() - held.startedAt
      this.#held.ended(held, durationMs)
      // Settled before it has ended: its time was up, and its slot may be given away.
      const given = held.settled && this.#overruns.ended(held)
      if (!given) this.#held.freeSlot(held)
      this.#settle(held, end, durationMs)
      if (!given) onFree()
    }
    let work: unknown
    try {
      refuseUnreadable(held)
      const window = this.#gate.windowOf(held)
      work =
        this.#refuseLate(held, window) ??
        (window
          ? this.#gate.pass(held, window).then(() => this.#callHandler(held, context))
          : this.#callHandler(held, context))
    } catch (threw) {
      // Not in this turn: a slot that is freed while it is being filled would be filled twice.
      work = Promise.reject(threw)
    }
    Promise.resolve(work).then(
      returned => {
        const { outbox } = context
        if (!outbox || held.settled) return ended({ returned })
        return outbox.collect().then(following => {
          held.following = following
          ended({ returned })
        })
      },
      (threw: unknown) => ended({ threw }),
    )
  }

  /** Runs jobs of one type in one call of its handler; `onFree` as for one. Never throws. */
  startBatch(jobs: readonly HeldJob[], onFree: () => void): void {
    const [first] = jobs
    if (!first) return
    this.#held.takeSlot(first)
    for (const held of jobs) held.batch = jobs
    runBatch(jobs, {
      begin: held => this.#begin(held, onFree),
      prepare: async held => {
        refuseUnreadable(held)
        const window = this.#gate.windowOf(held)
        await this.#refuseLate(held, window)
        if (window) await this.#gate.pass(held, window)
        refuseAborted(held)
        return payloadOf(held, this.#core.options)
      },
      around: (attempt, innermost) => this.#around(attempt, innermost),
      ended: async ({ held, context }, end) => {
        if ('returned' in end && context.outbox) held.following = await context.outbox.collect()
        const durationMs = this.#core.clock.monotonic() - held.startedAt
        this.#held.ended(held, durationMs)
        this.#settle(held, end, durationMs)
      },
      free: () => {
        if (this.#overruns.ended(jobs)) return
        this.#held.freeSlot(first)
        onFree()
      },
    })
  }

  /** Gives an attempt back unspent whose handler does not end although it was aborted: the process is stopping. */
  giveBack(held: HeldJob): void {
    if (held.settled) return
    held.settled = true
    this.#settler.add({ held, outcome: { kind: 'interrupted' }, durationMs: 0 })
  }

  /** Nothing runs any more. */
  stop(): void {
    this.#deadlines.stop()
    this.#overruns.stop()
  }

  #begin(held: HeldJob, onFree: () => void): AttemptContext {
    const { clock, events } = this.#core
    const { details, definition } = held
    held.startedAt = clock.monotonic()
    held.deadline = held.startedAt + (details.timeout_ms ?? definition.timeoutMs)
    if (definition.transactional) {
      held.deadline = Math.min(held.deadline, held.startedAt + this.#transactions.longestMs)
    }
    held.onFree = onFree
    this.#held.started(held)
    this.#deadlines.watch(held)
    if (!held.abortReason && events.has('job:started')) {
      events.emit('job:started', { ...eventOf(held), waitMs: waitedMs(held, clock.now()) })
    }
    const context = definition.transactional
      ? new TransactionalAttempt(this.#core, held, this.#following)
      : new AttemptContext(this.#core, held, this.#following)
    held.context = context
    return context
  }

  /** Throws what becomes of a job that could not start in time, or rejects with it. */
  #refuseLate(held: HeldJob, window: ResolvedWindow | undefined): Promise<never> | undefined {
    const { details, definition } = held
    if (details.expires_in_ms === null || held.startedAt - held.claimedAt <= details.expires_in_ms) return
    if (definition.onExpired === 'run') return
    if (definition.onExpired === 'drop') throw new ExpiredError(undefined)
    const delayMs = parseDuration(definition.onExpired.reschedule)
    if (window) return this.#gate.putOff(held, window, delayMs)
    throw new ExpiredError({ delayMs })
  }

  /** Runs the handler on the parsed payload, inside the middleware. */
  #callHandler(held: HeldJob, context: AttemptContext): unknown {
    refuseAborted(held)
    const { handler } = held.definition
    if (!handler) throw new BelfryError('BELFRY_INVALID_JOB_TYPE', `no handler for ${held.definition.type}`)
    // The definition's own schema vouches for the payload's type, which the registry no longer knows.
    const handle = (payload: unknown): unknown => {
      // Reading the payload, or a middleware, may have taken long: nothing begins that is over already.
      refuseAborted(held)
      return handler(payload as never, context)
    }
    const call = (payload: unknown): unknown => {
      if (!this.#core.options.aroundExecution) return handle(payload)
      return this.#around({ held, context, payload }, async () => handle(payload))
    }
    const run = (payload: unknown): unknown =>
      context instanceof TransactionalAttempt
        ? this.#transactions.run(held, context, async () => call(payload))
        : call(payload)
    const payload = payloadOf(held, this.#core.options)
    return payload instanceof Promise ? payload.then(run) : run(payload)
  }

  #around(attempt: RunningAttempt, innermost: () => Promise<unknown>): Promise<unknown> {
    const { aroundExecution } = this.#core.options
    if (!aroundExecution) return innermost()
    const { held, context, payload } = attempt
    return aroundExecution({ job: factsOf(context, held.details), payload, context }, innermost)
  }

  /** Aborts the handler, and stops waiting for one that does not obey. */
  #timeUp(held: HeldJob): void {
    const timeoutMs = held.deadline - held.startedAt
    held.abort(
      new BelfryError('BELFRY_JOB_TIMEOUT', `the attempt ran longer than its timeout of ${Math.round(timeoutMs)} ms`),
    )
    // A handler that obeys its signal ends within this turn of the event loop and is then no overrun.
    setImmediate(() => {
      if (held.settled) return
      this.#settle(held, { threw: undefined }, this.#core.clock.monotonic() - held.startedAt)
      this.#watchOverrun(held)
      if (held.handlerEnded) return
      this.#core.events.emit('job:overrun', { ...eventOf(held), timeoutMs, running: this.#held.overrunCount })
    })
  }

  /** A batch is overrun when none of its jobs has time left. */
  #watchOverrun(held: HeldJob): void {
    const { batch, onFree } = held
    if (batch?.some(each => !each.settled)) return
    this.#overruns.began(batch ?? held, () => {
      this.#held.freeSlot(held)
      onFree()
    })
  }

  /** Decides once what became of an attempt; a handler that ends after its timeout finds that decided. */
  #settle(held: HeldJob, end: HandlerEnd, durationMs: number): void {
    if (held.settled) return
    held.settled = true
    const { details, definition } = held
    const outcome = decideOutcome(end, {
      retryCount: details.retry_count,
      maxRetries: details.max_retries,
      backoff: details.backoff ?? definition.backoff,
      abortReason: held.abortReason,
      random: this.#core.options.random,
    })
    this.#settler.add(new EndedAttempt(held, outcome, durationMs))
  }
}

/** Cancelled or taken away while it waited for its instant or its slot: it never starts. */
function refuseAborted(held: HeldJob): void {
  if (held.details.cancel_requested) {
    held.abort(new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while an earlier attempt ran'))
  }
  if (held.abortReason) throw held.abortReason
}

/** The payload as the handler gets it: at once when there is nothing to check. */
function payloadOf({ job, details, definition }: HeldJob, options: ResolvedOptions): unknown {
  const payload = openValue(options.payloadCipher, job.payload, sealedAs.payload(job.job_type))
  if (!definition.payload && details.payload_version === definition.payloadVersion) return payload
  return parsePayload(definition, payload, details.payload_version)
}

function factsOf(context: AttemptContext, details: UncommonFields): ExecutionCall['job'] {
  const { jobId, jobType, attempt, retryCount, maxRetries, scheduledTime, occurrence } = context
  const metadata = details.metadata ?? {}
  return { jobId, jobType, attempt, retryCount, maxRetries, scheduledTime, occurrence, metadata }
}
