import type { PauseTarget } from '../../administration/flow-acts.ts'
import type { Limits } from '../../job/limits.ts'
import type { SeededRandom } from './random.ts'
import type { Recorder } from './recorder.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import { SUBJECTS } from './windows.ts'
import { CONCURRENCY_KEYS, GOVERNED_TYPES, storedName, type GovernedType } from './workload.ts'

/** Limits that a type may be given; null: its own again. */
const OTHER_LIMITS: readonly (Limits | null)[] = [
  null,
  { concurrency: 1 },
  { perKey: { fifo: true } },
  { perKey: { fifo: true, fair: true } },
  { perKey: { concurrency: 1 } },
  { rate: { limit: 2, per: 1_000 }, perKey: { concurrency: 2, fair: true } },
]

/** Pauses the type with limits, one key of it, or a subject, lets it go on again, and gives the type other limits. */
export class Pauses {
  readonly #random: SeededRandom
  readonly #recorder: Recorder
  readonly #governed: GovernedType
  /** Whose pause was asked for, by name. */
  readonly #held = new Map<string, PauseTarget>()

  constructor(parts: { random: SeededRandom; recorder: Recorder; governed: GovernedType }) {
    this.#random = parts.random
    this.#recorder = parts.recorder
    this.#governed = parts.governed
  }

  async hold(process: SimulatedProcess): Promise<string> {
    const target = this.#target()
    const name = nameOf(target)
    // Also when no answer comes: it may be paused all the same.
    this.#held.set(name, target)
    await process.scheduler.admin.pause(target)
    this.#recorder.fact(process.name, `hears that ${name} is paused`, { kind: 'paused', target: name })
    return 'paused'
  }

  release(process: SimulatedProcess): Promise<string> {
    return this.#letGo(process, this.#target())
  }

  async setLimits(process: SimulatedProcess): Promise<string> {
    const jobType = storedName(this.#governed)
    const limits = this.#random.pick(OTHER_LIMITS)
    const what = `wants other limits for ${jobType}: ${JSON.stringify(limits)}`
    this.#recorder.fact(process.name, what, { kind: 'limits-changed', jobType })
    await process.scheduler.admin.setLimits(jobType, limits)
    return 'set'
  }

  /** Nothing stays paused. */
  async letAllGo(process: SimulatedProcess): Promise<void> {
    for (const target of this.#held.values()) await this.#letGo(process, target)
  }

  async #letGo(process: SimulatedProcess, target: PauseTarget): Promise<string> {
    const name = nameOf(target)
    this.#recorder.fact(process.name, `wants ${name} to go on`, { kind: 'resume-asked', target: name })
    const resumed = await process.scheduler.admin.resume(target)
    this.#recorder.fact(process.name, `hears that ${name} goes on`, { kind: 'resume-answered', target: name })
    return String(resumed)
  }

  #target(): PauseTarget {
    if (this.#random.chance(0.4)) return { subject: this.#random.pick(SUBJECTS) }
    const jobType = storedName(this.#governed)
    const isKeyed = 'perKey' in GOVERNED_TYPES[this.#governed] && this.#random.chance(0.5)
    return isKeyed ? { jobType, concurrencyKey: this.#random.pick(CONCURRENCY_KEYS) } : { jobType }
  }
}

function nameOf({ jobType, concurrencyKey, subject }: PauseTarget): string {
  if (subject !== undefined) return subject
  return concurrencyKey === undefined ? String(jobType) : `${jobType} of ${concurrencyKey}`
}
