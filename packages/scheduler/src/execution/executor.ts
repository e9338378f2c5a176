import type { Core } from '../core.ts'
import type { FollowingJobs } from '../durable/outbox.ts'
import { BelfryError } from '../errors.ts'
import { ExpiredError } from '../job/control-errors.ts'
import type { ExecutionCall } from '../job/middleware.ts'
import { decideOutcome, type HandlerEnd } from '../job/outcome.ts'
import { parsePayload } from '../job/payload.ts'
import { openPayload } from '../job/stored-payload.ts'
import type { ResolvedOptions } from '../options.ts'
import { parseDuration } from '../runtime/duration.ts'
import type { UncommonFields } from '../store/claim-jobs.ts'
import { AttemptContext } from './attempt-context.ts'
import { Deadlines } from './deadlines.ts'
import { DeliveryGate } from './delivery-gate.ts'
import { eventOf, type HeldJob } from './held-job.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { Settler } from './settler.ts'

/** Takes a claimed job to its settled row: resolve, parse, run, decide, settle. */
export class Executor {
  readonly #core: Core
  readonly #held: HeldJobs
  readonly #settler: Settler
  readonly #following: FollowingJobs
  readonly #deadlines: Deadlines
  readonly #gate: DeliveryGate

  constructor(core: Core, parts: { held: HeldJobs; settler: Settler; following: FollowingJobs }) {
    this.#core = core
    this.#held = parts.held
    this.#settler = parts.settler
    this.#following = parts.following
    this.#gate = new DeliveryGate(core)
    this.#deadlines = new Deadlines(core.clock, {
      running: () => this.#held.running(),
      onExpired: held => this.#timeUp(held),
    })
  }

  /**
   * Runs one attempt; `onFree` is called when its slot is free again: when the handler has ended, even if its outcome
   * was settled earlier because it ran into its timeout. Never throws.
   */
  start(held: HeldJob, onFree: () => void): void {
    const { clock, events } = this.#core
    held.startedAt = clock.monotonic()
    held.deadline = held.startedAt + (held.details.timeout_ms ?? held.definition.timeoutMs)
    this.#held.started(held)
    this.#deadlines.watch(held)
    if (!held.abortReason && events.has('job:started')) events.emit('job:started', eventOf(held))
    const ended = (end: HandlerEnd) => {
      this.#held.ended(held, clock.monotonic() - held.startedAt)
      this.#settle(held, end)
      onFree()
    }
    const context = new AttemptContext(this.#core, held, this.#following)
    held.context = context
    let work: unknown
    try {
      this.#refuseLate(held)
      const window = this.#gate.windowOf(held)
      const call = () => callHandler(held, context, this.#core.options)
      work = window ? this.#gate.pass(held, window).then(call) : call()
    } catch (threw) {
      // Not in this turn: a slot that is freed while it is being filled would be filled twice.
      work = Promise.reject(threw)
    }
    Promise.resolve(work).then(
      returned => {
        const { outbox } = context
        if (!outbox) return ended({ returned })
        return outbox.collect().then(following => {
          held.following = following
          ended({ returned })
        })
      },
      (threw: unknown) => ended({ threw }),
    )
  }

  /** Throws what becomes of a job that could not start in time. */
  #refuseLate(held: HeldJob): void {
    const { details, definition } = held
    if (details.expires_in_ms === null || held.startedAt - held.claimedAt <= details.expires_in_ms) return
    if (definition.onExpired === 'run') return
    if (definition.onExpired === 'drop') throw new ExpiredError(undefined)
    throw new ExpiredError({ delayMs: parseDuration(definition.onExpired.reschedule) })
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
      this.#settle(held, { threw: undefined })
      this.#core.events.emit('job:overrun', { ...eventOf(held), timeoutMs })
    })
  }

  /** Decides once what became of an attempt; a handler that ends after its timeout finds that decided. */
  #settle(held: HeldJob, end: HandlerEnd): void {
    if (held.settled) return
    held.settled = true
    const { details, definition } = held
    const outcome = decideOutcome(end, {
      retryCount: details.retry_count,
      maxRetries: details.max_retries,
      backoff: definition.backoff,
      abortReason: held.abortReason,
      random: this.#core.options.random,
    })
    this.#settler.add({ held, outcome, durationMs: this.#core.clock.monotonic() - held.startedAt })
  }
}

/** Runs the handler on the parsed payload, inside the middleware. */
function callHandler(held: HeldJob, context: AttemptContext, options: ResolvedOptions): unknown {
  const { job, details, definition } = held
  if (details.cancel_requested) {
    held.abort(new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while an earlier attempt ran'))
  }
  // Cancelled or taken away while it waited for its instant or its slot: it never starts.
  if (held.abortReason) throw held.abortReason
  const { handler } = definition
  if (!handler) throw new BelfryError('BELFRY_INVALID_JOB_TYPE', `no handler for ${definition.type}`)
  // The definition's own schema vouches for the payload's type, which the registry no longer knows.
  const run = (payload: unknown): unknown => {
    const { aroundExecution } = options
    if (!aroundExecution) return handler(payload as never, context)
    const call = { job: factsOf(context, details), payload, context }
    return aroundExecution(call, async () => handler(payload as never, context))
  }
  const payload = openPayload(options.payloadCipher, job.payload, job.job_type)
  if (!definition.payload && details.payload_version === definition.payloadVersion) return run(payload)
  return parsePayload(definition, payload, details.payload_version).then(run)
}

function factsOf(context: AttemptContext, details: UncommonFields): ExecutionCall['job'] {
  const { jobId, jobType, attempt, retryCount, maxRetries, scheduledTime, occurrence } = context
  const metadata = details.metadata ?? {}
  return { jobId, jobType, attempt, retryCount, maxRetries, scheduledTime, occurrence, metadata }
}
