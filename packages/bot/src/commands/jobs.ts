import type { Job } from 'belfry'
import { voiceOf } from '../messaging/voice.ts'
import { CommandError, type Command, type CommandAnswer, type CommandCall } from './command.ts'
import { findJob } from './find-job.ts'
import { requireScheduler, sayJob, type JobsParts } from './job-list.ts'

const CONFIRM = 'confirm'
const KEEP = 'keep'
const LEFT = 'Left as it is; nothing was changed.'

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
