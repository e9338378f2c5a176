import { defineJob, JobType } from 'belfry'
import { z } from 'zod'

const hints = z.record(z.string(), z.unknown())

const currentPayload = z.object({
  userId: z.string().min(1).max(255),
  /** Planned by silence, or asked for by an admin or a program. */
  automatic: z.boolean(),
  /** ISO instant: when it was planned or asked for. */
  plannedAt: z.iso.datetime(),
  /** Hints for the text, such as `{ last_topic: 'Python programming' }`. */
  messageContext: hints.optional(),
  requestedBy: z.string().optional(),
  /** An owner insists: cooldown and quiet hours do not put it off. */
  force: z.boolean().optional(),
  /** Which way of following up it is, when several are tried side by side. */
  variant: z.string().min(1).max(100).optional(),
})

export type FollowUpPayload = z.infer<typeof currentPayload>

/** The integration guide's shape, as its own calls and the rows of the system before have it. */
interface GuidePayload {
  user_id: string
  context?: Record<string, unknown>
  message_context?: Record<string, unknown>
}

/**
 * Reads the guide's shape as ours. When it was planned is not said, so the person's last message alone decides whether
 * they are silent: it goes through the gates of an automatic one.
 */
function fromGuide(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null || !('user_id' in payload)) return payload
  const { user_id: userId, context, message_context: messageContext } = payload as Partial<GuidePayload>
  return { userId, automatic: true, plannedAt: new Date(0).toISOString(), messageContext: messageContext ?? context }
}

const followUpPayload: z.ZodType<FollowUpPayload, FollowUpPayload | GuidePayload> = z.preprocess<
  unknown,
  typeof currentPayload,
  FollowUpPayload | GuidePayload
>(fromGuide, currentPayload)

const currentCleanup = z
  .object({
    type: z.enum(['all', 'old_conversations', 'failed_jobs', 'temp_files']).default('all'),
    /** In place of the configured days; ended jobs go by the scheduler's own retention. */
    daysToKeep: z.number().min(1).max(3_650).optional(),
  })
  .refine(({ type, daysToKeep }) => daysToKeep === undefined || type === 'old_conversations' || type === 'temp_files', {
    path: ['daysToKeep'],
    message: 'is for old_conversations and temp_files; CLEANUP_FAILED_JOBS_DAYS decides about failed_jobs',
  })

export type CleanupPayload = z.infer<typeof currentCleanup>

/** The integration guide's shape, such as `{ type: 'old_conversations', days_to_keep: 30 }`. */
interface GuideCleanup {
  type?: CleanupPayload['type']
  cleanup_type?: CleanupPayload['type']
  days_to_keep?: number
}

function fromGuideCleanup(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null) return payload
  const { cleanup_type: cleanupType, days_to_keep: daysToKeep, ...rest } = payload as GuideCleanup
  return {
    ...(cleanupType !== undefined && { type: cleanupType }),
    ...(daysToKeep !== undefined && { daysToKeep }),
    ...rest,
  }
}

const cleanupPayload: z.ZodType<CleanupPayload, Partial<CleanupPayload> | GuideCleanup> = z.preprocess<
  unknown,
  typeof currentCleanup,
  Partial<CleanupPayload> | GuideCleanup
>(fromGuideCleanup, currentCleanup)

/** Removes what is older than it is kept. */
export const dataCleanupJob = defineJob({
  type: JobType.DATA_CLEANUP,
  payload: cleanupPayload,
  timeout: '30m',
  maxRetries: 2,
})

const followUp = { type: JobType.FOLLOW_UP_MESSAGE, payload: followUpPayload, timeout: '2m', maxRetries: 3 } as const

/** A follow-up to one person, for whoever schedules one. */
export const followUpJob = defineJob(followUp)

/**
 * A follow-up to one person, for a process that sends them: what goes out is spent of a budget over all processes, so
 * that thousands that are due at once stay unclaimed until their turn. One that is put off or withheld spends nothing.
 */
export function pacedFollowUpJob(perMinute: number) {
  return defineJob({ ...followUp, limits: { budget: { amount: perMinute, per: '1m' } } })
}

/** Plans follow-ups for people who went quiet and have none planned. */
export const findInactivePeopleJob = defineJob({
  type: 'find_inactive_people',
  payload: z.object({}),
  timeout: '10m',
  maxRetries: 0,
})

/** A stored payload as the handler would get it; undefined when it could not be read. */
export function readFollowUpPayload(stored: unknown): FollowUpPayload | undefined {
  const read = followUpPayload.safeParse(stored)
  return read.success ? read.data : undefined
}
