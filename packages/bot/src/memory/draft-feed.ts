import { Readers } from './readers.ts'

/**
 * What is being written at this moment, for those who read along in this process. Nothing of it is stored: the turn that
 * is stored in the end takes its place, for everybody.
 */
export class DraftFeed {
  readonly #drafts = new Map<string, string>()
  readonly #readers = new Readers()

  /** The draft of a conversation's next turn; undefined when nothing is being written. */
  draftOf(conversationId: string): string | undefined {
    return this.#drafts.get(conversationId)
  }

  /** Whether anybody reads along: otherwise nothing needs to be streamed. */
  hasReaders(conversationId: string): boolean {
    return this.#readers.has(conversationId)
  }

  /** Shows all of the draft so far. */
  show(conversationId: string, text: string): void {
    this.#drafts.set(conversationId, text)
    this.#readers.tell(conversationId)
  }

  /** The draft is over: its turn is stored, or nothing came of it. */
  clear(conversationId: string): void {
    if (this.#drafts.delete(conversationId)) this.#readers.tell(conversationId)
  }

  /** Calls `onChange` whenever the draft has changed; the answer ends that. */
  subscribe(conversationId: string, onChange: () => void): () => void {
    return this.#readers.add(conversationId, onChange)
  }
}
