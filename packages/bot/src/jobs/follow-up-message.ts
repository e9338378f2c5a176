import type { Scheduler } from 'belfry'
import { sendFollowUp, type SenderParts } from '../followups/send-follow-up.ts'
import { followUpJob } from '../job-catalog.ts'

/** FOLLOW_UP_MESSAGE: sends one planned follow-up, if the gates still agree. */
export function registerFollowUpHandler(scheduler: Scheduler, parts: SenderParts): void {
  scheduler.registerHandler(followUpJob, (payload, context) => sendFollowUp(parts, payload, context))
}
