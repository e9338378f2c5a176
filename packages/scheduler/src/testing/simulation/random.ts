/** A stream of numbers that depends on nothing but its seed: the same seed, the same stream. Not for secrets. */
export class SeededRandom {
  #state: number

  constructor(seed: number | string) {
    this.#state = 0
    for (const character of String(seed)) this.#state = mix(this.#state ^ (character.codePointAt(0) ?? 0)) + 1
  }

  /** From 0 up to 1. A Weyl sequence (steps of 2^32 divided by the golden ratio), each step mixed. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    return mix(this.#state) / 2 ** 32
  }

  /** A whole number from 0 up to `end`, without it. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  /** True with a probability from 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** One of the items; they must not be none. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('pick: expected one item or more, got none')
    return item
  }

  /** One of the choices, each as likely as its weight says; undefined when all weights are 0. */
  weighted<Choice extends string>(weights: Readonly<Record<Choice, number>>): Choice | undefined {
    const entries = Object.entries(weights) as [Choice, number][]
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    return entries.find(([, weight]) => (left -= weight) < 0)?.[0]
  }
}

/**
 * Ids with the shape of UUIDs that sort in the order they were made, as those of production do: where two jobs are due at
 * once, their ids decide.
 */
export function seededIds(random: SeededRandom): () => string {
  let count = 0
  const hex = (digits: number) =>
    random
      .below(16 ** digits)
      .toString(16)
      .padStart(digits, '0')
  return () => {
    count += 1
    return `${count.toString(16).padStart(8, '0')}-${hex(4)}-7${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`
  }
}

/** Spreads 32 bits over 32 bits; the multipliers are those of the measured search "lowbias32" of hash-prospector. */
function mix(bits: number): number {
  let mixed = bits
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
