import type { Database } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import { Suspension } from '../job/control-errors.ts'
import { requireKey } from '../job/job-id.ts'
import { openValue, sealValue } from '../job/sealed-value.ts'
import { unreadable } from '../job/stored-fields.ts'
import type { ResolvedOptions } from '../options.ts'
import { sleep, type Clock } from '../runtime/clock.ts'
import { loadSteps, type StepKind, type StepRow } from '../store/load-steps.ts'
import type { Tables } from '../store/tables.ts'
import { readBack } from './stored-value.ts'

/** What durable work needs of its surroundings. */
export interface DurableParts {
  readonly database: Database
  readonly tables: Tables
  readonly clock: Clock
  /** Largest stored result, as JSON, and what encrypts it. */
  readonly options: Pick<ResolvedOptions, 'maxPayloadBytes' | 'payloadCipher'>
}

/** The attempt the work belongs to. */
export interface DurableAttempt {
  readonly jobId: string
  readonly leaseToken: string
  readonly attempt: number
  /** Its outcome was decided; nothing it does counts any more. */
  readonly ended: boolean
  readonly abortReason: BelfryError | undefined
  readonly signal: AbortSignal
  abort(reason: BelfryError): void
}

/** Waits shorter than this are not worth ending the attempt, in ms. */
const SHORTEST_SUSPENSION_MS = 1_000

const REPAIR = 'Delete its row of belfry_steps, or repair it, and redrive the job.'

type KnownRow = Omit<StepRow, 'kind' | 'name'>

/**
 * What a job has done in earlier attempts and in this one. Read from the database when it is first asked for, and not at
 * all in a first attempt, before which there was nothing.
 */
export class Journal {
  readonly parts: DurableParts
  readonly attempt: DurableAttempt
  readonly #rows = new Map<string, KnownRow>()
  readonly #used = new Set<string>()
  #loading: Promise<void> | undefined
  #turn: Promise<unknown> = Promise.resolve()
  /** When the rows were read, by the monotonic clock: their remaining times count from then. */
  #loadedAt = 0

  constructor(parts: DurableParts, attempt: DurableAttempt) {
    this.parts = parts
    this.attempt = attempt
  }

  /** What statements take for now. */
  get now(): string | null {
    return this.parts.clock.databaseNow()?.toISOString() ?? null
  }

  get holder(): { jobId: string; leaseToken: string } {
    return { jobId: this.attempt.jobId, leaseToken: this.attempt.leaseToken }
  }

  /**
   * @throws BelfryError `BELFRY_ATTEMPT_ENDED` when the attempt is over, else the reason its signal was aborted for
   */
  requireOpen(): void {
    const { ended, abortReason, jobId } = this.attempt
    if (ended) throw attemptEnded(jobId, abortReason)
    if (abortReason) throw abortReason
  }

  /**
   * Gives a name away, once per attempt.
   * @throws BelfryError `BELFRY_DUPLICATE_STEP`, `BELFRY_INVALID_JOB_ID`, and as `requireOpen` does
   */
  begin(kind: StepKind, name: string): void {
    this.requireOpen()
    const used = keyOf(kind, name)
    if (this.#used.has(used)) {
      throw new BelfryError(
        'BELFRY_DUPLICATE_STEP',
        `${kind} ${show(name)}: expected a name that is used once per attempt, got it again. ` +
          'Results are found by their names: in a loop, make the index or an id part of the name.',
      )
    }
    this.#used.add(used)
  }

  /** What is known of a step. */
  async find(kind: StepKind, name: string): Promise<KnownRow | undefined> {
    if (this.attempt.attempt > 1) {
      this.#loading ??= this.#load()
      await this.#loading
      this.requireOpen()
    }
    return this.#rows.get(keyOf(kind, name))
  }

