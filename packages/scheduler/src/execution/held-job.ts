import type { FollowingJob } from '../durable/outbox.ts'
import type { BelfryError } from '../errors.ts'
import type { JobEvent } from '../events.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import { unreadable } from '../job/stored-fields.ts'
import type { TypeLoad } from './type-load.ts'
import { ORDINARY, type ClaimedJob, type UncommonFields } from '../store/claim-jobs.ts'

/** A job this runner holds under a lease: waiting for its instant or a slot, or running. */
export class HeldJob {
  readonly job: ClaimedJob
  readonly definition: AnyJobDefinition
  readonly leaseToken: string
  /** By the monotonic clock, in ms, like every time here. */
  readonly claimedAt: number
  readonly dueAt: number
  /** Undefined: not held here, or not any more. */
  stage: 'waiting' | 'running' | undefined = undefined
  /** Its place among the held jobs. */
  place = -1
  /** What is known of its type's jobs here. */
  load: TypeLoad | undefined = undefined
  /** What its handler was given. */
  context: { readonly lines: readonly string[] } | undefined
  /** Jobs its handler wants to exist if the attempt completes. */
  following: readonly FollowingJob[] | undefined
  /** What it used of the budgets of its type and key; undefined: its handler did not say. */
  spent: number | undefined
  /** Its row holds progress by now. */
  progressed = false
  /** When its handler began; meaningless before. */
  startedAt = 0
  /** When its time is up. */
  deadline = Number.POSITIVE_INFINITY
  /** Its outcome was handed to the settler; nothing it does counts any more. */
  settled = false
  /** Its handler has ended, although its outcome may not be known yet: a transaction takes its time to roll back. */
  handlerEnded = false
  /** The jobs of the call it is part of, itself among them; undefined: it has a call of its own. */
  batch: readonly HeldJob[] | undefined
  /** Gives its slot to others. */
  onFree: () => void = nothing
  /** Told when it is aborted; for those who speak for several jobs. */
  onAbort: (() => void) | undefined
  #controller: AbortController | undefined
  #reason: BelfryError | undefined

  constructor(job: ClaimedJob, definition: AnyJobDefinition, lease: { token: string; claimedAt: number }) {
    this.job = job
    this.definition = definition
    this.leaseToken = lease.token
    this.claimedAt = lease.claimedAt
    this.dueAt = lease.claimedAt + (job.due_in_ms ?? 0)
  }

  get details(): UncommonFields {
    return this.job.uncommon ?? ORDINARY
  }

  get abortReason(): BelfryError | undefined {
    return this.#reason
  }

  /** The handler's signal. Made when it is asked for: most handlers never look at it. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#reason) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** Tells the handler to stop. The first reason counts. */
  abort(reason: BelfryError): void {
    if (this.#reason) return
    this.#reason = reason
    this.#controller?.abort(reason)
    this.onAbort?.()
  }
}

function nothing(): void {}

/** A job as events name it. */
export function eventOf({ job, details }: HeldJob): JobEvent {
  return { jobId: job.job_id, jobType: job.job_type, attempt: details.attempt }
}

/** From due to `now`, in ms; null when it was due since ever. */
export function waitedMs({ job }: HeldJob, now: Date): number | null {
  return Number.isFinite(job.scheduled_ms) ? Math.max(0, now.getTime() - job.scheduled_ms) : null
}

/** @throws BelfryError `BELFRY_ROW_UNREADABLE` */
export function refuseUnreadable({ job, details: { fault } }: HeldJob): void {
  if (fault === undefined) return
  throw unreadable(`job ${job.job_id}: its stored row`, fault, 'Repair the row and redrive it, or schedule it anew.')
}

/** One more crash and the job is given up: what runs beside it must not be taken for the culprit, nor the reverse. */
export function isLastChance({ details, definition }: HeldJob): boolean {
  // One whose row cannot be read fails without its handler.
  if (details.fault !== undefined) return false
  return details.lost_count > 0 && details.lost_count + 1 >= (details.max_lost ?? definition.maxLost)
}
