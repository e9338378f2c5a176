import { show } from '../errors.ts'
import type { OpenDependencyRow } from '../store/read-dependencies.ts'
import type { Hindrance } from './hindrance.ts'

/** The jobs that keep a job waiting, as a hindrance. Pure. `open`: the first of them. */
export function dependencyHindrance(open: readonly OpenDependencyRow[]): Hindrance[] {
  const [first] = open
  if (!first) return []
  const { total } = first
  const more = total > open.length ? ` and ${total - open.length} more` : ''
  return [
    {
      kind: 'dependency',
      jobs: open.map(each => each.job_id),
      until: null,
      sentence: `It waits for ${total === 1 ? 'a job' : `${total} jobs`}: ${open.map(nameOf).join(', ')}${more}.`,
      change: changeOf(open),
    },
  ]
}

function nameOf({ name, job_id: jobId, job_type: jobType, status }: OpenDependencyRow): string {
  const what = name === null ? jobId : `${show(name)} (${jobId})`
  return jobType === '' ? `${what}, which is gone` : `${what}, ${jobType}, ${status}`
}

function changeOf(open: readonly OpenDependencyRow[]): string {
  const stuck = open.filter(
    each => each.on_failure === 'wait' && (each.status === 'failed' || each.status === 'cancelled'),
  )
  const [first] = stuck
  if (first) return `Redrive ${first.job_id}: it goes on when that has completed. Or cancel it.`
  const cancels = open.some(each => each.on_failure === 'cancel')
  return `It goes on when ${open.length === 1 ? 'that has' : 'all of them have'} ended${cancels ? ', and is cancelled if one fails that it needs' : ''}.`
}
