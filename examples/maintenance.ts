import type { Scheduler } from 'belfry'

/** An API is taken down for two hours: nothing calls it from now on, in any process. Answers how many calls will wait. */
export async function close({ admin }: Scheduler, actor: string): Promise<number> {
  await admin.pause({ jobType: 'call_api' }, { actor, reason: 'API maintenance until noon' })
  const { types } = await admin.forecast({ hours: 2 })
  const hours = types.find(type => type.jobType === 'call_api')?.hours ?? []
  return hours.reduce((total, { pending, recurring }) => total + pending + recurring, 0)
}

/** It is back: two calls at a time until it is warm, and today's import now instead of tomorrow. */
export async function reopen(scheduler: Scheduler, actor: string): Promise<void> {
  await scheduler.admin.setLimits('call_api', { concurrency: 2 }, { actor })
  await scheduler.admin.resume({ jobType: 'call_api' }, { actor })
  await scheduler.triggerSchedule('import', { actor })
}

/** It is warm: the limits of the definition again. */
export async function asBefore({ admin }: Scheduler, actor: string): Promise<void> {
  await admin.setLimits('call_api', null, { actor })
}
