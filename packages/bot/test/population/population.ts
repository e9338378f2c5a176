import type { PlatformName } from '../../src/messaging/message.ts'
import type { Connection } from './line.ts'
import type { Invariant, Rules, Violation } from './oracle.ts'

export interface PopulationOptions {
  /** An empty database's only connection. */
  readonly connection: Connection
  readonly seed: number
  readonly people: number
  readonly days: number
  readonly processes: number
  readonly platforms?: readonly PlatformName[]
  /** One statement in so many kills its process, one fails, one is carried out unheard. Default 4,000. */
  readonly statementsPerFault?: number
  /** Settings of the bot, over those of the simulation: a bot that does not do what its operator believes. */
  readonly settings?: Readonly<Record<string, string>>
  /** A bug in a statement. */
  readonly rewrite?: (text: string) => string
  /** The platform forgets every nonce and shows an empty history. */
  readonly forgetful?: boolean
  /** Enough is seen when this one is broken: the rest of the days is left out. */
  readonly until?: Invariant
  readonly onDay?: (day: number) => void
}

export interface PopulationReport {
  readonly seed: number
  readonly violations: readonly Violation[]
  /** Everybody's last lines, in one. */
  readonly stories: string
  readonly counts: Readonly<Record<string, number>>
  /** How planned follow-ups ended. */
  readonly outcomes: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
}

/** What the bot's settings promise by default: two a week, two unanswered, nobody's night. */
export const RULES: Rules = { perWeek: 2, unanswered: 2, quiet: { start: 22 * 60, end: 8 * 60 } }
