import type { Job, Scheduler } from 'belfry'
import type { InboundMessage } from '../messaging/message.ts'
import { CommandError } from './command.ts'

/** Shorter beginnings of an id would find too much. */
const SHORTEST_PREFIX = 6

/**
 * The one job with this id, or whose id begins so; backticks around it are what people copy along. Who reaches some people
 * only reaches the jobs about them, and learns nothing of others.
 */
export async function findJob(scheduler: Scheduler, typed: string, asker: InboundMessage): Promise<Job> {
  const job = await findAny(scheduler, typed, asker)
  if (!asker.reaches) return job
  const person = personOf(job)
  if (person !== undefined && (await asker.reaches(person))) return job
  throw notFound(typed)
}

async function findAny(scheduler: Scheduler, typed: string, asker: InboundMessage): Promise<Job> {
  const id = typed.replaceAll('`', '')
  const exact = await scheduler.getJob(id)
  if (exact) return exact
  if (id.length < SHORTEST_PREFIX)
    throw new CommandError(`Job \`${id}\` not found. Beginnings of ids need ${SHORTEST_PREFIX} characters.`)
  const found = await scheduler.findJobs(id, 3)
  if (found.length > 1 && asker.reaches)
    throw new CommandError('Several jobs begin so: name the one you mean by its whole id.')
  if (found.length > 1)
    throw new CommandError(
      `Several jobs begin with \`${id.slice(0, 80)}\`: ${found.map(job => `\`${job.jobId}\``).join(', ')}`,
    )
  if (!found[0]) throw notFound(id)
  return found[0]
}

function notFound(id: string): CommandError {
  return new CommandError(`Job \`${id.slice(0, 80)}\` not found.`)
}

/** Whom a job is about, if it is about somebody. */
function personOf({ payload }: Job): string | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined
  const { userId, user_id: guideUserId } = payload as { userId?: unknown; user_id?: unknown }
  const id = userId ?? guideUserId
  return typeof id === 'string' ? id : undefined
}
