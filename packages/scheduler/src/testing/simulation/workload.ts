import { CancelError, NonRetryableError, RetryAfterError, SnoozeError } from '../../job/control-errors.ts'
import type { Limits } from '../../job/limits.ts'
import type { JobContext } from '../../job/context.ts'
import { defineJob, type AnyJobDefinition } from '../../job/definition.ts'
import { SeededRandom } from './random.ts'

/** What a simulated job carries: the name by which the checks know it. */
export interface SimulatedPayload {
  readonly name: string
}

/** What a handler needs of its process. */
export interface HandlerWorld {
  readonly seed: number
  /** No more faults: what is left must only come to its end. */
  readonly isHealed: () => boolean
  /** Some of the handler's time; ends early when the signal given aborts. */
  work(ms: number, signal?: AbortSignal): Promise<void>
  onStart(payload: SimulatedPayload, context: JobContext): void
  onEnd(context: JobContext, how: 'returned' | 'threw' | 'asked to be cancelled'): void
}

/** Losses after which a simulated job is given up. */
export const MAX_LOST = 3
/** Attempts after which a handler only succeeds or fails, so that every world comes to an end. */
const CAPRICIOUS_ATTEMPTS = 4
const TIMEOUT_MS = 5_000

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
  ratedKeys: { perKey: { rate: { limit: 1, per: 3_000 } } },
  fragile: { concurrency: 3, breaker: { failures: 2, rest: 2_000 } },
} as const satisfies Readonly<Record<string, Limits>>

export type GovernedType = keyof typeof GOVERNED_TYPES
export type SimulatedType = keyof typeof JOB_TYPES | GovernedType

/** The governed type of a world, by its seed. */
export function governedTypeOf(seed: number): GovernedType {
  return new SeededRandom(`${seed}/limits`).pick(Object.keys(GOVERNED_TYPES) as GovernedType[])
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
  return types.map(([type, concurrency]) =>
    defineJob<SimulatedPayload>({
      type: storedName(type),
      ...(concurrency !== undefined && { concurrency }),
      ...(type === 'hasty' && { timeout: TIMEOUT_MS }),
      ...(type === governed && { limits: GOVERNED_TYPES[governed] }),
      backoff: { initial: 500, max: 2_000 },
      maxLost: MAX_LOST,
      handler: (payload, context) => handle(world, payload, context),
    }),
  )
}

async function handle(world: HandlerWorld, payload: SimulatedPayload, context: JobContext): Promise<unknown> {
  world.onStart(payload, context)
  try {
    const result = await behave(world, payload, context)
    world.onEnd(context, 'returned')
    return result
  } catch (error) {
    world.onEnd(context, error instanceof CancelError ? 'asked to be cancelled' : 'threw')
    throw error
  }
}

/** Most handlers do their work; the weights of the others are high enough to be met in a few dozen jobs. */
const BEHAVIOURS = {
  succeed: 30,
  work: 25,
  workAndTell: 6,
  fail: 14,
  refuse: 4,
  snooze: 5,
  comeLater: 3,
  cancel: 2,
  deaf: 4,
  obedient: 5,
} as const

/**
 * What a handler does depends on seed, job and attempt, not on where it runs. In a healed world it succeeds at once: its
 * failures would cost a fifth of the statements after healing, where nothing can go wrong between them any more.
 */
async function behave(world: HandlerWorld, { name }: SimulatedPayload, context: JobContext): Promise<unknown> {
  if (world.isHealed()) return undefined
  const random = new SeededRandom(`${world.seed}/${name}/${context.attempt}`)
  const late = context.attempt > CAPRICIOUS_ATTEMPTS
  const kind = (late ? random.weighted({ succeed: 3, fail: 1 }) : random.weighted(BEHAVIOURS)) ?? 'succeed'
  switch (kind) {
    case 'succeed':
      return random.chance(0.3) ? { name } : undefined
    case 'work':
      return world.work(1 + random.below(2_000), random.chance(0.5) ? context.signal : undefined)
    case 'workAndTell':
      context.log(`working on ${name}`)
      await context.progress({ half: true })
      return world.work(random.below(500))
    case 'fail':
      await world.work(random.below(3) * 200)
      throw new Error(`simulated: ${name} failed`)
    case 'refuse':
      throw new NonRetryableError(`simulated: ${name} cannot be helped`)
    case 'snooze':
      throw new SnoozeError(random.below(2_000))
    case 'comeLater':
      throw new RetryAfterError(1 + random.below(2_000))
    case 'cancel':
      throw new CancelError('simulated: not wanted any more')
    case 'deaf':
      return world.work(TIMEOUT_MS + random.below(10_000))
    case 'obedient':
      await world.work(TIMEOUT_MS + random.below(5_000), context.signal)
      context.signal.throwIfAborted()
      return undefined
  }
}
