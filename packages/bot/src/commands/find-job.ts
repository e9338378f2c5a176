import type { Job, Scheduler } from 'belfry'
import { CommandError } from './command.ts'

/** Shorter beginnings of an id would find too much. */
const SHORTEST_PREFIX = 6

/** The one job with this id, or whose id begins so; backticks around it are what people copy along. */
export async function findJob(scheduler: Scheduler, typed: string): Promise<Job> {
  const id = typed.replaceAll('`', '')
  const exact = await scheduler.getJob(id)
  if (exact) return exact
  if (id.length < SHORTEST_PREFIX)
    throw new CommandError(`Job \`${id}\` not found. Beginnings of ids need ${SHORTEST_PREFIX} characters.`)
  const found = await scheduler.findJobs(id, 3)
  if (found.length > 1)
    throw new CommandError(
      `Several jobs begin with \`${id.slice(0, 80)}\`: ${found.map(job => `\`${job.jobId}\``).join(', ')}`,
    )
  if (!found[0]) throw new CommandError(`Job \`${id.slice(0, 80)}\` not found.`)
  return found[0]
}
