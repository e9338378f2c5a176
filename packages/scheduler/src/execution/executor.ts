import type { Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import { decideOutcome, type HandlerEnd } from '../job/outcome.ts'
import { parsePayload } from '../job/payload.ts'
import { AttemptContext } from './attempt-context.ts'
import { Deadlines } from './deadlines.ts'
import { eventOf, type HeldJob } from './held-job.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { Settler } from './settler.ts'

/** One attempt under way. */
interface Attempt {
  readonly held: HeldJob
  readonly definition: AnyJobDefinition
  readonly context: AttemptContext
}

/** Takes a claimed job to its settled row: resolve, parse, run, decide, settle. */
export class Executor {
  readonly #core: Core
  readonly #held: HeldJobs
  readonly #settler: Settler
  readonly #deadlines: Deadlines
  readonly #overdue = new Map<HeldJob, Attempt>()

  constructor(core: Core, parts: { held: HeldJobs; settler: Settler }) {
    this.#core = core
    this.#held = parts.held
    this.#settler = parts.settler
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
    const { clock, events, registry } = this.#core
    const { job } = held
    const definition = registry.findOrDefault(job.job_type)
    const timeoutMs = job.uncommon?.timeout_ms ?? definition.timeoutMs
    held.startedAt = clock.monotonic()
    held.deadline = held.startedAt + timeoutMs
    this.#held.started(held)
    this.#deadlines.watch(held)
    if (!held.abortReason && events.has('job:started')) events.emit('job:started', eventOf(held))
    const attempt = { held, definition, context: new AttemptContext(this.#core, held) }
    const ended = (end: HandlerEnd) => {
      this.#held.ended(held, clock.monotonic() - held.startedAt)
      this.#overdue.delete(held)
      if (!held.settled) this.#settle(attempt, end)
      onFree()
    }
    callHandler(attempt).then(
      returned => ended({ returned }),
      (threw: unknown) => ended({ threw }),
    )
    this.#overdue.set(held, attempt)
  }

  /** Gives an attempt back unspent whose handler does not end although it was aborted: the process is stopping. */
  giveBack(held: HeldJob): void {
    if (held.settled) return
    held.settled = true
    this.#settler.add({ held, outcome: { kind: 'interrupted' }, durationMs: 0, log: [] })
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
      const attempt = this.#overdue.get(held)
      if (!attempt || held.settled) return
      this.#settle(attempt, { threw: undefined })
      this.#core.events.emit('job:overrun', { ...eventOf(held), timeoutMs })
    })
  }

  #settle({ held, definition, context }: Attempt, end: HandlerEnd): void {
    held.settled = true
    const { job } = held
    const outcome = decideOutcome(end, {
      retryCount: job.retry_count,
      maxRetries: job.max_retries,
      backoff: definition.backoff,
      abortReason: held.abortReason,
      random: this.#core.options.random,
    })
    const durationMs = this.#core.clock.monotonic() - held.startedAt
    this.#settler.add({ held, outcome, durationMs, log: context.lines })
  }
}

/** Runs the handler on the parsed payload. */
async function callHandler({ held, definition, context }: Attempt): Promise<unknown> {
  const { job } = held
  if (job.uncommon?.cancel_requested) {
    held.abort(new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while an earlier attempt ran'))
  }
  // Cancelled or taken away while it waited for its instant or its slot: it never starts.
  if (held.abortReason) throw held.abortReason
  if (!definition.handler) throw new BelfryError('BELFRY_INVALID_JOB_TYPE', `no handler for ${definition.type}`)
  const payload = await parsePayload(definition, job.payload, job.uncommon?.payload_version ?? 1)
  // The definition's own schema has just vouched for the payload's type, which the registry no longer knows.
  return definition.handler(payload as never, context)
}
