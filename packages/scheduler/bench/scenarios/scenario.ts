import type { Figures } from '../measurement.ts'
import type { Settings } from '../peers/peer.ts'
import type { Stage } from '../stage/stage.ts'

/** How much and how long. */
export interface Sizes {
  /** Jobs of one drain. */
  readonly jobs: number
  /** Future rows, and finished rows, of the big table. */
  readonly backlog: number
  /** Length of the steady load; 0 leaves it out. */
  readonly steadyMinutes: number
  /** Jobs per second of the steady load. */
  readonly steadyRate: number
  /** Length of one run that is measured by time, in seconds. */
  readonly seconds: number
  /** Jobs of one latency run. */
  readonly samples: number
}

/** One way a scenario is run. */
export interface Variant {
  readonly name: string
  readonly settings: Settings
  /** Processes that run jobs. */
  readonly processes: number
  /** Jobs are scheduled in the process that runs them. */
  readonly together: boolean
}

/** One run to be made. */
export interface Assignment {
  readonly stage: Stage
  readonly peer: string
  readonly variant: Variant
  readonly sizes: Sizes
}

export interface Scenario {
  readonly name: string
  /** What is measured, in a sentence. */
  readonly about: string
  readonly variants: readonly Variant[]
  /** `peers`: ours and each peer in turns. `ours`: ours alone, held against a baseline of its own if at all. */
  readonly who: 'peers' | 'ours'
  /** Figures by who they belong to. */
  measure(assignment: Assignment): Promise<Readonly<Record<string, Figures>>>
}

export function variantOf(name: string, changes: Partial<Omit<Variant, 'name'>> = {}): Variant {
  return { name, settings: 'default', processes: 1, together: true, ...changes }
}
