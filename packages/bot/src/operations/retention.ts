import { join } from 'node:path'
import type { Clock, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import type { Config } from '../config.ts'
import { deleteOlder, type Aging } from './retention-store.ts'
import { removeTempFiles } from './temp-files.ts'

/** How long what is kept. What the gates go by longer than that (consent, the last follow-up's time) has no end. */
export interface RetentionPolicy {
  readonly conversationDays: number
  /** Follow-ups and the gates' decisions: longer than the cap's week and any span a report covers. */
  readonly followUpDays: number
  readonly failedJobDays: number
  /** The longest that any ended job is kept. */
  readonly jobDays: number
  readonly tempFileHours: number
  readonly tempFolder: string
}

/** What to clean up; `all` is everything. */
export type Cleanup = 'all' | 'old_conversations' | 'failed_jobs' | 'temp_files'

/** What a cleanup removed. */
export interface CleanupCounts {
  conversations: number
  followUps: number
  decisions: number
  /** Ended jobs and attempts. */
  jobs: number
  tempFiles: number
}

export interface RetentionParts {
  readonly database: Database
  readonly clock: Clock
  /** Prunes jobs by its own `retention`; undefined: jobs stay. */
  readonly scheduler: Pick<Scheduler, 'prune'> | undefined
  readonly policy: RetentionPolicy
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** A quarter of a year: what the reports compare. */
const FOLLOW_UP_DAYS = 90
/** The scheduler keeps completed and cancelled jobs for a week by default. */
const OTHER_JOB_DAYS = 7
/** Rows of one statement: short locks, and the event loop stays free on an embedded database. */
const ROWS_PER_STATEMENT = 1_000

/** The settings as days and hours; undefined with `CLEANUP_ENABLED=false`. */
export function retentionOf({ cleanup, dataDir }: Pick<Config, 'cleanup' | 'dataDir'>): RetentionPolicy | undefined {
  if (!cleanup.enabled) return undefined
  return Object.freeze({
    conversationDays: cleanup.oldConversationsDays,
    followUpDays: FOLLOW_UP_DAYS,
    failedJobDays: cleanup.failedJobsDays,
    jobDays: Math.max(cleanup.failedJobsDays, OTHER_JOB_DAYS),
    tempFileHours: cleanup.tempFilesHours,
    tempFolder: join(dataDir, 'tmp'),
  })
}

/**
 * Removes what is older than it is kept. In small batches, each for itself: what was removed stays removed when it is cut
 * off, and the next run goes on.
 * @param request.daysToKeep in place of the policy's days for conversations or temporary files
 */
export async function cleanUp(
  parts: RetentionParts,
  request: { cleanup: Cleanup; daysToKeep?: number | undefined; signal?: AbortSignal },
): Promise<CleanupCounts> {
  const { policy, clock, scheduler } = parts
  const { cleanup, daysToKeep } = request
  const wanted = (kind: Cleanup) => (cleanup === 'all' || cleanup === kind) && !request.signal?.aborted
  const counts = { conversations: 0, followUps: 0, decisions: 0, jobs: 0, tempFiles: 0 }
  const remove = (what: Aging, days: number) =>
    deleteAll(parts, what, { keepMs: days * DAY_MS, signal: request.signal })
  if (wanted('old_conversations')) {
    counts.conversations = await remove('conversations', daysToKeep ?? policy.conversationDays)
    counts.followUps = await remove('followUps', policy.followUpDays)
    counts.decisions = await remove('decisions', policy.followUpDays)
  }
  if (wanted('failed_jobs') && scheduler) {
    const pruned = await scheduler.prune()
    counts.jobs = pruned.completed + pruned.failed + pruned.cancelled + pruned.history
  }
  if (wanted('temp_files')) {
    const keepMs = daysToKeep === undefined ? policy.tempFileHours * HOUR_MS : daysToKeep * DAY_MS
    counts.tempFiles = await removeTempFiles(policy.tempFolder, new Date(clock.now().getTime() - keepMs))
  }
  return counts
}

async function deleteAll(
  { database, clock }: RetentionParts,
  what: Aging,
  request: { keepMs: number; signal: AbortSignal | undefined },
): Promise<number> {
  let total = 0
  for (let deleted = ROWS_PER_STATEMENT; deleted === ROWS_PER_STATEMENT && !request.signal?.aborted; total += deleted) {
    const now = databaseNow(clock)
    deleted = await deleteOlder(database, what, { keepMs: request.keepMs, limit: ROWS_PER_STATEMENT, now })
  }
  return total
}
