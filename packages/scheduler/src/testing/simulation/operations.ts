import { Bookings } from './bookings.ts'
import { Bulk } from './bulk.ts'
import type { Snapshot } from './history.ts'
import { InventedJobs, type Call } from './invented-jobs.ts'
import { Pauses } from './pauses.ts'
import type { SeededRandom } from './random.ts'
import type { Recorder } from './recorder.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import { SingleActs } from './single-acts.ts'
import type { SpecialType } from './special-types.ts'
import type { GovernedType } from './workload.ts'

/** How often each kind of call is made. */
const CALLS = {
  schedule: 40,
  scheduleUnique: 20,
  scheduleMany: 8,
  scheduleInTransaction: 12,
  scheduleFlow: 4,
  scheduleBatch: 3,
  cancel: 12,
  change: 8,
  redrive: 10,
  pause: 3,
  resume: 3,
  sendEvent: 6,
  withdraw: 15,
  moveHouse: 5,
  setLimits: 5,
  cancelAll: 1,
  postponeAll: 2,
  redriveAll: 1,
  prune: 6,
  hold: 4,
  release: 5,
} as const

type Kind = keyof typeof CALLS

export interface OperationsParts {
  readonly random: SeededRandom
  readonly recorder: Recorder
  readonly scheduleIds: readonly string[]
  readonly governed: GovernedType
  readonly special: SpecialType
  readonly changesLimits: boolean
  readonly prunes: boolean
  /** The table of what is not wanted any more. */
  readonly withdrawn: string
}

/** What the outside world asks of the processes: scheduling, cancelling, changing, redriving, pausing. */
export class Operations {
  readonly #parts: OperationsParts
  readonly #calls: Readonly<Record<Kind, (call: Call) => Promise<string>>>
  readonly #pauses: Pauses
  readonly #acts: SingleActs
  /** Ids that were answered, as the processes know them. */
  readonly #known: string[] = []
  #count = 0
  readonly #open = new Map<string, SimulatedProcess>()

  constructor(parts: OperationsParts) {
    this.#parts = parts
    const { random, scheduleIds } = parts
    const invented = new InventedJobs({ ...parts, known: this.#known })
    const [bookings, acts, pauses, bulk] = [
      new Bookings({ ...parts, invented, known: this.#known }),
      new SingleActs({ ...parts, invented, known: this.#known }),
      new Pauses(parts),
      new Bulk({ ...parts, types: invented.types }),
    ]
    this.#pauses = pauses
    this.#acts = acts
    this.#calls = {
      schedule: call => bookings.one(call),
      scheduleUnique: call => bookings.unique(call),
      scheduleMany: call => bookings.many(call),
      scheduleInTransaction: call => bookings.inTransaction(call),
      scheduleFlow: call => bookings.flow(call),
      scheduleBatch: call => bookings.batch(call),
      cancel: call => acts.cancel(call),
      change: call => acts.change(call),
      redrive: call => acts.redrive(call),
      sendEvent: call => acts.sendEvent(call),
      withdraw: call => acts.withdraw(call),
      moveHouse: call => acts.moveHouse(call),
      pause: ({ process }) => process.scheduler.pauseSchedule(random.pick(scheduleIds)).then(String),
      resume: ({ process }) => process.scheduler.resumeSchedule(random.pick(scheduleIds)).then(String),
      hold: ({ process }) => pauses.hold(process),
      release: ({ process }) => pauses.release(process),
      setLimits: ({ process }) => pauses.setLimits(process),
      cancelAll: ({ process }) => bulk.cancel(process),
      postponeAll: ({ process }) => bulk.postpone(process),
      redriveAll: ({ process }) => bulk.redrive(process),
      prune: ({ process }) => process.scheduler.prune().then(counts => JSON.stringify(counts)),
    }
  }

  /** Calls that were not answered, of processes that are still there. */
  get unanswered(): string[] {
    return [...this.#open].filter(([, process]) => process.alive).map(([call]) => call)
  }

  isCalling(process: SimulatedProcess): boolean {
    return [...this.#open.values()].includes(process)
  }

  /** Nothing stays paused. */
  letAllGo(process: SimulatedProcess): Promise<void> {
    return this.#pauses.letAllGo(process)
  }

  /** Gives every failed and every cancelled job a new life. */
  redriveFailed(process: SimulatedProcess, end: Snapshot): Promise<void> {
    return this.#acts.redriveFailed(process, end)
  }

  /** Makes one call through a process; its answer comes when the world goes on. */
  begin(process: SimulatedProcess): void {
    const { random, recorder } = this.#parts
    this.#count += 1
    const number = this.#count
    const drawn = random.weighted(CALLS) ?? 'schedule'
    const kind = this.#hasSense(drawn) ? drawn : 'schedule'
    const call = `call ${number} (${kind})`
    this.#open.set(call, process)
    recorder.note(process.name, call)
    this.#calls[kind]({ number, process }).then(
      answer => this.#ended(call, answer),
      (error: unknown) => this.#ended(call, `failed: ${error instanceof Error ? error.message : String(error)}`),
    )
  }

  /** Some calls need something to be there, or a world of their kind. */
  #hasSense(kind: Kind): boolean {
    const { scheduleIds, special, changesLimits, prunes } = this.#parts
    const isKnown = this.#known.length > 0
    const isScheduled = scheduleIds.length > 0
    const sense: Partial<Record<Kind, boolean>> = {
      cancel: isKnown,
      change: isKnown,
      redrive: isKnown,
      pause: isScheduled,
      resume: isScheduled,
      setLimits: changesLimits,
      prune: prunes,
      sendEvent: special === 'stepwise',
      withdraw: special === 'asked' && isKnown,
      moveHouse: special === 'windowed',
    }
    return sense[kind] ?? true
  }

  #ended(call: string, answer: string): void {
    const process = this.#open.get(call)
    this.#open.delete(call)
    this.#parts.recorder.note(process?.name ?? '', `${call} → ${answer}`)
  }
}
