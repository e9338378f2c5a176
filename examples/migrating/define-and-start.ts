import { defineJob, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'
import { z } from 'zod'

export const welcomeMail = defineJob({
  type: 'welcome_mail',
  payload: z.object({ to: z.email() }),
  handler: ({ to }, { log }) => {
    log(`writing to ${to}`)
    return { sentTo: to }
  },
})

export async function startMailing(database: Database): Promise<Scheduler> {
  const scheduler = new Scheduler({ database, jobs: [welcomeMail] })
  await scheduler.start() // makes its tables, then runs what is due
  return scheduler
}
