import type { Clock, Logger, Timer } from 'belfry'
import type { Database, Unlisten } from 'belfry/database'
import { TURNS_CHANNEL } from './conversation-store.ts'

/** Readers look by themselves this often: a hint may be lost with its connection. */
const LOOK_INTERVAL_MS = 5_000

/** Tells readers of conversations when to look for new turns; the database keeps the turns themselves. */
export class TurnFeed {
  readonly #database: Database
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #readers = new Map<string, Set<() => void>>()
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
      const hear = (conversationId: string) => this.#tell(conversationId)
      this.#unlisten = await this.#database.listen(TURNS_CHANNEL, hear, () => this.#tellAll())
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
    const readers = this.#readers.get(conversationId) ?? new Set()
    this.#readers.set(conversationId, readers)
    readers.add(onChange)
    return () => {
      readers.delete(onChange)
      if (readers.size === 0) this.#readers.delete(conversationId)
    }
  }

  #tell(conversationId: string): void {
    for (const onChange of this.#readers.get(conversationId) ?? []) onChange()
  }

  #tellAll(): void {
    for (const conversationId of this.#readers.keys()) this.#tell(conversationId)
  }

  #lookLater(): void {
    this.#timer = this.#clock.setTimer(LOOK_INTERVAL_MS, () => {
      this.#tellAll()
      this.#lookLater()
    })
  }
}
