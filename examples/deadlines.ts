import { defineJob, type Scheduler } from 'belfry'

/** News for a quarter of an hour. Later nobody wants to hear it: the job ends as cancelled. */
export const kickOff = defineJob<{ match: string }>({
  type: 'kick_off',
  expireAfter: '15m',
  handler: ({ match }) => `told: ${match} has begun`,
})

/** Late is better than never. */
export const bill = defineJob<{ order: string }>({
  type: 'bill',
  expireAfter: '1d',
  onExpired: 'run',
  handler: ({ order }, { scheduledTime, log }) => {
    log(`was due ${scheduledTime.toISOString()}`)
    return `bill for ${order}`
  },
})

/** Work for the night: what has not begun four hours after midnight begins twenty hours later. */
export const reindex = defineJob({
  type: 'rebuild_index',
  expireAfter: '4h',
  onExpired: { reschedule: '20h' },
  handler: () => 'built',
})

export const loginCode = defineJob<{ code: string }>({ type: 'login_code', handler: ({ code }) => `sent ${code}` })

/** A code is good until an instant that the call knows: no use in sending it after that. */
export function sendCode(scheduler: Scheduler, code: string, validUntil: Date) {
  return scheduler.scheduleJob(loginCode, { code }, { expiresAt: validUntil })
}
