import type { Scheduler } from 'belfry'
import { checkGuardrail } from '../followups/guardrail.ts'
import { sendFollowUp, type SenderParts } from '../followups/send-follow-up.ts'
import { pacedFollowUpJob } from '../job-catalog.ts'

/** FOLLOW_UP_MESSAGE: sends one planned follow-up, if the gates still agree. */
export function registerFollowUpHandler(scheduler: Scheduler, parts: SenderParts): void {
  const job = pacedFollowUpJob(parts.policy.perMinute)
  scheduler.registerHandler(job, async (payload, context) => {
    // Before the gates, which then find the control it sets.
    await checkGuardrail({ ...parts, windowMs: parts.policy.replyWindowMs })
    return sendFollowUp(parts, payload, context)
  })
}
