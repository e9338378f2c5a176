import type { Scheduler } from 'belfry'
import { sendFollowUp, type SenderParts } from '../followups/send-follow-up.ts'
import { pacedFollowUpJob } from '../job-catalog.ts'

/** FOLLOW_UP_MESSAGE: sends one planned follow-up, if the gates still agree. */
export function registerFollowUpHandler(scheduler: Scheduler, parts: SenderParts): void {
  const job = pacedFollowUpJob(parts.policy.perMinute)
  scheduler.registerHandler(job, (payload, context) => sendFollowUp(parts, payload, context))
}
