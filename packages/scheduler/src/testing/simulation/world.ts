import type { Database } from '../../database/database.ts'
import type { ScheduleDefinition } from '../../recurring/schedule-definition.ts'
import { Scheduler } from '../../scheduler.ts'
import { Backend } from './backend.ts'
import { Burials } from './burials.ts'
import { ClaimsSeen } from './claims-seen.ts'
import { CountedIds } from './counted-ids.ts'
import type { Invariant } from './history.ts'
import { doubles } from './invariants.ts'
import { Operations } from './operations.ts'
import { SeededRandom } from './random.ts'
import { Recorder } from './recorder.ts'
import { SimulatedProcess, type Shared } from './simulated-process.ts'
import { StatementGate, type Fate, type WaitingCall } from './statement-gate.ts'
import { VirtualTime } from './virtual-time.ts'
import { changesLimits, governedTypeOf, prunes, specialTypeOf } from './workload.ts'

export interface WorldOptions {
  readonly database: Database
  readonly seed: number
  readonly schema: string
  readonly start: Date
}

/** Moves in which it must. */
const MOST_MOVES = 20_000
/** Turns of the event loop without any sign of life after which every process waits for the driver. */
const CALM_TURNS = 3

/**
 * A simulated world: virtual time, one database, several processes, and nothing that happens by itself. Between two
 * moves of its driver every process waits: for a statement to be let through, for a timer, or for a hint.
 */
export class World {
  readonly random: SeededRandom
  readonly time: VirtualTime
  readonly gate: StatementGate
  readonly backend: Backend
  readonly recorder: Recorder
  readonly claims: ClaimsSeen
  readonly operations: Operations
  readonly burials: Burials
  readonly processes: SimulatedProcess[] = []
  /** No more faults from here on. */
  healed = false
  readonly #options: WorldOptions
  readonly #schedules: readonly ScheduleDefinition[]
  /** Ended by themselves in this turn. */
  readonly #leaving: SimulatedProcess[] = []
  #activity = 0

  constructor(options: WorldOptions) {
    this.#options = options
    this.random = new SeededRandom(options.seed)
    const stir = () => {
      this.#activity += 1
    }
    this.time = new VirtualTime(options.start, stir)
    const ids = new CountedIds()
    this.recorder = new Recorder(this.time, ids)
    this.claims = new ClaimsSeen(() => this.recorder.journal.length)
    const onRow = this.claims.see
    this.backend = new Backend(options.database, { schema: options.schema, time: this.time, ids, onRow })
    this.gate = new StatementGate(this.backend, stir)
    this.burials = new Burials({
      backend: this.backend,
      time: this.time,
      onEarly: jobId => this.violation('what is kept is kept for its time', `${jobId} was pruned too early`),
    })
    this.#schedules = schedulesOf(this.random)
    const scheduleIds = this.#schedules.map(each => each.scheduleId)
    const governed = governedTypeOf(options.seed)
    const special = specialTypeOf(options.seed)
    this.operations = new Operations({
      random: this.random,
      recorder: this.recorder,
      scheduleIds,
      governed,
      special,
      changesLimits: changesLimits(options.seed),
      withdrawn: this.backend.withdrawn,
      prunes: prunes(options.seed),
    })
  }

