/** What is to happen at an instant; of two at the same instant the one added first comes first. */
interface Entry<Item> {
  readonly at: number
  readonly order: number
  readonly item: Item
}

/** Things in order of time while more are added: a binary heap. */
export class Agenda<Item> {
  readonly #heap: Entry<Item>[] = []
  #added = 0

  add(at: Date, item: Item): void {
    this.#added += 1
    const entry = { at: at.getTime(), order: this.#added, item }
    let place = this.#heap.push(entry) - 1
    while (place > 0) {
      const above = (place - 1) >> 1
      if (!this.#isBefore(place, above)) break
      this.#swap(place, above)
      place = above
    }
  }

  /** Takes the first thing out if it happens at the latest at an instant. */
  takeUntil(instant: Date): { at: Date; item: Item } | undefined {
    const [first] = this.#heap
    if (!first || first.at > instant.getTime()) return undefined
    const last = this.#heap.pop()
    if (last && last !== first) {
      this.#heap[0] = last
      this.#sink()
    }
    return { at: new Date(first.at), item: first.item }
  }

  #sink(): void {
    let place = 0
    for (;;) {
      const [left, right] = [2 * place + 1, 2 * place + 2]
      let least = place
      if (left < this.#heap.length && this.#isBefore(left, least)) least = left
      if (right < this.#heap.length && this.#isBefore(right, least)) least = right
      if (least === place) return
      this.#swap(place, least)
      place = least
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    return a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.order < b.order))
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    if (a && b) [this.#heap[one], this.#heap[other]] = [b, a]
  }
}
