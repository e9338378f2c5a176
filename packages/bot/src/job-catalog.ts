import { defineJob, JobType } from 'belfry'
import { z } from 'zod'

/** A follow-up to one person. Version 1 is the guide's shape: `{ user_id, context | message_context }`. */
export const followUpJob = defineJob({
  type: JobType.FOLLOW_UP_MESSAGE,
  payloadVersion: 2,
  payload: z.object({
    userId: z.string().min(1).max(255),
    /** Planned by silence, or asked for by an admin or a program. */
    automatic: z.boolean(),
    /** ISO instant: when it was planned or asked for. */
    plannedAt: z.iso.datetime(),
    /** Hints for the text, such as `{ last_topic: 'Python programming' }`. */
    messageContext: z.record(z.string(), z.unknown()).optional(),
    requestedBy: z.string().optional(),
  }),
  upcast: { 1: fromGuidePayload },
  timeout: '2m',
  maxRetries: 3,
})

export type FollowUpPayload = {
  userId: string
  automatic: boolean
  plannedAt: string
  messageContext?: Record<string, unknown> | undefined
  requestedBy?: string | undefined
}

/** Payloads of the system this follows, and of scheduling calls made with the guide's own keys. */
const guidePayload = z.looseObject({
  user_id: z.string(),
  context: z.record(z.string(), z.unknown()).optional(),
  message_context: z.record(z.string(), z.unknown()).optional(),
})

/** When it was planned is not known; the beginning of time makes any message since then count as "they spoke". */
function fromGuidePayload(payload: unknown): unknown {
  const read = guidePayload.safeParse(payload)
  if (!read.success) return payload
  const { user_id: userId, context, message_context: messageContext } = read.data
  return {
    userId,
    automatic: true,
    plannedAt: new Date(0).toISOString(),
    messageContext: messageContext ?? context ?? {},
  }
}
