import type { JobContext } from '../../job/context.ts'
import type { TransactionalContext } from '../../job/definition.ts'
import type { RevalidateAnswer, RevalidateContext } from '../../job/revalidate.ts'
import { CancelError, NonRetryableError, RetryAfterError, SnoozeError } from '../../job/control-errors.ts'
import { SeededRandom } from './random.ts'

/** What a simulated job carries: the name by which the checks know it. */
export interface SimulatedPayload {
  readonly name: string
}

/** With steps, or inside a transaction. */
export type AnyContext = JobContext | TransactionalContext

/** One call of a handler, for one job. */
export interface SimulatedAttempt {
  readonly payload: SimulatedPayload
  /** All that the job carries. Default: the payload alone. */
  readonly carried?: readonly SimulatedPayload[]
  readonly context: AnyContext
}

/** What a handler needs of its process. */
export interface HandlerWorld {
  readonly seed: number
  /** No more faults: what is left must only come to its end. */
  readonly isHealed: () => boolean
  /** Some of the handler's time; ends early when the signal given aborts. */
  work(ms: number, signal?: AbortSignal): Promise<void>
  /** The table into which transactional handlers write. */
  readonly effects: string
  /** The table of what is not wanted any more. */
  readonly withdrawn: string
  /** Virtual time: milliseconds since 1970. */
  readonly now: () => number
  /** Never the same twice. */
  fresh(): string
  onStart(carried: readonly SimulatedPayload[], context: AnyContext): void
  /** A job that was claimed was found relevant. */
  onRelevant(context: RevalidateContext): void
  onEnd(context: AnyContext, how: 'returned' | 'threw' | 'asked to be cancelled'): void
  /** A step was answered, now or in an earlier attempt. */
  onStep(context: AnyContext, step: string, answer: unknown): void
  /** An effect on the world outside is about to be made. */
  onSend(context: AnyContext, doubtful: boolean): void
}

/** Attempts after which a handler only succeeds or fails, so that every world comes to an end. */
const CAPRICIOUS_ATTEMPTS = 4
/** Longest run of an attempt of type `hasty`. */
export const TIMEOUT_MS = 5_000

/** Runs a handler and tells its world; without `work` it does what is drawn for it. */
export async function handle(
  world: HandlerWorld,
  { payload, context, carried = [payload] }: SimulatedAttempt,
  work: () => Promise<unknown> = () => behave(world, { payload, context }),
): Promise<unknown> {
  world.onStart(carried, context)
  try {
    const result = await work()
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
 * Inside a transaction. A world has one connection: what is asked beside an open transaction waits for it, and so do the
 * leases of all processes.
 */
const SHORT_BEHAVIOURS = { ...BEHAVIOURS, workAndTell: 0, deaf: 0, obedient: 0 }

/**
 * What a handler does depends on seed, job and attempt, not on where it runs. In a healed world it succeeds at once: its
 * failures would cost a fifth of the statements after healing, where nothing can go wrong between them any more.
 */
export async function behave(world: HandlerWorld, { payload: { name }, context }: SimulatedAttempt): Promise<unknown> {
  if (world.isHealed()) return undefined
  const random = new SeededRandom(`${world.seed}/${name}/${context.attempt}`)
  const behaviours = 'tx' in context ? SHORT_BEHAVIOURS : BEHAVIOURS
  const late = context.attempt > CAPRICIOUS_ATTEMPTS
  const kind = (late ? random.weighted({ succeed: 3, fail: 1 }) : random.weighted(behaviours)) ?? 'succeed'
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

/** Whether a job is still wanted, as its claim asks; sometimes that cannot be told, or not yet. */
export async function revalidate(
  world: HandlerWorld,
  { name }: SimulatedPayload,
  context: RevalidateContext,
): Promise<RevalidateAnswer> {
  const sql = `select name from ${world.withdrawn} where name = $1::text for share`
  if ((await context.tx.query(sql, [name])).rows.length > 0) return { skip: 'simulated: not wanted any more' }
  if (!world.isHealed()) {
    const random = new SeededRandom(`${world.seed}/${name}/asked at ${world.now()}`)
    if (random.chance(0.1)) throw new Error(`simulated: nobody knows whether ${name} is wanted`)
    if (random.chance(0.15)) return { postpone: 1 + random.below(2_000) }
  }
  world.onRelevant(context)
  return 'run'
}
