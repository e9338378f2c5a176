import type { AttemptOutcome } from './job/job.ts'
import type { ProcessLoad } from './runtime/process-meter.ts'

/** One job, as events name it. */
export interface JobEvent {
  readonly jobId: string
  readonly jobType: string
  readonly attempt: number
}

/** What a scheduler tells whoever listens; metrics and logs are made of these. */
export interface SchedulerEvents {
  /** A job was stored by this process, for a caller or for an occurrence of a schedule. */
  'job:scheduled': { readonly jobId: string; readonly jobType: string; readonly conflict: boolean }
  /** A handler is about to be called. */
  'job:started': JobEvent
  /** An attempt was settled in the database. `willRetry`: the job is pending again. */
  'job:settled': JobEvent & {
    readonly outcome: AttemptOutcome
    readonly durationMs: number
    readonly willRetry: boolean
    readonly error: unknown
  }
  /** An attempt's result was refused, because its lease was lost; another runner has the job. */
  'job:lease-lost': JobEvent
  /**
   * A handler still runs after its timeout; 5 s later its slot goes to other jobs. `running`: jobs here whose
   * handler does so, this one among them.
   */
  'job:overrun': JobEvent & { readonly timeoutMs: number; readonly running: number }
  /** A job of a runner that stopped renewing its lease was taken back. `gaveUp`: it was lost too often and failed. */
  'job:rescued': { readonly jobId: string; readonly jobType: string; readonly gaveUp: boolean }
  /** A schedule's occurrence became a job, or was skipped (the last one still runs, or it was missed). */
  'schedule:fired': { readonly scheduleId: string; readonly occurrence: Date; readonly jobId: string | null }
  /** Failures in a row stopped a type for a while. */
  'breaker:opened': { readonly jobType: string; readonly until: Date }
  /** A job of a stopped type completed: it goes on. */
  'breaker:closed': { readonly jobType: string }
  /** A statement of a background loop failed; the loop goes on. */
  'database:error': { readonly during: string; readonly error: unknown }
  /** This runner renewed its lease, with what its process cost since the last time. */
  'runner:heartbeat': { readonly runnerId: string; readonly running: number; readonly load: ProcessLoad }
  /** The runner lost its place in the registry (frozen or cut off for longer than a lease) and entered anew. */
  'runner:revived': { readonly runnerId: string }
}

/** The name of something a scheduler tells. */
export type SchedulerEventName = keyof SchedulerEvents

type Listener<Name extends SchedulerEventName> = (event: SchedulerEvents[Name]) => void

/** Typed events. A listener that throws is somebody else's bug: it must not stop a job, so it is handed to `onFault`. */
export class EventHub {
  readonly #listeners = new Map<SchedulerEventName, Set<(event: never) => void>>()
  readonly #onFault: (error: unknown) => void

  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault
  }

  /** Adds a listener; the answer takes it away again. */
  on<Name extends SchedulerEventName>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** Whether anybody listens: spares making events that nobody hears. */
  has(name: SchedulerEventName): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0
  }

  emit<Name extends SchedulerEventName>(name: Name, event: SchedulerEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        ;(listener as Listener<Name>)(event)
      } catch (error) {
        this.#onFault(error)
      }
    }
  }
}
