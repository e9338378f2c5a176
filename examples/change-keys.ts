import type { Scheduler } from 'belfry'

/** Step 3, and whether step 4 may come: true when nothing is stored under the old key any more. */
export async function leaveKey(scheduler: Scheduler, oldKey: string): Promise<boolean> {
  await scheduler.admin.resealPayloads({ actor: 'key change' })
  const counts = await scheduler.admin.payloadKeys()
  return counts.every(({ key, unfinished, finished }) => key !== oldKey || unfinished + finished === 0)
}
