import type { UnfinishedJobs } from './backend.ts'
import type { World } from './world.ts'

/** Passes at once when a world is healed: the longest delay and the longest backoff, so that all that waits is due. */
const HEALING_MS = 5_000
/**
 * Virtual time in which a healthy world must end: leases, retries and handlers together stay far below it; who has moved
 * from one zone to another may wait for the opening of one window and then for that of the other.
 */
const PATIENCE_MS = 8 * 60_000
/** Processes that are started in a healthy world before it is given up. */
const STARTS = 4
/** Moves between two looks at how much is left. */
const MOVES_PER_LOOK = 12

/** Brings a world to its end, without any more faults. */
export class Healing {
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  /** No more faults: everything that was begun must come to its end now. */
  async run(): Promise<void> {
    const world = this.#world
    world.recorder.note('world', 'is healthy from here on')
    world.healed = true
    world.time.pass(HEALING_MS)
    for (const process of world.alive) {
      process.frozen = false
      process.clock.skewMs = 0
    }
    await this.#untilOneRuns()
    const begins = () => world.alive.some(process => process.state === 'starting')
    await world.until(async () => world.operations.unanswered.length === 0 && !begins())
    // One process is enough to bring everything to its end, and many times as quick to simulate.
    for (const process of world.callable.slice(1)) world.stopProcess(process)
    await world.quiet()
    await this.#pauseSchedules()
    await this.#resumeJobs()
    const left = await this.#allEnd()
    // Whatever else is left is stuck, and must not be stirred.
    if (left.length > 0 && left.every(each => each.waits)) {
      await this.#redriveFailed()
      await this.#allEnd()
    }
    await world.checkKeys()
    for (const process of world.callable) world.stopProcess(process)
    await world.quiet()
    await world.until(async () => world.alive.length === 0)
    for (const call of world.operations.unanswered) world.violation('everything ends', `${call} was never answered`)
    for (const { name } of world.alive) world.violation('everything ends', `${name} never stopped`)
  }

  /** Waits until every job has ended; answers those that have not, though there was time. */
  async #allEnd(): Promise<readonly UnfinishedJobs[]> {
    const world = this.#world
    const { time, gate, backend } = world
    const begun = time.now
    // Not inside an open transaction: an embedded database would wait for its end.
    const isOver = async () =>
      !gate.open && (time.now - begun > PATIENCE_MS || (await backend.unfinished()).length === 0)
    await world.until(isOver, MOVES_PER_LOOK)
    return backend.unfinished()
  }

  /** What waits for the success of a job that failed or was cancelled goes on when somebody redrives that. */
  async #redriveFailed(): Promise<void> {
    const world = this.#world
    const [process] = world.callable
    if (!process) return
    await world.backend.takeBack()
    world.recorder.fact('world', 'wants everything again', { kind: 'wanted-again' })
    let done = false
    void world.operations.redriveFailed(process, await world.backend.snapshot()).then(() => (done = true))
    await world.quiet()
    await world.until(async () => done)
  }

  /** A process may still fail to start, for a fault from before. */
  async #untilOneRuns(): Promise<void> {
    const world = this.#world
    for (let tries = 0; tries < STARTS && world.callable.length === 0; tries += 1) {
      if (!world.alive.some(process => process.state === 'starting')) world.startProcess()
      await world.quiet()
      await world.until(async () => !world.alive.some(process => process.state === 'starting'))
    }
  }

  async #pauseSchedules(): Promise<void> {
    const world = this.#world
    let left = world.scheduleIds.length
    for (const scheduleId of world.scheduleIds) {
      void world.callable[0]?.scheduler.pauseSchedule(scheduleId).then(() => (left -= 1))
    }
    await world.quiet()
    await world.until(async () => left === 0)
  }

  async #resumeJobs(): Promise<void> {
    const world = this.#world
    const [process] = world.callable
    if (!process) return
    let done = false
    void world.operations.letAllGo(process).then(() => (done = true))
    await world.quiet()
    await world.until(async () => done)
  }
}
