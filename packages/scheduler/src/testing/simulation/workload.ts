import type { Limits } from '../../job/limits.ts'
import { defineJob, type AnyJobDefinition } from '../../job/definition.ts'
import { handle, TIMEOUT_MS, type HandlerWorld, type SimulatedPayload } from './behaviour.ts'
import { SeededRandom } from './random.ts'
import { specialJob, SPECIAL_TYPES, type SpecialType } from './special-types.ts'

/** Losses after which a simulated job is given up. */
export const MAX_LOST = 3
const RETRIES = { backoff: { initial: 500, max: 2_000 }, maxLost: MAX_LOST } as const

/** Jobs of these types are scheduled; `narrow` runs alone, `hasty` has a short timeout. */
export const JOB_TYPES = { plain: undefined, narrow: 1, hasty: 2 } as const

/** Keys of jobs with limits: few, so that they meet. */
export const CONCURRENCY_KEYS = ['red', 'green']

/** Types with limits over all processes; a world has one of them, so that it stays small. */
export const GOVERNED_TYPES = {
  capped: { concurrency: 2 },
  ordered: { perKey: { fifo: true } },
  orderedInTurn: { concurrency: 3, perKey: { fifo: true, fair: true } },
  orderedRated: { perKey: { fifo: true, rate: { limit: 1, per: 1_500 } } },
  orderedRatedInTurn: { perKey: { fifo: true, fair: true, rate: { limit: 1, per: 1_500 } } },
  shared: { concurrency: 3, perKey: { concurrency: 1, fair: true } },
  keyed: { perKey: { concurrency: 1 } },
  rated: { rate: { limit: 2, per: 4_000 } },
  ratedKeys: { perKey: { rate: { limit: 2, per: 3_000 } } },
  bursts: { rate: { limit: 1, per: 2_000, burst: 3 } },
  budgeted: { budget: { amount: 3, per: 4_000 }, perKey: { fair: true, budget: { amount: 2, per: 4_000 } } },
  fragile: { concurrency: 3, breaker: { failures: 2, rest: 2_000 } },
} as const satisfies Readonly<Record<string, Limits>>

export type GovernedType = keyof typeof GOVERNED_TYPES
export type SimulatedType = keyof typeof JOB_TYPES | GovernedType | SpecialType

/** The governed type of a world, by its seed. */
export function governedTypeOf(seed: number): GovernedType {
  return new SeededRandom(`${seed}/limits`).pick(Object.keys(GOVERNED_TYPES) as GovernedType[])
}

/** The type of a world whose handler is of another kind, by its seed. */
export function specialTypeOf(seed: number): SpecialType {
  return new SeededRandom(`${seed}/special`).pick(SPECIAL_TYPES)
}

/** Worlds whose governed type is given other limits while it runs; whether it keeps its own is not judged then. */
export function changesLimits(seed: number): boolean {
  return new SeededRandom(`${seed}/changes`).chance(0.15)
}

/** How long finished jobs are kept in worlds that prune, in ms. */
export const RETENTION = { completed: 20_000, cancelled: 30_000, failed: 60_000, history: 40_000 }

/** Worlds in which what has ended is pruned soon. */
export function prunes(seed: number): boolean {
  return new SeededRandom(`${seed}/prunes`).chance(0.25)
}

/** The name under which a type is stored. */
export function storedName(type: string): string {
  return type.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

/** The job types of one simulated process. */
export function simulatedJobs(world: HandlerWorld): AnyJobDefinition[] {
  const governed = governedTypeOf(world.seed)
  const types: [SimulatedType, number | undefined][] = [
    ...(Object.entries(JOB_TYPES) as [SimulatedType, number | undefined][]),
    [governed, undefined],
  ]
  const usual = types.map(([type, concurrency]) =>
    defineJob<SimulatedPayload>({
      type: storedName(type),
      ...(concurrency !== undefined && { concurrency }),
      ...(type === 'hasty' && { timeout: TIMEOUT_MS }),
      ...(type === governed && { limits: GOVERNED_TYPES[governed] }),
      ...RETRIES,
      handler: (payload, context) => handle(world, { payload, context }),
    }),
  )
  return [...usual, specialJob(world, specialTypeOf(world.seed), RETRIES)]
}
