import type { Job, JobSummary, Scheduler } from 'belfry'
import type { InboundMessage } from '../messaging/message.ts'
import { inCode } from '../messaging/voice.ts'
import { CommandError } from './command.ts'

const LONGEST_ID = 255
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
  const id = typed.replaceAll('`', '').slice(0, LONGEST_ID)
  const exact = await scheduler.getJob(id)
  if (exact) return exact
  if (id.length < SHORTEST_PREFIX)
    throw new CommandError(`Job \`${inCode(id)}\` not found. Beginnings of ids need ${SHORTEST_PREFIX} characters.`)
  const found = await scheduler.findJobs(id, 3)
  if (found.length > 1 && asker.reaches)
    throw new CommandError('Several jobs begin so: name the one you mean by its whole id.')
  if (found.length > 1)
    throw new CommandError(
      `Several jobs begin with \`${inCode(id)}\`: ${found.map(job => `\`${job.jobId}\``).join(', ')}`,
    )
  if (!found[0]) throw notFound(id)
  return found[0]
}

function notFound(id: string): CommandError {
  return new CommandError(`Job \`${inCode(id)}\` not found.`)
}

/** Recent jobs that are looked at for suggestions. */
const LOOKED_AT = 100

/** Ids of recent jobs that begin like what is typed, newest first; of the jobs that the asker reaches. */
export async function suggestJobs(
  scheduler: Scheduler,
  typed: string,
  { reaches, most }: Pick<InboundMessage, 'reaches'> & { most: number },
): Promise<JobSummary[]> {
  const { jobs } = await scheduler.admin.listJobs({}, { limit: LOOKED_AT })
  const begun = jobs.filter(job => job.jobId.toLowerCase().startsWith(typed.toLowerCase()))
  if (!reaches) return begun.slice(0, most)
  const found: JobSummary[] = []
  for (const job of begun) {
    if (found.length >= most) break
    const person = personOf(await scheduler.getJob(job))
    if (person !== undefined && (await reaches(person))) found.push(job)
  }
  return found
}

/** Whom a job is about, if it is about somebody. */
function personOf(job: Job | undefined): string | undefined {
  const payload = job?.payload
  if (typeof payload !== 'object' || payload === null) return undefined
  const { userId, user_id: guideUserId } = payload as { userId?: unknown; user_id?: unknown }
  const id = userId ?? guideUserId
  return typeof id === 'string' ? id : undefined
}
