/** What is to happen when: the earliest first, of the same instant the one that was noted first. A binary heap. */
export class Agenda<What> {
  readonly #heap: { at: number; order: number; what: What }[] = []
  #order = 0

  get nextAt(): number | undefined {
    return this.#heap[0]?.at
  }

  get size(): number {
    return this.#heap.length
  }

  add(at: number, what: What): void {
    this.#order += 1
    const heap = this.#heap
    heap.push({ at: Math.round(at), order: this.#order, what })
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1
      if (!this.#swapIfLater(parent, child)) return
      child = parent
    }
  }

  take(): What | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (!first || !last) return undefined
    if (heap.length === 0) return first.what
    heap[0] = last
    for (let parent = 0; ; ) {
      const left = 2 * parent + 1
      const right = left + 1
      const child = right < heap.length && this.#isLater(left, right) ? right : left
      if (child >= heap.length || !this.#swapIfLater(parent, child)) return first.what
      parent = child
    }
  }

  #isLater(one: number, other: number): boolean {
    const a = this.#heap[one]
    const b = this.#heap[other]
    return a !== undefined && b !== undefined && (a.at > b.at || (a.at === b.at && a.order > b.order))
  }

  #swapIfLater(parent: number, child: number): boolean {
    if (!this.#isLater(parent, child)) return false
    const heap = this.#heap
    const [above, below] = [heap[parent], heap[child]]
    if (!above || !below) return false
    heap[parent] = below
    heap[child] = above
    return true
  }
}
