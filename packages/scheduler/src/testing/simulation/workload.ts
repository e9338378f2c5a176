import { CancelError, NonRetryableError, RetryAfterError, SnoozeError } from '../../job/control-errors.ts'
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

export type SimulatedType = keyof typeof JOB_TYPES

/** The job types of one simulated process. */
export function simulatedJobs(world: HandlerWorld): AnyJobDefinition[] {
  return Object.entries(JOB_TYPES).map(([type, concurrency]) =>
    defineJob<SimulatedPayload>({
      type,
      ...(concurrency !== undefined && { concurrency }),
      ...(type === 'hasty' && { timeout: TIMEOUT_MS }),
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

/** What a handler does depends on seed, job and attempt alone: not on where and when it runs. */
async function behave(world: HandlerWorld, { name }: SimulatedPayload, context: JobContext): Promise<unknown> {
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
