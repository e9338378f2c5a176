import { createHash } from 'node:crypto'

/** One way of following up that is tried beside others. Unset parts are as for everybody. */
export interface Variant {
  /** Shown in reports and kept with each follow-up. */
  readonly name: string
  /** Silence before an automatic follow-up, in milliseconds. */
  readonly delayMs?: number
  readonly writer?: 'model' | 'template'
  readonly opener?: 'question' | 'statement'
}

/** Variants tried side by side; every person has one of them, always the same. */
export interface Experiment {
  /** Part of the hash: another salt deals people anew. */
  readonly salt: string
  readonly variants: readonly Variant[]
}

/** The person's variant; undefined when nothing is being tried. The same in every process, and for ever. */
export function variantOf(userId: string, experiment: Experiment): Variant | undefined {
  const { salt, variants } = experiment
  return variants[Math.floor(shareOf(`variant:${salt}:${userId}`) * variants.length)]
}

/** A number from 0 up to 1 that is always the same for a text, and evenly spread over texts. */
export function shareOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}
