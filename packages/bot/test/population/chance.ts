import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

/**
 * A die that always falls the same way for the same seed. A counter through the 64-bit finalizer of MurmurHash3: good
 * enough to invent people with, and any two seeds, `1/ada` and `1/ben`, have nothing in common.
 */
export class Chance {
  #state: bigint

  constructor(seed: string) {
    this.#state = crypto.createHash('sha256').update(seed).digest().readBigUInt64BE(0)
  }

  /** From 0 up to 1. */
  next(): number {
    // Steps of 2^64 divided by the golden ratio.
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n)
    let mixed = this.#state
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 33n)) * 0xff51afd7ed558ccdn)
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 33n)) * 0xc4ceb9fe1a85ec53n)
    return Number((mixed ^ (mixed >> 33n)) >> 11n) / 2 ** 53
  }

  /** A whole number from 0 up to `end`, without it. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  /** A number from `least` up to `most`. */
  between(least: number, most: number): number {
    return least + this.next() * (most - least)
  }

  /** True with a probability from 0 to 1. */
  happens(probability: number): boolean {
    return this.next() < probability
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('pick: expected one item or more, got none')
    return item
  }

  /** One of the names, each as likely as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][]
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    const found = entries.find(([, weight]) => (left -= weight) < 0)
    return found ? found[0] : this.pick(entries)[0]
  }
}

/**
 * Makes `randomUUID` and `Math.random` fall by a seed while `work` runs: ids of jobs decide the jitter of what they send,
 * so that without it no story could be told again.
 */
export async function withSeededIds<T>(seed: string, work: () => Promise<T>): Promise<T> {
  const chance = new Chance(`${seed}/ids`)
  const { randomUUID } = crypto
  const { random } = Math
  const hex = () =>
    chance
      .below(2 ** 32)
      .toString(16)
      .padStart(8, '0')
  crypto.randomUUID = () => {
    const digits = `${hex()}${hex()}${hex()}${hex()}`
    return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`
  }
  Math.random = () => chance.next()
  syncBuiltinESMExports()
  try {
    return await work()
  } finally {
    crypto.randomUUID = randomUUID
    Math.random = random
    syncBuiltinESMExports()
  }
}
