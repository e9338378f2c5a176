/** Who reads which conversation in this process, to be told when there may be something new in it. */
export class Readers {
  readonly #byConversation = new Map<string, Set<() => void>>()

  has(conversationId: string): boolean {
    return this.#byConversation.has(conversationId)
  }

  /** Calls `onChange` whenever the conversation is told of; the answer ends that. */
  add(conversationId: string, onChange: () => void): () => void {
    const readers = this.#byConversation.get(conversationId) ?? new Set()
    this.#byConversation.set(conversationId, readers)
    readers.add(onChange)
    return () => {
      readers.delete(onChange)
      if (readers.size === 0) this.#byConversation.delete(conversationId)
    }
  }

  tell(conversationId: string): void {
    for (const onChange of this.#byConversation.get(conversationId) ?? []) onChange()
  }

  tellAll(): void {
    for (const conversationId of this.#byConversation.keys()) this.tell(conversationId)
  }

  clear(): void {
    this.#byConversation.clear()
  }
}
