import type { AttemptOutcome } from './job/job.ts'
import type { ClockSkew } from './runtime/clock-skew.ts'
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
  /**
   * A handler is about to be called. `waitMs`: how long after its due time, by this process's clock, never negative; null
   * for a job that was due since ever.
   */
  'job:started': JobEvent & { readonly waitMs: number | null }
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
  /** Start has stored the schedules of the `schedules` option, or brought them in line: what became of each, by id. */
  'schedules:applied': Readonly<Record<'added' | 'changed' | 'removed' | 'unchanged', readonly string[]>>
  /** Failures in a row stopped a type for a while. */
  'breaker:opened': { readonly jobType: string; readonly until: Date }
  /** A job of a stopped type completed: it goes on. */
  'breaker:closed': { readonly jobType: string }
  /** A statement of a background loop failed; the loop goes on. */
  'database:error': { readonly during: string; readonly error: unknown }
  /**
   * LISTEN failed, or is accepted and hears nothing (a pooler in transaction mode): jobs of other processes are found by
   * polling, every `pollIntervalMs`. Told once, until it works again.
   */
  'hints:unheard': { readonly error: unknown; readonly pollIntervalMs: number }
  /** LISTEN works again. */
  'hints:heard': Readonly<Record<string, never>>
  /**
   * Calls wait long for a connection: the program has all `size` of the pool in use. `waiting`: calls in the queue;
   * `waitedMs`: what one of them has been waiting at least. Told once a minute while it lasts; only pools of `pg` tell.
   */
  'pool:exhausted': { readonly size: number; readonly waiting: number; readonly waitedMs: number }
  /**
   * This process's clock differs from the database's by more than five seconds. Dueness, leases and schedules are not
   * touched. Told once, until it is right again.
   */
  'clock:skewed': ClockSkew
  /** This runner renewed its lease, with what its process cost since the last time. */
  'runner:heartbeat': { readonly runnerId: string; readonly running: number; readonly load: ProcessLoad }
  /** A look for due jobs was answered, `durationMs` after it was sent; `claimed` of them are held by this runner now. */
  'runner:claimed': { readonly runnerId: string; readonly claimed: number; readonly durationMs: number }
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
