import type { Clock, Job, JobStatus, Scheduler } from 'belfry'
import { inCode, voiceOf, type SayInstant } from '../messaging/voice.ts'
import { CommandError, type Command, type CommandAnswer, type CommandCall } from './command.ts'
import { findJob } from './find-job.ts'
import { LAST_PAGE, PAGE, pageButtons } from './pages.ts'

interface JobsParts {
  readonly clock: Clock
  readonly scheduler: Scheduler | undefined
  readonly prefix: string
}

const STATUSES: readonly JobStatus[] = ['pending', 'running', 'completed', 'failed', 'cancelled']

const CONFIRM = 'confirm'
const KEEP = 'keep'
const LEFT = 'Left as it is; nothing was changed.'

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
    group: 'job',
    usage: '[status|type] [page]',
    about: `Jobs, newest first, ${PAGE} a page; all, or of one status or type.`,
    adminOnly: true,
    ownerOnly: true,
    options: [
      { name: 'what', about: `A status (${STATUSES.join(', ')}) or a job type. Unset: all.`, kind: 'text' },
      { name: 'page', about: `${PAGE} jobs each; 1 is the newest.`, kind: 'page' },
    ],
    async run({ args, message }) {
      const scheduler = requireScheduler(parts.scheduler)
      const { word, page } = wantedOf(args)
      const filter = word === undefined ? {} : isStatus(word) ? { status: word } : { jobType: word }
      const { jobs, next } = await pageOf(scheduler, filter, page)
      const what = word ?? 'all'
      if (jobs.length === 0) return page === 1 ? await sayNone(scheduler, word) : `Jobs (${what}): no page ${page}.`
      const { when } = voiceOf(message.platform, parts.clock.now())
      const title = `Jobs (${what}), page ${page}`
      const lines = jobs.map(job => sayJob(job, when))
      return {
        text: [`${title}:`, ...lines, ...(next === null ? [] : [`More: page ${page + 1}.`])].join('\n'),
        card: { title, lines },
        buttons: pageButtons({ says: ['job_list', ...(word ? [word] : [])].join(' '), page, more: next !== null }),
      }
    },
  }
}

function wantedOf(args: readonly string[]): { word: string | undefined; page: number } {
  const pageText = /^\d+$/.test(args.at(-1) ?? '') ? args.at(-1) : undefined
  const words = pageText === undefined ? args : args.slice(0, -1)
  const page = Number(pageText ?? 1)
  if (page < 1 || page > LAST_PAGE)
    throw new CommandError(
      `Page: expected a whole number from 1 to ${LAST_PAGE}; got \`${inCode(pageText ?? '', 20)}\`.`,
    )
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

function sayJob(job: Omit<Job, 'payload' | 'result' | 'progress'>, when: SayInstant): string {
  const at = job.completedAt ? `ended ${when(job.completedAt)}` : `due ${when(job.scheduledTime)}`
  const error = job.errorMessage && job.status === 'failed' ? `: ${job.errorMessage.slice(0, 80)}` : ''
  return `\`${job.jobId}\` ${job.jobType} ${job.status}, ${at}${error}`
}

/** `!job_cancel <id>` */
export function jobCancelCommand(parts: JobsParts): Command {
  return {
    name: 'job_cancel',
    group: 'job',
    usage: '<job-id>',
    about: 'Cancel a job, by its id or its first 6 characters.',
    adminOnly: true,
    options: [{ name: 'id', about: 'A job id or its first 6 characters.', kind: 'job', required: true }],
    async run(call) {
      if (call.args[1] === KEEP) return LEFT
      const { job, actor, admin, asks } = await wantedJob(parts, call)
      if (isOver(job)) return `Job \`${job.jobId}\` is ${job.status} already; nothing was changed.`
      if (asks) return asks('cancel')
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
export function jobRetryCommand(parts: JobsParts): Command {
  return {
    name: 'job_retry',
    group: 'job',
    usage: '<job-id>',
    about: 'Give a failed job a new life, due now, with all its retries.',
    adminOnly: true,
    options: [{ name: 'id', about: 'A job id or its first 6 characters.', kind: 'job', required: true }],
    async run(call) {
      if (call.args[1] === KEEP) return LEFT
      const { job, actor, admin, asks } = await wantedJob(parts, call)
      if (job.status !== 'failed')
        return `Job \`${job.jobId}\` is ${job.status}; only failed jobs are retried. Nothing was changed.`
      if (asks) return asks('retry')
      const { redriven } = await admin.redriveJobs({ jobId: job.jobId, status: 'failed' }, { actor })
      if (redriven > 0) return `Job \`${job.jobId}\` is due now, with ${job.maxRetries} retries.`
      return `Job \`${job.jobId}\` cannot be retried: another job has its place (key \`${job.uniqueKey ?? ''}\`).`
    },
  }
}

/** The job that is meant. `asks`: it is not confirmed yet, and that is how to ask. */
async function wantedJob({ scheduler: given, clock, prefix }: JobsParts, { args, message }: CommandCall) {
  const scheduler = requireScheduler(given)
  const [id, word, ...others] = args
  const isConfirmed = word?.toLowerCase() === CONFIRM
  if (id === undefined || others.length > 0 || (word !== undefined && !isConfirmed))
    throw new CommandError('Expected one job id, or its first 6 characters.')
  const job = await findJob(scheduler, id, message)
  const { when } = voiceOf(message.platform, clock.now())
  const asks =
    message.hasButtons && !isConfirmed
      ? (act: 'cancel' | 'retry') => askFirst(act, { about: sayJob(job, when), jobId: job.jobId, prefix })
      : undefined
  return { job, actor: message.userId, admin: scheduler.admin, asks }
}

/** The words that cancel a job without another question. */
export function cancelsJob(jobId: string): string {
  return `job_cancel ${jobId} ${CONFIRM}`
}

/** The question before an act, for places with buttons. */
function askFirst(
  act: 'cancel' | 'retry',
  { about, jobId, prefix }: { about: string; jobId: string; prefix: string },
): CommandAnswer {
  const says = `job_${act} ${jobId} ${CONFIRM}`
  const label = act === 'cancel' ? 'Cancel this job' : 'Retry this job'
  const title = act === 'cancel' ? 'Cancel this job?' : 'Retry this job?'
  return {
    text: `${title}\n${about}\nWithout a button: \`${prefix}${says}\`.`,
    card: { title, standing: 'warning', lines: [about] },
    buttons: [
      { label, says, kind: 'decide', danger: act === 'cancel' },
      { label: 'Leave it', says: `job_${act} ${jobId} ${KEEP}`, kind: 'decide' },
    ],
  }
}

function isOver(job: Job): boolean {
  return job.status === 'completed' || job.status === 'failed' || job.status === 'cancelled'
}
