import type { Gateway } from './gateway.ts'
import type { Interactions } from './interactions.ts'
import type { Application, JournalEntry } from './records.ts'
import type { Json } from './refusals.ts'
import type { FakeMessage, World } from './world.ts'

/** What the fake's routes share. */
export interface FakeDiscordParts {
  readonly world: World
  readonly application: Application
  readonly gateway: Gateway
  readonly nonces: Nonces
  readonly interactions: Interactions
  /** Messages the bot was let send, in order. */
  readonly journal: JournalEntry[]
  /** Channels the bot showed itself typing in, in order. */
  readonly typing: string[]
}

export interface Call {
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: unknown
}

export interface Answer {
  readonly status: number
  readonly body?: Json | readonly Json[]
}

export interface Route {
  /** Method and path, as in `GET /channels/:channel`; also its rate limit's and its faults' name. */
  readonly name: string
  /** Its token is in the path: interactions and their webhooks. */
  readonly withoutToken?: boolean
  run(call: Call): Answer
}

/** Nonces of the past few minutes. How many is not public, so it can be set. */
export class Nonces {
  windowMs = 5 * 60_000
  readonly #known = new Map<string, FakeMessage>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  find(nonce: string | number): FakeMessage | undefined {
    const message = this.#known.get(String(nonce))
    return message && this.#now() - message.at <= this.windowMs ? message : undefined
  }

  remember(nonce: string | number, message: FakeMessage): void {
    this.#known.set(String(nonce), message)
  }
}
