import type { Scheduler } from 'belfry'
import { welcomeMail } from './define-and-start.ts'

export async function sendMails(scheduler: Scheduler): Promise<string[]> {
  const now = await scheduler.scheduleJob(welcomeMail, { to: 'ada@example.com' })
  const soon = await scheduler.scheduleJob(welcomeMail, { to: 'ben@example.com' }, { delay: '30m' })
  const then = new Date(Date.now() + 7 * 86_400_000)
  const later = await scheduler.scheduleJob(welcomeMail, { to: 'cleo@example.com' }, { scheduledTime: then })
  const many = await scheduler.scheduleJobs([
    { job: welcomeMail, payload: { to: 'dora@example.com' }, delay: '1h' },
    { job: 'count_mails', payload: {}, delay: '2h' },
  ])
  return [now, soon, later, ...many].map(({ jobId }) => jobId)
}
