import type { Clock, Job, Scheduler, SchedulerStats } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { activeControls } from '../followups/controls-store.ts'
import { decisionsOfJob } from '../followups/decision-store.ts'
import { saySpan, sayWhen } from '../messaging/say-time.ts'
import { CommandError, type Command } from './command.ts'
import { findJob } from './find-job.ts'
import { sayControl } from './followup-stats.ts'

/** `!job_status [id]` */
export function jobStatusCommand(parts: {
  database: Database
  clock: Clock
  scheduler: Scheduler | undefined
  prefix: string
}): Command {
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
      if (id === undefined) {
        const controls = await activeControls(database, databaseNow(clock))
        return [
          describeScheduler(await scheduler.getStats(), scheduler.running, clock.now()),
          ...controls.map(each => sayControl(each, { now: clock.now(), prefix })),
        ].join('\n')
      }
      const job = await findJob(scheduler, id, message)
      const attempts = await scheduler.getAttempts(job)
      const decisions = await decisionsOfJob(database, { jobId: job.jobId, limit: 3 })
      const told = decisions.map(
        ({ stage, verdict, reason, decidedAt }) =>
          `Gate (${stage}): ${verdict}${reason ? `, ${reason}` : ''}, ${sayWhen(decidedAt, clock.now())}`,
      )
      const history = attempts
        .slice(-3)
        .map(
          each =>
            `Attempt ${each.attempt}: ${each.outcome}${each.durationMs === null ? '' : ` in ${each.durationMs} ms`}`,
        )
      return [...describeJob(job, clock.now()), ...history, ...told].join('\n')
    },
  }
}

function describeScheduler(stats: SchedulerStats, running: boolean, now: Date): string {
  const alive = stats.runners.filter(runner => runner.alive)
  const heartbeat = alive.toSorted((a, b) => b.heartbeatAt.getTime() - a.heartbeatAt.getTime())[0]?.heartbeatAt
  const rate = stats.successRate24h === null ? 'n/a' : `${(stats.successRate24h * 100).toFixed(1)} %`
  const unhandled = stats.types.filter(type => !type.handled && type.counts.pending > 0).map(type => type.jobType)
  return [
    `Job Scheduler Status: ${running ? '🟢 Running' : '🔴 Stopped'}${heartbeat ? `, last heartbeat ${sayWhen(heartbeat, now)}` : ''}`,
    Object.entries(stats.counts)
      .map(([status, count]) => `${status} ${count}`)
      .join(' · '),
    `Due now: ${stats.due}${stats.oldestDueMs === null ? '' : `, the oldest for ${saySpan(stats.oldestDueMs)}`}`,
    `Next due: ${stats.nextDueMs === null ? 'nothing planned' : `in ${saySpan(stats.nextDueMs)}`}`,
    `24h Executions: ${stats.executions24h} · 24h Success Rate: ${rate}`,
    `Runners: ${alive.length}`,
    ...(unhandled.length > 0 ? [`Nobody handles: ${unhandled.join(', ')}`] : []),
  ].join('\n')
}

function describeJob(job: Job, now: Date): string[] {
  return [
    `Job Status: \`${job.jobId}\``,
    `Type: ${job.jobType} · Status: ${job.status}${job.lastOutcome && job.status === 'pending' ? ` (last: ${job.lastOutcome})` : ''}`,
    `Scheduled: ${sayWhen(job.scheduledTime, now)}`,
    `Attempts: ${job.attempt}, retries ${job.retryCount} of ${job.maxRetries}`,
    ...(job.completedAt ? [`Ended: ${sayWhen(job.completedAt, now)}`] : []),
    ...(job.errorMessage ? [`Error: ${job.errorMessage.slice(0, 300)}`] : []),
    ...(job.result === null || job.result === undefined ? [] : [`Result: ${JSON.stringify(job.result).slice(0, 300)}`]),
  ]
}
