import type { SeededRandom } from './random.ts'
import type { Recorder } from './recorder.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import { storedName, type SimulatedType } from './workload.ts'

const LONGEST_DELAY_MS = 3_000

/** Acts on all jobs of a type at once. */
export class Bulk {
  readonly #random: SeededRandom
  readonly #recorder: Recorder
  readonly #types: readonly SimulatedType[]

  constructor(parts: { random: SeededRandom; recorder: Recorder; types: readonly SimulatedType[] }) {
    this.#random = parts.random
    this.#recorder = parts.recorder
    this.#types = parts.types
  }

  async cancel(process: SimulatedProcess): Promise<string> {
    const filter = { jobType: this.#target(process, 'cancels') }
    const { cancelled, requested } = await process.scheduler.admin.cancelJobs(filter)
    return `cancelled ${cancelled}, requested ${requested}`
  }

  async postpone(process: SimulatedProcess): Promise<string> {
    const filter = { jobType: this.#target(process, 'postpones') }
    const { postponed } = await process.scheduler.admin.postponeJobs(filter, {
      by: this.#random.below(LONGEST_DELAY_MS),
    })
    return `postponed ${postponed}`
  }

  async redrive(process: SimulatedProcess): Promise<string> {
    const jobType = storedName(this.#random.pick(this.#types))
    this.#recorder.fact(process.name, `redrives all of ${jobType}`, { kind: 'all-redrive-asked', jobType })
    const { redriven, skipped } = await process.scheduler.admin.redriveJobs({ jobType })
    const what = `hears that all of ${jobType} are redriven`
    this.#recorder.fact(process.name, what, { kind: 'all-redrive-answered', jobType })
    return `redrove ${redriven}, skipped ${skipped}`
  }

  #target(process: SimulatedProcess, act: 'cancels' | 'postpones'): string {
    const jobType = storedName(this.#random.pick(this.#types))
    this.#recorder.fact(process.name, `${act} all of ${jobType}`, { kind: 'acted-on', jobType, act })
    return jobType
  }
}
