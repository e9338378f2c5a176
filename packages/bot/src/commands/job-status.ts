import type { Clock, Job, Scheduler, SchedulerStats } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { activeControls, type Control } from '../followups/controls-store.ts'
import { decisionsOfJob } from '../followups/decision-store.ts'
import { findFollowUpOfJob, type OutboxRow } from '../followups/outbox-store.ts'
import { readFollowUpPayload } from '../job-catalog.ts'
import { saySpan } from '../messaging/say-time.ts'
import { voiceOf, type SayInstant } from '../messaging/voice.ts'
import type { Card, CardField } from './card.ts'
import { cardAnswer, CommandError, type Command } from './command.ts'
import { findJob } from './find-job.ts'
import { sayControl } from './followup-stats.ts'

interface StatusParts {
  readonly database: Database
  readonly clock: Clock
  readonly scheduler: Scheduler | undefined
  readonly prefix: string
}

const SHOWN = 3
const LONGEST_TEXT = 300

/** `!job_status [id]` */
export function jobStatusCommand(parts: StatusParts): Command {
  return {
    name: 'job_status',
    usage: '[job-id]',
    about: 'The state of the scheduler, or of one job by its id or its first 6 characters.',
    adminOnly: true,
    options: [{ name: 'id', about: 'A job id or its first 6 characters. Unset: the scheduler.', kind: 'job' }],
    async run({ args, message }) {
      const { scheduler, clock, database, prefix } = parts
      if (!scheduler) throw new CommandError('Job scheduler is not available (JOB_SCHEDULER_ENABLED is false).')
      const [id] = args
      const now = clock.now()
      const { when } = voiceOf(message.platform, now)
      if (id !== undefined) return cardAnswer(await jobCard(parts, await findJob(scheduler, id, message), when))
      const stats = await scheduler.getStats()
      const controls = await activeControls(database, databaseNow(clock))
      return cardAnswer(schedulerCard({ stats, running: scheduler.running, controls }, { now, when, prefix }))
    },
  }
}

function schedulerCard(
  { stats, running, controls }: { stats: SchedulerStats; running: boolean; controls: readonly Control[] },
  { now, when, prefix }: { now: Date; when: SayInstant; prefix: string },
): Card {
  const alive = stats.runners.filter(runner => runner.alive)
  const heartbeat = alive.toSorted((a, b) => b.heartbeatAt.getTime() - a.heartbeatAt.getTime())[0]?.heartbeatAt
  const rate = stats.successRate24h === null ? 'n/a' : `${(stats.successRate24h * 100).toFixed(1)} %`
  const unhandled = stats.types.filter(type => !type.handled && type.counts.pending > 0).map(type => type.jobType)
  const fromNow = (ms: number) => when(new Date(now.getTime() + ms))
  const due = stats.oldestDueMs === null ? '' : `, the oldest ${fromNow(-stats.oldestDueMs)}`
  return {
    title: `Job Scheduler Status: ${running ? '🟢 Running' : '🔴 Stopped'}`,
    standing: running ? 'good' : 'bad',
    fields: [
      { name: 'Last heartbeat', value: heartbeat ? when(heartbeat) : 'none' },
      ...Object.entries(stats.counts).map(([name, count]) => ({ name, value: String(count), short: true })),
      { name: 'Due now', value: `${stats.due}${due}` },
      { name: 'Next due', value: stats.nextDueMs === null ? 'nothing planned' : fromNow(stats.nextDueMs) },
      { name: '24h Executions', value: String(stats.executions24h), short: true },
      { name: '24h Success Rate', value: rate, short: true },
      { name: 'Runners', value: String(alive.length) },
      { name: 'Nobody handles', value: unhandled.join(', ') },
      { name: 'Follow-ups', value: controls.map(each => sayControl(each, { when, prefix })).join('\n') },
    ],
  }
}

async function jobCard({ database, clock, scheduler }: StatusParts, job: Job, when: SayInstant): Promise<Card> {
  const attempts = (await scheduler?.getAttempts(job)) ?? []
  const decisions = await decisionsOfJob(database, { jobId: job.jobId, limit: SHOWN })
  const followUp = await findFollowUpOfJob(database, job.jobId, databaseNow(clock))
  const isRetry = job.status === 'pending' && job.attempt > 0
  const before = job.lastOutcome && job.status === 'pending' ? ` (last: ${job.lastOutcome})` : ''
  const hasResult = job.result !== null && job.result !== undefined
  return {
    title: `Job Status: \`${job.jobId}\``,
    standing: job.status === 'failed' ? 'bad' : job.status === 'cancelled' ? 'warning' : 'good',
    fields: [
      { name: 'Type', value: job.jobType, short: true },
      { name: 'Status', value: `${job.status}${before}`, short: true },
      { name: isRetry ? 'Next try' : 'Scheduled', value: when(job.scheduledTime) },
      { name: 'Attempts', value: `${job.attempt}, retries ${job.retryCount} of ${job.maxRetries}` },
      { name: 'Asked for by', value: whoAsked(job) },
      { name: 'Ended', value: job.completedAt ? when(job.completedAt) : '' },
      { name: 'Error', value: job.errorMessage?.slice(0, LONGEST_TEXT) ?? '' },
      { name: 'Result', value: hasResult ? JSON.stringify(job.result).slice(0, LONGEST_TEXT) : '' },
      ...(followUp ? outboxFields(followUp) : []),
      ...attempts.slice(-SHOWN).map(({ attempt, outcome, durationMs }) => ({
        name: `Attempt ${attempt}`,
        value: durationMs === null ? outcome : `${outcome} in ${saySpan(durationMs)}`,
      })),
      ...decisions.map(({ stage, verdict, reason, decidedAt }) => ({
        name: `Gate (${stage})`,
        value: `${verdict}${reason ? `, ${reason}` : ''}, ${when(decidedAt)}`,
      })),
    ],
  }
}

/** Empty: nobody knows. */
function whoAsked(job: Job): string {
  if (job.scheduleId !== null) return `schedule ${job.scheduleId}`
  const payload = readFollowUpPayload(job.payload)
  if (!payload) return ''
  return payload.requestedBy ?? (payload.automatic ? "somebody's silence" : 'a program')
}

/** What became of a follow-up, and where it is. */
function outboxFields(row: OutboxRow): CardField[] {
  const { state, attempts, failureCode, isDeduplicated } = row
  const tries = `${attempts} ${attempts === 1 ? 'try' : 'tries'}`
  const more = `${failureCode ? `, ${failureCode}` : ''}${isDeduplicated ? ', known to the platform before' : ''}`
  return [
    { name: 'Outbox', value: `${state}, ${tries}${more}` },
    { name: 'Message', value: linkOf(row) },
  ]
}

/** Opens for whoever may read it there: the person and the bot. Empty: there is none. */
function linkOf({ platform, conversationId, inChannel, platformMessageId }: OutboxRow): string {
  const [, channel] = /^discord:(\d{15,21})$/.exec(conversationId) ?? []
  if (platform !== 'discord' || inChannel || channel === undefined || !/^\d{15,21}$/.test(platformMessageId ?? ''))
    return ''
  return `https://discord.com/channels/@me/${channel}/${platformMessageId}`
}
