import type { Scheduler } from 'belfry'

/** The provider was down over night: what failed, what is in the way, and on with it. */
export async function afterTheOutage({ admin }: Scheduler, actor: string): Promise<string[]> {
  const report: string[] = []
  for (const group of await admin.deadLetters({ jobType: 'mail' })) {
    report.push(`${group.count} × ${group.message}`)
    if (group.message !== 'provider down') continue
    const filter = { fingerprint: group.fingerprint }
    const preview = await admin.redriveJobs(filter, { dryRun: true })
    const { redriven } = await admin.redriveJobs(filter, { actor })
    report.push(`redriven ${redriven} of ${preview.redriven}`)
  }
  const { jobs } = await admin.listJobs({ status: 'pending', tags: ['newsletter'] }, { limit: 1 })
  for (const { jobId } of jobs) report.push((await admin.explain(jobId))?.sentence ?? 'gone')
  return report
}

/** Somebody is on holiday: nothing about them starts until they are back. Answers what to call then. */
export async function onHoliday({ admin }: Scheduler, userId: string): Promise<() => Promise<boolean>> {
  const person = { subject: `user:${userId}` }
  await admin.pause(person, { actor: 'profile page', reason: 'on holiday' })
  return () => admin.resume(person, { actor: 'profile page' })
}

/** Somebody asks to be forgotten. */
export async function forget({ admin }: Scheduler, userId: string): Promise<number> {
  const { pending, running, finished } = await admin.eraseSubject(`user:${userId}`, { actor: 'privacy desk' })
  return pending + running + finished
}
