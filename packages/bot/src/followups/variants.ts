import { createHash } from 'node:crypto'
import type { Config } from '../config.ts'
import type { Variant } from '../variant-list.ts'

export type { Variant } from '../variant-list.ts'

/** Variants tried side by side; every person has one of them, always the same. */
export interface Experiment {
  /** Part of the hash: another salt deals people anew. */
  readonly salt: string
  readonly variants: readonly Variant[]
}

/** What the settings try side by side; undefined when nothing is being tried. */
export function experimentOf(settings: Pick<Config['followUps'], 'variants' | 'variantsSalt'>): Experiment | undefined {
  const { variants, variantsSalt: salt } = settings
  return variants.length === 0 ? undefined : Object.freeze({ salt, variants })
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
