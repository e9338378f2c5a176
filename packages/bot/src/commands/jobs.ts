import type { Clock, Job, JobStatus, JobSummary, Scheduler } from 'belfry'
import { sayWhen } from '../messaging/say-time.ts'
import { CommandError, type Command, type CommandCall } from './command.ts'
import { findJob } from './find-job.ts'

interface JobsParts {
  readonly clock: Clock
  readonly scheduler: Scheduler | undefined
}

const PAGE = 10
/** Who looks for something further back asks for it by status or type. */
const LAST_PAGE = 100
const STATUSES: readonly JobStatus[] = ['pending', 'running', 'completed', 'failed', 'cancelled']

function isStatus(word: string): word is JobStatus {
  return STATUSES.some(status => status === word)
}

function requireScheduler(scheduler: Scheduler | undefined): Scheduler {
  if (!scheduler) throw new CommandError('Job scheduler is not available (JOB_SCHEDULER_ENABLED is false).')
  return scheduler
}

/** `!job_list [status|type] [page]`: the newest first. */
export function jobListCommand(parts: JobsParts): Command {
  return {
    name: 'job_list',
    usage: '[status|type] [page]',
    about: `Jobs, newest first, ${PAGE} a page; all, or of one status or type.`,
    adminOnly: true,
    async run({ args, message }) {
      const scheduler = requireScheduler(parts.scheduler)
      if (message.reaches)
        throw new CommandError('The list of all jobs is for owners of the bot (ADMIN_USER_IDS): it spans all servers.')
      const { word, page } = wantedOf(args)
      const filter = word === undefined ? {} : isStatus(word) ? { status: word } : { jobType: word }
      const jobs = await pageOf(scheduler, filter, page)
      const what = word ?? 'all'
      if (jobs.jobs.length === 0)
        return page === 1 ? await sayNone(scheduler, word) : `Jobs (${what}): no page ${page}.`
      const more = jobs.next === null ? '' : `\nMore: page ${page + 1}.`
      return `Jobs (${what}), page ${page}:\n${jobs.jobs.map(job => sayJob(job, parts.clock.now())).join('\n')}${more}`
    },
  }
}

function wantedOf(args: readonly string[]): { word: string | undefined; page: number } {
  const pageText = /^\d+$/.test(args.at(-1) ?? '') ? args.at(-1) : undefined
  const words = pageText === undefined ? args : args.slice(0, -1)
  const page = Number(pageText ?? 1)
  if (page < 1 || page > LAST_PAGE)
    throw new CommandError(`Page: expected a whole number from 1 to ${LAST_PAGE}; got \`${pageText?.slice(0, 20)}\`.`)
  if (words.length > 1 || (words[0] !== undefined && !/^[a-z][a-z0-9_]{0,99}$/i.test(words[0])))
    throw new CommandError(`Expected a status (${STATUSES.join(', ')}) or a job type, then a page.`)
  return { word: words[0]?.toLowerCase(), page }
}

async function pageOf(scheduler: Scheduler, filter: { status?: JobStatus; jobType?: string }, page: number) {
  let found = await scheduler.admin.listJobs(filter, { limit: PAGE })
  for (let at = 1; at < page && found.jobs.length > 0; at += 1) {
    if (found.next === null) return { jobs: [], next: null }
    found = await scheduler.admin.listJobs(filter, { limit: PAGE, after: found.next })
  }
  return found
}

/** A word that is no status is taken for a type; who mistyped one is told what there is. */
async function sayNone(scheduler: Scheduler, word: string | undefined): Promise<string> {
  if (word === undefined || isStatus(word)) return `There are no jobs${word === undefined ? '' : ` that are ${word}`}.`
  const types = (await scheduler.getStats()).types.map(({ jobType }) => jobType)
  if (types.includes(word)) return `There are no jobs of type ${word}.`
  throw new CommandError(
    `I know no status or job type \`${word}\`. Statuses: ${STATUSES.join(', ')}. Types: ${types.join(', ') || 'none'}.`,
  )
}

function sayJob(job: JobSummary, now: Date): string {
  const when = job.completedAt ? `ended ${sayWhen(job.completedAt, now)}` : `due ${sayWhen(job.scheduledTime, now)}`
  const error = job.errorMessage && job.status === 'failed' ? `: ${job.errorMessage.slice(0, 80)}` : ''
  return `\`${job.jobId}\` ${job.jobType} ${job.status}, ${when}${error}`
}

/** `!job_cancel <id>` */
export function jobCancelCommand({ scheduler }: JobsParts): Command {
  return {
    name: 'job_cancel',
    usage: '<job-id>',
    about: 'Cancel a job, by its id or its first 6 characters.',
    adminOnly: true,
    async run(call) {
      const { job, actor, admin } = await wantedJob(scheduler, call)
      if (isOver(job)) return `Job \`${job.jobId}\` is ${job.status} already; nothing was changed.`
      const { cancelled, requested } = await admin.cancelJobs(
        { jobId: job.jobId },
        { actor, reason: 'cancelled by an admin' },
      )
      if (cancelled > 0) return `Job \`${job.jobId}\` is cancelled: it will not start.`
      if (requested > 0) return `Job \`${job.jobId}\` runs at this moment; it has been asked to stop.`
      return `Job \`${job.jobId}\` has ended meanwhile; nothing was changed.`
    },
  }
}

/** `!job_retry <id>` */
export function jobRetryCommand({ scheduler }: JobsParts): Command {
  return {
    name: 'job_retry',
    usage: '<job-id>',
    about: 'Give a failed job a new life, due now, with all its retries.',
    adminOnly: true,
    async run(call) {
      const { job, actor, admin } = await wantedJob(scheduler, call)
      if (job.status !== 'failed')
        return `Job \`${job.jobId}\` is ${job.status}; only failed jobs are retried. Nothing was changed.`
      const { redriven } = await admin.redriveJobs({ jobId: job.jobId, status: 'failed' }, { actor })
      if (redriven > 0) return `Job \`${job.jobId}\` is due now, with ${job.maxRetries} retries.`
      return `Job \`${job.jobId}\` cannot be retried: another job has its place (key \`${job.uniqueKey ?? ''}\`).`
    },
  }
}

async function wantedJob(given: Scheduler | undefined, { args, message }: CommandCall) {
  const scheduler = requireScheduler(given)
  const [id, ...others] = args
  if (id === undefined || others.length > 0) throw new CommandError('Expected one job id, or its first 6 characters.')
  return { job: await findJob(scheduler, id, message), actor: message.userId, admin: scheduler.admin }
}

function isOver(job: Job): boolean {
  return job.status === 'completed' || job.status === 'failed' || job.status === 'cancelled'
}
