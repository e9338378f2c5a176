import { answersOf } from '../job/batch-answers.ts'
import type { HandlerEnd } from '../job/outcome.ts'
import type { AttemptContext } from './attempt-context.ts'
import type { HeldJob } from './held-job.ts'

/** An attempt whose payload is known. */
export interface RunningAttempt {
  readonly held: HeldJob
  readonly context: AttemptContext
  readonly payload: unknown
}

interface BatchParts {
  /** Marks a job as started. */
  begin(held: HeldJob): AttemptContext
  /** Its payload; rejects with what keeps it from running. */
  prepare(held: HeldJob): Promise<unknown>
  /** Middleware around one job. */
  around(attempt: RunningAttempt, innermost: () => Promise<unknown>): Promise<unknown>
  /** A job's part of the call is over. */
  ended(attempt: { held: HeldJob; context: AttemptContext }, end: HandlerEnd): Promise<void>
  /** Every job's part is over. */
  free(): void
}

/**
 * Runs jobs of one type in one call of its handler. Each job goes its own way up to the call and from it: its payload,
 * its middleware, its deadline, its outcome. The call begins when every job has arrived or has fallen out on the way.
 */
export function runBatch(jobs: readonly HeldJob[], parts: BatchParts): void {
  const call = new SharedCall(jobs)
  const runs = jobs.map(async held => {
    const context = parts.begin(held)
    await parts.ended({ held, context }, await runJob({ held, context, call }, parts))
  })
  void Promise.all(runs).then(() => parts.free())
}

async function runJob(
  { held, context, call }: { held: HeldJob; context: AttemptContext; call: SharedCall },
  parts: BatchParts,
): Promise<HandlerEnd> {
  try {
    const payload = await parts.prepare(held)
    const attempt = { held, context, payload }
    return { returned: await parts.around(attempt, () => call.arrive(attempt)) }
  } catch (threw) {
    return { threw }
  } finally {
    call.leave(held)
  }
}

interface Arrival extends RunningAttempt {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

/** The one call, and the jobs that wait for it. */
class SharedCall {
  readonly #jobs: readonly HeldJob[]
  readonly #awaited: Set<HeldJob>
  readonly #arrived: Arrival[] = []

  constructor(jobs: readonly HeldJob[]) {
    this.#jobs = jobs
    this.#awaited = new Set(jobs)
  }

  /** A job is ready; resolves with its result when the call has been made. */
  arrive(attempt: RunningAttempt): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#arrived.push({ ...attempt, resolve, reject })
      this.leave(attempt.held)
    })
  }

  /** A job is not waited for (any more). */
  leave(held: HeldJob): void {
    if (this.#awaited.delete(held) && this.#awaited.size === 0) this.#begin()
  }

  #begin(): void {
    // In the order they were claimed, whichever payload was parsed first.
    const inOrder = this.#arrived.toSorted((a, b) => this.#jobs.indexOf(a.held) - this.#jobs.indexOf(b.held))
    for (const { held, reject } of inOrder) if (held.abortReason) reject(held.abortReason)
    const wanted = inOrder.filter(({ held }) => !held.abortReason)
    const [first] = wanted
    if (!first) return
    const { type: jobType } = first.held.definition
    callHandler(wanted).then(
      answer => {
        const ids = wanted.map(({ held }) => held.job.job_id)
        for (const [index, end] of answersOf(answer, ids, jobType).entries()) {
          const { resolve, reject } = wanted[index] ?? first
          if ('threw' in end) reject(end.threw)
          else resolve(end.returned)
        }
      },
      (error: unknown) => {
        for (const { reject } of wanted) reject(error)
      },
    )
  }
}

async function callHandler(attempts: readonly RunningAttempt[]): Promise<unknown> {
  const [first] = attempts
  const { definition } = first?.held ?? {}
  const controller = new AbortController()
  const jobs = attempts.map(({ held, context, payload }) => {
    held.onAbort = () => {
      if (attempts.every(each => each.held.abortReason)) controller.abort(held.abortReason)
    }
    return { jobId: held.job.job_id, payload: payload as never, context }
  })
  return definition?.batch?.handler?.(jobs, { jobType: definition.type, signal: controller.signal })
}
