import type { Clock, Logger, Timer } from 'belfry'
import type { Database, Unlisten } from 'belfry/database'
import { TURNS_CHANNEL } from './conversation-store.ts'
import { Readers } from './readers.ts'

/** Readers look by themselves this often: a hint may be lost with its connection. */
const LOOK_INTERVAL_MS = 5_000

/** Tells readers of conversations when to look for new turns; the database keeps the turns themselves. */
export class TurnFeed {
  readonly #database: Database
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #readers = new Readers()
  #unlisten: Unlisten | undefined
  #timer: Timer | undefined

  constructor(parts: { database: Database; clock: Clock; logger: Logger }) {
    this.#database = parts.database
    this.#clock = parts.clock
    this.#logger = parts.logger
  }

  async start(): Promise<void> {
    this.#lookLater()
    try {
      const hear = (conversationId: string) => this.#readers.tell(conversationId)
      this.#unlisten = await this.#database.listen(TURNS_CHANNEL, hear, () => this.#readers.tellAll())
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#logger.warn(
        { event: 'turn_feed_polling', reason },
        'LISTEN failed; new turns are found by looking every 5 s',
      )
    }
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#readers.clear()
    await this.#unlisten?.()
  }

  /** Calls `onChange` whenever the conversation may have new turns; the answer ends that. */
  subscribe(conversationId: string, onChange: () => void): () => void {
    return this.#readers.add(conversationId, onChange)
  }

  #lookLater(): void {
    this.#timer = this.#clock.setTimer(LOOK_INTERVAL_MS, () => {
      this.#readers.tellAll()
      this.#lookLater()
    })
  }
}
