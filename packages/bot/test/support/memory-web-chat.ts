import type { WebAnswer, WebChat, WebMessage, WebPress } from '../../src/http/web-chat.ts'
import type { Author, Turn, TurnKind } from '../../src/messaging/message.ts'

/** A bot that keeps everything in memory and answers `You said: …`; it outlives the HTTP server in front of it. */
export class MemoryWebChat implements WebChat {
  readonly botName = 'Belfry'
  /** What was handed in, in order. */
  readonly said: WebMessage[] = []
  /** Buttons that were pressed, in order. */
  readonly pressed: WebPress[] = []
  /** Set: the next calls fail with it. */
  broken: Error | undefined
  /** Set: what comes with the answer to what is said. */
  aside: string | undefined
  /** Most turns that are given out at once. */
  atOnce = 200
  readonly #turns: Turn[] = []
  readonly #drafts = new Map<string, string>()
  readonly #readers = new Map<string, Set<() => void>>()

  turnsAfter(userId: string, afterTurnId: number): Promise<readonly Turn[]> {
    if (this.broken) return Promise.reject(this.broken)
    const theirs = this.#turns.filter(turn => turn.userId === userId && turn.turnId > afterTurnId)
    return Promise.resolve(theirs.slice(0, this.atOnce))
  }

  draftOf(userId: string): string | undefined {
    return this.#drafts.get(userId)
  }

  /** Writes some of an answer; undefined: nothing is being written any more. */
  draft(userId: string, text: string | undefined): void {
    if (text === undefined) this.#drafts.delete(userId)
    else this.#drafts.set(userId, text)
    for (const onChange of this.#readers.get(userId) ?? []) onChange()
  }

  subscribe(userId: string, onChange: () => void): () => void {
    const readers = this.#readers.get(userId) ?? new Set()
    this.#readers.set(userId, readers.add(onChange))
    return () => {
      readers.delete(onChange)
      if (readers.size === 0) this.#readers.delete(userId)
    }
  }

  say(message: WebMessage): Promise<WebAnswer> {
    if (this.broken) return Promise.reject(this.broken)
    this.said.push(message)
    this.add(message.userId, { author: 'user', text: message.text })
    this.add(message.userId, { author: 'bot', text: `You said: ${message.text}` })
    return Promise.resolve(this.aside === undefined ? {} : { aside: this.aside })
  }

  exportData(userId: string): Promise<{ name: string; content: string }> {
    return Promise.resolve({ name: 'my-data-2027-01-01.json', content: JSON.stringify({ user_id: userId }) })
  }

  press(pressed: WebPress): Promise<void> {
    if (this.broken) return Promise.reject(this.broken)
    this.pressed.push(pressed)
    this.add(pressed.userId, { author: 'user', kind: 'command', text: pressed.action })
    this.add(pressed.userId, { author: 'bot', kind: 'command', text: `You pressed: ${pressed.action}` })
    return Promise.resolve()
  }

  /** Adds a turn and tells readers. */
  add(userId: string, turn: { author: Author; text: string; kind?: TurnKind; followUpId?: number }): number {
    const turnId = this.#turns.length + 1
    const sentAt = new Date('2027-01-01T12:00:00Z')
    this.#turns.push({ turnId, conversationId: userId, userId, kind: 'chat', sentAt, ...turn })
    for (const onChange of this.#readers.get(userId) ?? []) onChange()
    return turnId
  }

  /** People with an open stream. */
  get listeners(): number {
    return this.#readers.size
  }
}
