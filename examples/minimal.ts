import { defineJob, Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import type { Pool } from 'pg'
import { z } from 'zod'

const remind = defineJob({
  type: 'remind',
  payload: z.object({ userId: z.string() }),
  handler: ({ userId }, { log }) => {
    log(`reminding ${userId}`)
    return { reminded: userId }
  },
})

export async function remindInTwoDays(pool: Pool): Promise<Scheduler> {
  const scheduler = new Scheduler({ database: fromPool(pool), jobs: [remind] })
  await scheduler.start()
  await scheduler.scheduleJob(remind, { userId: '42' }, { delay: '48h' })
  return scheduler
}
