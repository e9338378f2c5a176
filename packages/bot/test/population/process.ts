import { silentLogger } from 'belfry'
import { createApp, type App } from '../../src/app.ts'
import type { Config } from '../../src/config.ts'
import type { Chance } from './chance.ts'
import { Link, type Fate, type Line } from './line.ts'
import { SimulatedModel } from './model.ts'
import type { SimulatedPlatform } from './platform.ts'
import { ProcessClock, type VirtualTime } from './virtual-time.ts'

export interface ProcessParts {
  readonly config: Config
  readonly line: Line
  readonly time: VirtualTime
  readonly chance: Chance
  readonly platform: SimulatedPlatform
  /** One statement in so many is the last of its process, one fails, and one is carried out unheard. */
  readonly statementsPerFault: number
  readonly faulty: () => boolean
  readonly onFault: (fault: string) => void
  readonly onDeath: (process: BotProcess) => void
}

const LARGEST_SKEW_MS = 6 * 3_600_000

/** One process of the bot: an app with connections, a clock and a platform's client of its own. */
export class BotProcess {
  readonly name: string
  readonly clock: ProcessClock
  readonly link: Link
  /** It runs due jobs. */
  draining = false
  readonly #parts: ProcessParts
  #app: App
  #crashIn = Number.POSITIVE_INFINITY

  constructor(name: string, parts: ProcessParts) {
    this.name = name
    this.#parts = parts
    this.clock = new ProcessClock(parts.time, name)
    if (parts.faulty() && parts.chance.happens(0.3)) {
      this.clock.skewMs = Math.round(parts.chance.between(-LARGEST_SKEW_MS, LARGEST_SKEW_MS))
    }
    this.link = new Link(name, {
      line: parts.line,
      fate: () => this.#drawFate(),
      onDeath: () => {
        parts.time.cancelAll(name)
        parts.onDeath(this)
      },
    })
    this.#app = this.#createApp()
  }

  get alive(): boolean {
    return !this.link.dead
  }

  get app(): App {
    return this.#app
  }

  crash(): Promise<void> {
    void this.link.die()
    return new Promise(() => {})
  }

  crashSoon(): void {
    this.#crashIn = 1 + this.#parts.chance.below(4)
  }

  /** Takes back what dead processes held, as every start does, and is then ready to run due jobs when it is told to. */
  async start(): Promise<void> {
    const { scheduler } = this.#app
    try {
      await scheduler?.start()
      await scheduler?.stop()
    } finally {
      this.#app = this.#createApp()
    }
  }

  #createApp(): App {
    const { config, time, chance, platform, onFault } = this.#parts
    return createApp({
      config,
      database: this.link,
      clock: this.clock,
      logger: silentLogger,
      llm: new SimulatedModel({ owner: this.name, time, chance, onFault }),
      platforms: [platform.doorOf(this)],
    })
  }

  #drawFate(): Fate {
    const { chance, faulty, onFault, statementsPerFault } = this.#parts
    if (!faulty()) return 'answered'
    this.#crashIn -= 1
    if (this.#crashIn <= 0 || chance.happens(1 / statementsPerFault)) {
      return chance.happens(0.5) ? 'crash before' : 'crash after'
    }
    if (chance.happens(1 / statementsPerFault)) {
      onFault('statement refused')
      return 'refused'
    }
    if (chance.happens(1 / statementsPerFault)) {
      onFault('answer lost')
      return 'unanswered'
    }
    return 'answered'
  }
}
