import type { Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import { decideOutcome, type HandlerEnd } from '../job/outcome.ts'
import { parsePayload } from '../job/payload.ts'
import type { ClaimedJob } from '../store/claim-jobs.ts'
import { AttemptContext } from './attempt-context.ts'
import type { RunningJob, RunningJobs } from './running-jobs.ts'
import { settlementOf } from './settlement.ts'
import type { Settler } from './settler.ts'

const TIMED_OUT: HandlerEnd = { threw: undefined }

/** Takes a claimed job to its settled row: resolve, parse, run, decide, settle, tell. */
export class Executor {
  readonly #core: Core
  readonly #running: RunningJobs
  readonly #settler: Settler

  constructor(core: Core, parts: { running: RunningJobs; settler: Settler }) {
    this.#core = core
    this.#running = parts.running
    this.#settler = parts.settler
  }

  /**
   * Runs one attempt. Resolves when the slot is free again: when the handler has ended, even if its outcome was settled
   * earlier because it ran into its timeout. Never rejects.
   */
  async run(job: ClaimedJob, leaseToken: string): Promise<void> {
    const running: RunningJob = { job, leaseToken, controller: new AbortController() }
    this.#running.add(running)
    try {
      await this.#attempt(running)
    } finally {
      this.#running.remove(running)
    }
  }

  /** Gives an attempt back unspent whose handler does not end although it was aborted: the process is stopping. */
  giveBack(running: RunningJob): void {
    const { job } = running
    const settlement = settlementOf({ kind: 'interrupted' }, { running, durationMs: 0, log: [], maxBytes: 0 })
    const about = { jobId: job.job_id, jobType: job.job_type, attempt: job.attempt }
    this.#settler.add({
      record: settlement.record,
      onSettled: accepted => {
        if (accepted) this.#core.events.emit('job:settled', { ...about, ...settlement.told, durationMs: 0 })
      },
    })
  }

  async #attempt(running: RunningJob): Promise<void> {
    const { job } = running
    const { clock, events, registry } = this.#core
    const definition = registry.findOrDefault(job.job_type)
    const context = new AttemptContext(this.#core, running)
    const begun = clock.monotonic()
    events.emit('job:started', { jobId: job.job_id, jobType: job.job_type, attempt: job.attempt })
    const timeoutMs = job.timeout_ms ?? definition.timeoutMs
    const handler = callHandler({ definition, running, context })
    const timeout = this.#watchTimeout(running, timeoutMs)
    const end = await Promise.race([handler, timeout.reached])
    timeout.cancel()
    this.#settle({ running, definition, end, log: context.lines, durationMs: clock.monotonic() - begun })
    if (end === TIMED_OUT) {
      events.emit('job:overrun', { jobId: job.job_id, jobType: job.job_type, attempt: job.attempt, timeoutMs })
      await handler
    }
  }

  /** Aborts the handler when its time is up, and stops waiting for one that does not obey. */
  #watchTimeout(running: RunningJob, timeoutMs: number): { reached: Promise<HandlerEnd>; cancel(): void } {
    let reach: (end: HandlerEnd) => void = () => {}
    const reached = new Promise<HandlerEnd>(resolve => (reach = resolve))
    const timer = this.#core.clock.setTimer(timeoutMs, () => {
      const message = `the attempt ran longer than its timeout of ${timeoutMs} ms`
      running.controller.abort(new BelfryError('BELFRY_JOB_TIMEOUT', message))
      // A handler that obeys its signal ends within this turn of the event loop and is then no overrun.
      setImmediate(() => reach(TIMED_OUT))
    })
    return { reached, cancel: () => timer.cancel() }
  }

  #settle(attempt: {
    running: RunningJob
    definition: AnyJobDefinition
    end: HandlerEnd
    log: readonly string[]
    durationMs: number
  }): void {
    const { running, definition, end, durationMs } = attempt
    const { job, controller } = running
    const outcome = decideOutcome(end, {
      retryCount: job.retry_count,
      maxRetries: job.max_retries,
      backoff: definition.backoff,
      abortReason: controller.signal.reason instanceof BelfryError ? controller.signal.reason : undefined,
      random: this.#core.options.random(),
    })
    const settlement = settlementOf(outcome, {
      running,
      durationMs,
      log: attempt.log,
      maxBytes: this.#core.options.maxPayloadBytes,
    })
    const about = { jobId: job.job_id, jobType: job.job_type, attempt: job.attempt }
    this.#settler.add({
      record: settlement.record,
      onSettled: accepted => {
        if (!accepted || outcome.kind === 'lease_lost') return this.#core.events.emit('job:lease-lost', about)
        this.#core.events.emit('job:settled', { ...about, ...settlement.told, durationMs })
      },
    })
  }
}

/** Runs the handler on the parsed payload. Never rejects: a throw is an end like any other. */
async function callHandler(call: {
  definition: AnyJobDefinition
  running: RunningJob
  context: AttemptContext
}): Promise<HandlerEnd> {
  const { definition, running, context } = call
  const { job, controller } = running
  try {
    if (job.cancel_requested) {
      const reason = new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while an earlier attempt ran')
      controller.abort(reason)
      throw reason
    }
    if (!definition.handler) throw new BelfryError('BELFRY_INVALID_JOB_TYPE', `no handler for ${definition.type}`)
    const payload = await parsePayload(definition, job.payload, job.payload_version)
    // The definition's own schema has just vouched for the payload's type, which the registry no longer knows.
    return { returned: await definition.handler(payload as never, context) }
  } catch (threw) {
    return { threw }
  }
}
