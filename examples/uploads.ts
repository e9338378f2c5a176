import type { Scheduler } from 'belfry'

/** A file is uploaded; then its owner is told, if it went well, and the copy on this disk goes, in any case. */
export async function upload(scheduler: Scheduler, file: string): Promise<{ jobId: string }> {
  const uploaded = await scheduler.scheduleJob('upload', { payload: { file } })
  await scheduler.scheduleJob('tell_owner', { payload: { file }, dependsOn: [uploaded] })
  const inAnyCase = { job: uploaded, onFailure: 'run', name: 'upload' } as const
  await scheduler.scheduleJob('clean_up', { payload: { file }, dependsOn: [inAnyCase] })
  return uploaded
}

/** What comes after what, as text that Mermaid draws. */
export async function drawing(scheduler: Scheduler, job: { jobId: string }): Promise<string> {
  const graph = await scheduler.admin.graph(job)
  const name = new Map(graph?.nodes.map(({ jobId, jobType, status }) => [jobId, `${jobType}_${status}`]))
  const arrows = graph?.edges.map(({ from, to, onFailure }) => `  ${name.get(from)} -->|${onFailure}| ${name.get(to)}`)
  return ['graph LR', ...(arrows ?? []).toSorted()].join('\n')
}
