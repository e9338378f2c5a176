import type { Queryable } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import type { Duration } from '../runtime/duration.ts'
import { isStorableInstant } from '../runtime/storable-instant.ts'
import { wakeOf, type Wake } from './control-errors.ts'

/** What a check is told beside the payload. */
export interface RevalidateContext {
  readonly jobId: string
  readonly jobType: string
  readonly scheduledTime: Date
  /** The due instant of the schedule that made this job. */
  readonly occurrence: Date | null
  /** The claim's own open transaction (READ COMMITTED), in which the job's row is locked. Read facts here, `for share`. */
  readonly tx: Queryable
  /** Aborts when the check's time is up. */
  readonly signal: AbortSignal
}

/** `run` it; or end it as `cancelled` with a reason; or put it off, spending no attempt. */
export type RevalidateAnswer = 'run' | { readonly skip: string } | { readonly postpone: Date | Duration }

/** Says in the transaction of the claim whether a due job is still relevant. What it throws is a failed attempt. */
export type Revalidate<Payload> = (payload: Payload, context: RevalidateContext) => Promise<RevalidateAnswer>

/** An answer, checked. */
export type Relevance = { readonly skip: string } | { readonly postpone: Wake } | 'run'

const LONGEST_REASON = 1_000

/** @throws BelfryError `BELFRY_INVALID_ANSWER`, `BELFRY_INVALID_DURATION` */
export function relevanceOf(answer: unknown, jobType: string): Relevance {
  if (answer === 'run') return 'run'
  if (typeof answer === 'object' && answer !== null) {
    if ('skip' in answer && typeof answer.skip === 'string') return { skip: answer.skip.slice(0, LONGEST_REASON) }
    if ('postpone' in answer) {
      const { postpone } = answer
      if (isWhen(postpone)) return { postpone: wakeOf(postpone, `postpone of ${jobType}`) }
    }
  }
  throw new BelfryError(
    'BELFRY_INVALID_ANSWER',
    `revalidate of ${show(jobType)}: expected 'run', { skip: 'reason' } or { postpone: Date or duration }, got ${show(
      typeof answer === 'object' ? JSON.stringify(answer) : answer,
    )}`,
  )
}

/** An instant as scheduling takes it, from 1970 to 3000, or what may be a duration. */
function isWhen(value: unknown): value is Date | Duration {
  if (value instanceof Date) return isStorableInstant(value.getTime())
  return typeof value === 'string' || typeof value === 'number'
}