  /** Reads one row anew; undefined when there is none. */
  async reread(kind: StepKind, name: string): Promise<KnownRow | undefined> {
    const { database, tables } = this.parts
    const [row] = await loadSteps(database, tables, {
      jobId: this.attempt.jobId,
      only: { kind, name },
      now: this.now,
    })
    return row
  }

  /** Runs work of this attempt after all the work that was given here before. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** A result's text as it is stored. */
  seal(text: string | null, of: string): string | null {
    return text === null ? null : sealValue(this.parts.options.payloadCipher, text, of)
  }

  /**
   * The result of a row.
   * @throws BelfryError `BELFRY_UNKNOWN_PAYLOAD_KEY`, `BELFRY_PAYLOAD_UNREADABLE`
   */
  open(row: Pick<StepRow, 'result' | 'has_result'>, of: string): unknown {
    return row.has_result ? openValue(this.parts.options.payloadCipher, row.result, of) : undefined
  }

  /** Notes an effect that was confirmed in this attempt, as it was stored. */
  confirmed(key: string, stored: string | null): void {
    const row = { done: true, result: readBack(stored), has_result: stored !== null, event_name: null, event_key: null }
    this.#rows.set(keyOf('effect', key), { ...row, remaining_ms: null, wake_ms: null, arrived: false })
  }

  /** Notes what another attempt has said of an effect. */
  heard(key: string, row: KnownRow): void {
    this.#rows.set(keyOf('effect', key), row)
  }

  /** Milliseconds until the instant of a row of an earlier attempt, as of now. */
  remaining(row: KnownRow): number {
    return (row.remaining_ms ?? 0) - (this.parts.clock.monotonic() - this.#loadedAt)
  }

  /**
   * Waits for an instant that is `remainingMs` away: in place when that is a moment, else by ending the attempt.
   * @throws Suspension
   */
  async pause(remainingMs: number, { wakeMs, reason }: { wakeMs: number; reason: string }): Promise<void> {
    if (remainingMs <= 0) return
    if (Number.isNaN(new Date(wakeMs).getTime())) {
      throw unreadable(`${reason}: its stored instant`, `expected one within reach, got ${wakeMs}`, REPAIR)
    }
    const { clock } = this.parts
    // Under a virtual clock nobody may be there to move it on while a handler waits.
    if (remainingMs >= SHORTEST_SUSPENSION_MS || clock.databaseNow() !== null) {
      this.attempt.abort(new Suspension({ at: new Date(Math.round(wakeMs)) }, reason))
    } else await sleep(clock, Math.ceil(remainingMs), this.attempt.signal)
    this.requireOpen()
  }

  /** The error of a write that the fence refused. The first reason to stop counts. */
  leaseLost(): BelfryError {
    const lost = new BelfryError('BELFRY_LEASE_LOST', `job ${this.attempt.jobId} is held by another runner by now`)
    this.attempt.abort(lost)
    return this.attempt.abortReason ?? lost
  }

  async #load(): Promise<void> {
    const { database, tables, clock } = this.parts
    const asked = clock.monotonic()
    try {
      const rows = await loadSteps(database, tables, { jobId: this.attempt.jobId, now: this.now })
      for (const row of rows) this.#rows.set(keyOf(row.kind, row.name), row)
      this.#loadedAt = asked
    } catch (error) {
      this.#loading = undefined
      throw error
    }
  }
}

/** The error for whoever uses a context whose attempt is over. */
export function attemptEnded(jobId: string, cause: unknown): BelfryError {
  return new BelfryError(
    'BELFRY_ATTEMPT_ENDED',
    `the context of job ${jobId} was used after its attempt had ended; await everything before the handler returns`,
    { cause },
  )
}

/** @throws BelfryError `BELFRY_INVALID_JOB_ID` */
export function requireStepName(name: unknown, kind: StepKind): string {
  return requireKey(name, `name of a ${kind}`)
}

function keyOf(kind: StepKind, name: string): string {
  return `${kind} ${name}`
}
