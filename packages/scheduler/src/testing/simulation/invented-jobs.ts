import type { WindowOptions } from '../../job/delivery.ts'
import type { OnFailure } from '../../job/job-options.ts'
import type { BulkJob } from '../../scheduling/schedule-options.ts'
import { SeededRandom } from './random.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedPayload } from './behaviour.ts'
import type { SpecialType } from './special-types.ts'
import { SUBJECTS, windowOptions } from './windows.ts'
import { CONCURRENCY_KEYS, JOB_TYPES, storedName, type GovernedType, type SimulatedType } from './workload.ts'

/** A call that the outside world makes through a process. */
export interface Call {
  readonly number: number
  readonly process: SimulatedProcess
}

export type SimulatedJob = BulkJob & {
  readonly job: string
  readonly payload: SimulatedPayload
  /** Jobs of the same call that it comes after. */
  readonly after?: readonly { readonly job: string; readonly onFailure: OnFailure }[]
}

const TYPES = Object.keys(JOB_TYPES) as SimulatedType[]
/** Of the jobs, those of the type with limits. */
const GOVERNED_SHARE = 0.4
/** Of the others, those whose handler is of another kind. */
const SPECIAL_SHARE = 0.4
/** Few, so that they meet. */
const UNIQUE_KEYS = ['north', 'south'] as const
const LONGEST_DELAY_MS = 3_000
const ON_FAILURE: Readonly<Record<OnFailure, number>> = { run: 6, cancel: 3, wait: 0 }
/**
 * Of worlds in which some wait until what failed is redriven. No job with a unique key comes after others there: it might
 * wait for one of its own key, which cannot be redriven as long as it waits.
 */
const PATIENT_SHARE = 0.4

/** The jobs that are asked for: what, when, and after which others. */
export class InventedJobs {
  readonly #random: SeededRandom
  readonly #governed: GovernedType
  readonly #special: SpecialType
  readonly #isPatient: boolean
  readonly #known: readonly string[]

  /** @param parts `known` grows: ids of jobs that others may come after */
  constructor(parts: { random: SeededRandom; governed: GovernedType; special: SpecialType; known: readonly string[] }) {
    this.#random = parts.random
    this.#governed = parts.governed
    this.#special = parts.special
    this.#isPatient = parts.random.chance(PATIENT_SHARE)
    this.#known = parts.known
  }

  /** All types that are asked for. */
  get types(): readonly SimulatedType[] {
    return [...TYPES, this.#governed, this.#special]
  }

  job({ number, process }: Call, index: number): SimulatedJob {
    const name = `job-${number}-${index}`
    const isGoverned = this.#random.chance(GOVERNED_SHARE)
    const jobType = isGoverned ? storedName(this.#governed) : this.#other()
    return {
      job: jobType,
      ...(jobType === 'windowed' && this.#windowed()),
      ...((jobType === 'windowed' || this.#random.chance(0.2)) && { subjects: [this.#random.pick(SUBJECTS)] }),
      ...(isGoverned && this.#random.chance(0.9) && { concurrencyKey: this.#random.pick(CONCURRENCY_KEYS) }),
      ...(this.#random.chance(0.15) && { priority: this.#random.below(201) - 100 }),
      ...(this.#random.chance(0.05) && { expireAfter: 200 + this.#random.below(5_000) }),
      payload: { name },
      maxRetries: this.#random.below(4),
      ...(this.#random.chance(0.3) && { jobId: `own-${number}-${index}` }),
      ...this.when(process),
      ...this.#after(name),
    }
  }

  /** Jobs by name, each after some of those before it. */
  flow(call: Call): SimulatedJob[] {
    const jobs = Array.from({ length: 2 + this.#random.below(3) }, (_, index) => this.job(call, index))
    return jobs.map((job, place) => {
      const before = jobs.slice(0, place).filter(() => this.#random.chance(0.6))
      const after = before.map(({ payload }) => ({
        job: payload.name,
        onFailure: this.#random.weighted(this.#onFailure) ?? 'run',
      }))
      return { ...job, after }
    })
  }

  #other(): SimulatedType {
    return this.#random.chance(SPECIAL_SHARE) ? this.#special : this.#random.pick(TYPES)
  }

  #windowed(): WindowOptions {
    return windowOptions(this.#random.weighted({ 'first half': 5, 'second half': 4, always: 1 }) ?? 'always')
  }

  when(process: SimulatedProcess): { delay?: number } | { scheduledTime?: Date } {
    if (this.#random.chance(0.4)) return {}
    const ms = this.#random.below(LONGEST_DELAY_MS)
    if (this.#random.chance(0.7)) return { delay: ms }
    return { scheduledTime: new Date(trueTime(process) + ms) }
  }

  get #onFailure(): Readonly<Record<OnFailure, number>> {
    return this.#isPatient ? { ...ON_FAILURE, wait: 2 } : ON_FAILURE
  }

  /** A unique one. Keys are per type: jobs of one of them are of one type, so that they meet more often. */
  unique(call: Call): SimulatedJob {
    const [meeting, other] = UNIQUE_KEYS
    const alone = this.#isPatient ? { dependsOn: [] } : {}
    const job = { ...this.job(call, 0), ...alone }
    const type = this.#special === 'gathered' ? this.#special : 'plain'
    if (this.#random.chance(0.6)) return { ...job, ...this.#conflict(meeting, type), job: type } as SimulatedJob
    return { ...job, ...this.#conflict(other, job.job) } as SimulatedJob
  }

  #conflict(uniqueKey: string, jobType: string): Partial<BulkJob> {
    const maxWait = this.#random.chance(0.3) ? { maxWait: LONGEST_DELAY_MS } : {}
    if (jobType === 'gathered') return { uniqueKey, onConflict: 'append', ...maxWait }
    const onConflict = this.#random.pick(['keep', 'replace', 'rerun', 'period'] as const)
    if (onConflict === 'period') return { uniqueKey, uniqueFor: LONGEST_DELAY_MS }
    if (onConflict === 'rerun') return { uniqueKey, onConflict }
    const whilePending = this.#random.chance(0.3) ? { uniqueWhile: 'pending' as const } : {}
    if (onConflict === 'replace') return { uniqueKey, onConflict, ...whilePending, ...maxWait }
    return { uniqueKey, onConflict, ...whilePending }
  }

  /** Some jobs come after others, whatever becomes of those, or are cancelled with them: none may wait for ever. */
  #after(name: string): Pick<BulkJob, 'dependsOn'> {
    const random = new SeededRandom(`after/${name}`)
    if (this.#known.length === 0 || !random.chance(0.25)) return {}
    const parents = new Set(Array.from({ length: 1 + random.below(2) }, () => random.pick(this.#known)))
    return { dependsOn: [...parents].map(job => ({ job, onFailure: random.weighted(this.#onFailure) ?? 'run' })) }
  }
}

/** A job as it is scheduled: types that gather carry a list. */
export function asScheduled({ after: _after, ...job }: SimulatedJob): BulkJob {
  return { ...job, payload: job.job === 'gathered' ? [job.payload] : job.payload }
}

/** What a process's wall clock would say if it were right. */
export function trueTime({ clock }: SimulatedProcess): number {
  return clock.now().getTime() - clock.skewMs
}
