/** Runs work in order within a conversation, and side by side across conversations. */
export class ConversationLanes {
  readonly #tails = new Map<string, Promise<unknown>>()

  /** Runs `work` after everything handed in earlier for the same conversation has ended, however it ended. */
  run<T>(conversationId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(conversationId) ?? Promise.resolve()
    const result = before.then(work, work)
    const tail = result.catch(() => {})
    this.#tails.set(conversationId, tail)
    void tail.then(() => {
      if (this.#tails.get(conversationId) === tail) this.#tails.delete(conversationId)
    })
    return result
  }

  /** Resolves when nothing is under way. */
  async whenIdle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values())
  }
}
