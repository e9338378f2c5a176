import type { Fault } from './faults.ts'
import { LEASE_MS, type SimulatedProcess } from './simulated-process.ts'
import type { Fate } from './statement-gate.ts'
import type { World } from './world.ts'

/** What the driver may do next, and how often it does, as long as it is possible. */
const MOVES = {
  statement: 60,
  hint: 8,
  dropHint: 2,
  timer: 9,
  moment: 2,
  call: 16,
  startProcess: 4,
  stopProcess: 0.4,
  crash: 1,
  freeze: 1.5,
  thaw: 3,
  jumpClock: 0.7,
  sleepOverLease: 4,
} as const

/** Share of statements that fail. */
const FAILING_SHARE = 0.04
/** What may go by at once while a statement waits that is not slow. */
const PROMPT_MS = 500
/** Most a wall clock is wrong by. */
const LARGEST_SKEW_MS = 6 * 3_600_000
/** Calls of the outside world, for so many moves one at the most: a world must not drown in its jobs. */
const MOVES_PER_CALL = 8
/** Moves between two checks of what must hold all the time. */
const MOVES_PER_CHECK = 15

type Move = keyof typeof MOVES

/** Moves a world by seed, faults and all. */
export class Driver {
  readonly #world: World
  readonly #processes: number
  readonly #faults: ReadonlySet<Fault>
  #callsLeft = 0

  constructor(world: World, options: { processes: number; faults: readonly Fault[] }) {
    this.#world = world
    this.#processes = options.processes
    this.#faults = new Set(options.faults)
  }

  async run(steps: number): Promise<void> {
    this.#callsLeft = Math.ceil(steps / MOVES_PER_CALL)
    const first = Math.max(1, this.#processes - 1)
    for (let each = 0; each < first; each += 1) this.#world.startProcess()
    await this.#world.quiet()
    await this.#world.until(async () => this.#world.callable.length === first)
    for (let step = 1; step <= steps; step += 1) {
      await this.#move()
      if (step % MOVES_PER_CHECK === 0) await this.#world.checkKeys()
    }
  }

  async #move(): Promise<void> {
    const { random } = this.#world
    const possible = this.#possible()
    const weights = Object.fromEntries(
      Object.entries(MOVES).map(([move, weight]) => [move, possible[move as Move] ? weight : 0]),
    ) as Record<Move, number>
    const move = random.weighted(weights)
    if (move) await this.#make(move)
  }

  #possible(): Record<Move, boolean> {
    const world = this.#world
    const faults = this.#faults
    const { alive, callable, gate } = world
    const awake = alive.filter(process => !process.frozen)
    return {
      statement: gate.ready(world.mayRun).length > 0,
      hint: awake.some(process => process.hints.length > 0),
      dropHint: faults.has('lost hint') && alive.some(process => process.hints.length > 0),
      timer: this.#mayTimePass(),
      moment: true,
      call: callable.length > 0 && this.#callsLeft > 0,
      startProcess: alive.length < this.#processes,
      stopProcess: faults.has('stop') && callable.length > 0,
      crash: faults.has('crash') && alive.length > 0,
      // A process that holds the only connection would hold up the world instead of falling behind it.
      freeze: faults.has('freeze') && awake.some(process => gate.open?.owner !== process.name),
      thaw: alive.some(process => process.frozen),
      jumpClock: faults.has('clock jump') && alive.length > 0,
      sleepOverLease: alive.some(process => process.frozen) && awake.length > 0,
    }
  }

  /** Without slow statements those that wait are let through before much time goes by. */
  #mayTimePass(): boolean {
    const { time, gate, mayRun } = this.#world
    const next = time.next(mayRun)
    if (!next) return false
    return this.#faults.has('slow statement') || gate.ready(mayRun).length === 0 || next.at - time.now <= PROMPT_MS
  }

  async #make(move: Move): Promise<void> {
    const world = this.#world
    const { random, gate, alive } = world
    switch (move) {
      case 'statement':
        return world.release(random.pick(gate.ready(world.mayRun)), this.#fate())
      case 'hint':
        return world.deliver(
          random.pick(alive.filter(each => !each.frozen && each.hints.length > 0)).hints.splice(0, 1),
        )
      case 'dropHint': {
        const process = random.pick(alive.filter(each => each.hints.length > 0))
        process.hints.shift()
        return world.recorder.note(process.name, 'never hears a hint')
      }
      case 'timer':
        return void (await world.nextTimer())
      case 'moment':
        return world.time.pass(1 + random.below(20))
      case 'call':
        this.#callsLeft -= 1
        world.operations.begin(random.pick(world.callable))
        return world.quiet()
      case 'startProcess':
        world.startProcess()
        return world.quiet()
      case 'stopProcess':
        world.stopProcess(random.pick(world.callable))
        return world.quiet()
      case 'crash':
      case 'freeze':
      case 'thaw':
      case 'jumpClock':
      case 'sleepOverLease':
        return this.#strike(move)
    }
  }

  async #strike(fault: 'crash' | 'freeze' | 'thaw' | 'jumpClock' | 'sleepOverLease'): Promise<void> {
    const world = this.#world
    const { random, recorder, alive, gate } = world
    if (fault === 'sleepOverLease') return this.#passLease()
    if (fault === 'jumpClock') {
      const process = random.pick(alive)
      process.clock.skewMs = random.below(2 * LARGEST_SKEW_MS) - LARGEST_SKEW_MS
      return recorder.note(process.name, `its wall clock is wrong by ${process.clock.skewMs} ms`)
    }
    if (fault === 'crash') {
      const process = this.#victim(alive)
      const arrives = random.chance(0.5)
      recorder.note(process.name, `crashes; what it sent last ${arrives ? 'arrives' : 'is lost'}`)
      await process.end(arrives)
      return world.quiet()
    }
    const freezes = fault === 'freeze'
    const able = alive.filter(each => (freezes ? !each.frozen && gate.open?.owner !== each.name : each.frozen))
    const process = freezes ? this.#victim(able) : random.pick(able)
    process.frozen = freezes
    recorder.note(process.name, freezes ? 'freezes' : 'thaws')
  }

  /** Mostly one that is at work: there is most to go wrong. */
  #victim(processes: readonly SimulatedProcess[]): SimulatedProcess {
    const { random } = this.#world
    const busy = processes.filter(process => process.busy)
    return random.pick(busy.length > 0 && random.chance(0.8) ? busy : processes)
  }

  /**
   * The others go on, in order, until about when the lease of whoever is frozen ends: a little before, so that it comes
   * back just in time, or a little after, so that it comes back while another process does its work again.
   */
  async #passLease(): Promise<void> {
    const world = this.#world
    world.recorder.note('world', 'lets a lease go by')
    const until = world.time.now + LEASE_MS / 2 + world.random.below(LEASE_MS * 0.6)
    await world.until(async () => world.time.now >= until)
  }

  #fate(): Fate {
    const { random } = this.#world
    if (!random.chance(FAILING_SHARE)) return 'answered'
    if (random.chance(0.5)) return this.#faults.has('refused statement') ? 'refused' : 'answered'
    return this.#faults.has('lost answer') ? 'unanswered' : 'answered'
  }
}
