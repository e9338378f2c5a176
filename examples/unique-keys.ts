import { defineJob, type Scheduler } from 'belfry'

/** One digest mail with everything that happened; a notice more is added to the one that waits. */
export const digest = defineJob<string[]>({
  type: 'digest',
  handler: notices => `${notices.length} notices: ${notices.join(', ')}`,
})

/** At most half an hour after the first notice, and not before ten minutes of silence. */
export function notify(scheduler: Scheduler, person: string, notice: string) {
  return scheduler.scheduleJob(digest, [notice], {
    uniqueKey: person,
    onConflict: 'append',
    delay: '10m',
    maxWait: '30m',
  })
}

export const welcome = defineJob<{ person: string }>({ type: 'welcome', handler: ({ person }) => `hello ${person}` })

/** However often somebody joins and leaves: one welcome a day. */
export function greet(scheduler: Scheduler, person: string) {
  return scheduler.scheduleJob(welcome, { person }, { uniqueKey: person, uniqueFor: '1d' })
}

/** The person has read everything: the digest that waits is not needed. */
export function forget(scheduler: Scheduler, person: string) {
  return scheduler.cancelJob({ job: digest, uniqueKey: person }, { reason: 'everything was read' })
}
