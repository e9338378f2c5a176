import { defineJob, type Scheduler } from 'belfry'

/** Nobody wants this at night. In the morning not everybody gets it in the same second. */
export const reminder = defineJob<{ text: string }>({
  type: 'reminder',
  window: {
    hours: [
      { from: '09:00', to: '20:00', days: ['mon', 'tue', 'wed', 'thu', 'fri'] },
      { from: '11:00', to: '18:00', days: ['sat', 'sun'] },
    ],
    timeZone: 'Europe/Berlin',
    spread: '20m',
  },
  handler: ({ text }) => `reminded: ${text}`,
})

/** In the zone of whoever gets it, if that is known. */
export function remind(scheduler: Scheduler, person: { id: string; timeZone?: string }, text: string) {
  const zone = person.timeZone === undefined ? {} : { timeZone: person.timeZone }
  return scheduler.scheduleJob(reminder, { text }, { delay: '8h', subjects: [person.id], ...zone })
}

/** The person has moved: what waits goes by the new zone. */
export function personMoved(scheduler: Scheduler, person: string, timeZone: string) {
  return scheduler.admin.setTimeZone(person, timeZone, { actor: 'profile page' })
}
