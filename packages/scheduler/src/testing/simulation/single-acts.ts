import type { Snapshot } from './history.ts'
import type { Call, InventedJobs } from './invented-jobs.ts'
import type { SeededRandom } from './random.ts'
import type { Recorder } from './recorder.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import { EVENT, EVENT_KEYS } from './special-types.ts'
import { anyZone, SUBJECTS } from './windows.ts'

/** Acts on one job, or on what one job waits for or is asked about. */
export class SingleActs {
  readonly #random: SeededRandom
  readonly #recorder: Recorder
  readonly #invented: InventedJobs
  readonly #known: readonly string[]
  readonly #withdrawn: string

  /** @param parts `known` are the ids that were answered; `withdrawn` is the table of what is not wanted any more */
  constructor(parts: {
    random: SeededRandom
    recorder: Recorder
    invented: InventedJobs
    known: readonly string[]
    withdrawn: string
  }) {
    this.#random = parts.random
    this.#recorder = parts.recorder
    this.#invented = parts.invented
    this.#known = parts.known
    this.#withdrawn = parts.withdrawn
  }

  async cancel({ process }: Call): Promise<string> {
    const jobId = this.#random.pick(this.#known)
    this.#recorder.about('cancel-asked', process.name, jobId)
    const answer = await process.scheduler.cancelJob(jobId)
    if (answer === 'cancelled') this.#recorder.about('cancelled', process.name, jobId)
    return answer
  }

  change(call: Call): Promise<string> {
    const jobId = this.#random.pick(this.#known)
    this.#recorder.about('touched', call.process.name, jobId)
    return call.process.scheduler.changeJob(jobId, this.#invented.when(call.process)).then(String)
  }

  redrive({ process }: Call): Promise<string> {
    return this.#redriveOne(process, this.#random.pick(this.#known)).then(String)
  }

  async #redriveOne(process: SimulatedProcess, jobId: string): Promise<boolean> {
    this.#recorder.about('redrive-asked', process.name, jobId)
    const redriven = await process.scheduler.redriveJob(jobId)
    this.#recorder.about('redrive-answered', process.name, jobId)
    return redriven
  }

  /** Gives every failed and every cancelled job a new life. */
  async redriveFailed(process: SimulatedProcess, { jobs }: Snapshot): Promise<void> {
    for (const { job_id: id } of jobs.filter(row => ['failed', 'cancelled'].includes(row.status))) {
      await this.#redriveOne(process, this.#recorder.originalOf(id))
    }
  }

  async sendEvent({ number, process }: Call): Promise<string> {
    const options = { key: this.#random.pick(EVENT_KEYS), payload: { call: number }, keep: '10s' } as const
    const { delivered } = await process.scheduler.sendEvent(EVENT, options)
    return `reached ${delivered}`
  }

  /** A job is not relevant any more; its row knows nothing of that. */
  async withdraw({ process }: Call): Promise<string> {
    const name = this.#random.pick(this.#recorder.plannedNames)
    this.#recorder.fact(process.name, `withdraws ${name}`, { kind: 'withdraw-asked', name })
    await process.database.query(`insert into ${this.#withdrawn} (name) values ($1::text)`, [name])
    this.#recorder.fact(process.name, `hears that ${name} is withdrawn`, { kind: 'withdrawn', name })
    return 'withdrawn'
  }

  /** Somebody moves: windows of all jobs about them go by another zone. */
  async moveHouse({ process }: Call): Promise<string> {
    const [subject, zone] = [this.#random.pick(SUBJECTS), anyZone(this.#random)]
    this.#recorder.fact(process.name, `the ${subject} moves to ${zone}`, { kind: 'zone-changed' })
    const { changed } = await process.scheduler.admin.setTimeZone(subject, zone)
    return `moved ${changed}`
  }
}