  /** An empty database with virtual time. */
  async open(): Promise<void> {
    await this.backend.open()
    await new Scheduler({ database: this.#options.database, schema: this.#options.schema }).migrate()
    await this.backend.clear()
  }

  /** Cuts off whatever is left. */
  async endProcesses(): Promise<void> {
    for (const process of this.alive) await process.end(false)
  }

  get alive(): SimulatedProcess[] {
    return this.processes.filter(process => process.alive)
  }

  /** Processes that may be called: started, not stopping, not frozen. */
  get callable(): SimulatedProcess[] {
    return this.processes.filter(process => process.state === 'running' && !process.frozen)
  }

  get scheduleIds(): string[] {
    return this.#schedules.map(each => each.scheduleId)
  }

  readonly mayRun = (owner: string): boolean => {
    const process = this.processes.find(each => each.name === owner)
    return process !== undefined && process.alive && !process.frozen
  }

  /** Resolves when every process waits for the driver. */
  async quiet(): Promise<void> {
    for (let calm = 0; calm < CALM_TURNS; ) {
      const before = this.#activity
      await new Promise<void>(resolve => setImmediate(resolve))
      calm = this.#activity === before ? calm + 1 : 0
    }
    for (const process of this.#leaving.splice(0)) await this.#gone(process)
  }

  startProcess(): void {
    const shared: Shared = {
      seed: this.#options.seed,
      schema: this.#options.schema,
      schedules: this.#schedules,
      time: this.time,
      gate: this.gate,
      backend: this.backend,
      recorder: this.recorder,
      claims: this.claims,
      burials: this.burials,
      isHealed: () => this.healed,
    }
    const process = new SimulatedProcess(`p${this.processes.length + 1}`, shared)
    this.processes.push(process)
    this.recorder.note(process.name, 'starts')
    process.scheduler.start().then(
      () => {
        if (process.state === 'starting') process.state = 'running'
        this.recorder.note(process.name, 'has started')
      },
      (error: unknown) => {
        this.recorder.note(process.name, `could not start: ${messageOf(error)}`)
        this.#leaving.push(process)
      },
    )
  }

  stopProcess(process: SimulatedProcess): void {
    process.state = 'stopping'
    this.recorder.note(process.name, 'stops')
    process.scheduler.stop().then(
      () => {
        this.recorder.note(process.name, 'has stopped')
        this.#leaving.push(process)
      },
      (error: unknown) => this.violation('everything ends', `${process.name} could not stop: ${messageOf(error)}`),
    )
  }

  async release(call: WaitingCall, fate: Fate): Promise<void> {
    this.recorder.note(call.owner, fate === 'answered' ? call.label : `${call.label}: ${fate}`)
    await this.burials.watch(call.label, () => this.gate.release(call, fate))
    await this.quiet()
  }

  /** Moves time to the next timer and runs it. False when there is none. */
  async nextTimer(): Promise<boolean> {
    const timer = this.time.next(this.mayRun)
    if (!timer) return false
    this.time.fire(timer)
    await this.quiet()
    return true
  }

  /**
   * Goes on in order, without faults, until the condition holds or nothing can move any more. Hints that have piled up
   * arrive at once, as they do for a process that wakes up: one by one, each would cost a look at the same tables.
   */
  async until(condition: () => Promise<boolean>, movesPerLook = 1): Promise<void> {
    for (let moves = 0; moves < MOST_MOVES; moves += 1) {
      if (moves % movesPerLook === 0 && (await condition())) return
      const [call] = this.gate.ready(this.mayRun)
      const hinted = this.alive.find(process => !process.frozen && process.hints.length > 0)
      if (call) await this.release(call, 'answered')
      else if (hinted) await this.deliver(hinted.hints.splice(0))
      else if (!(await this.nextTimer())) return
    }
  }

  async deliver(hints: readonly (() => void)[]): Promise<void> {
    for (const hint of hints) hint()
    await this.quiet()
  }

  /** A rule that can be checked while the world goes on. */
  async checkKeys(): Promise<void> {
    if (this.gate.open) return
    const unfinished = await this.backend.unfinished()
    const keys = unfinished.flatMap(({ job_type: type, unique_key: key, count }) =>
      key === null ? [] : Array.from({ length: count }, () => `${key} of ${type}`),
    )
    for (const twice of new Set(doubles(keys, key => key))) {
      this.violation('a unique key has one unfinished job', `${twice} has several unfinished jobs`)
    }
  }

  violation(invariant: Invariant, detail: string): void {
    this.recorder.fact('world', `VIOLATION: ${detail}`, { kind: 'violation', invariant, detail })
  }

  /** It ended by itself: what it leaves behind is a leak, unless a caller is still in the midst of a call. */
  async #gone(process: SimulatedProcess): Promise<void> {
    if (process.state === 'gone') return
    if (process.timers > 0 && !this.operations.isCalling(process)) {
      this.violation('a stop leaves nothing behind', `${process.name} left ${process.timers} timers`)
    }
    await process.end(false)
  }
}

/** Two worlds in five have a recurring schedule. */
function schedulesOf(random: SeededRandom): ScheduleDefinition[] {
  if (!random.chance(0.4)) return []
  const every = 8_000 + random.below(20) * 1_000
  const overlap = random.pick(['allow', 'skip'] as const)
  return [{ scheduleId: 'tick', job: 'plain', payload: { name: 'tick' }, rule: { every }, overlap }]
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
