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

/** A follow-up to one person. */
export const followUpJob = defineJob({
  type: JobType.FOLLOW_UP_MESSAGE,
  payload: followUpPayload,
  timeout: '2m',
  maxRetries: 3,
})

/** A stored payload as the handler would get it; undefined when it could not be read. */
export function readFollowUpPayload(stored: unknown): FollowUpPayload | undefined {
  const read = followUpPayload.safeParse(stored)
  return read.success ? read.data : undefined
}
