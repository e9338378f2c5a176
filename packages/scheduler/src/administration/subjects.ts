import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { againOnConflict } from '../durable/again-on-conflict.ts'
import { wakeFreed } from '../flow/wake-freed.ts'
import { actorOf } from '../job/actor.ts'
import { requireKey } from '../job/job-id.ts'
import { writeAudit } from '../store/audit.ts'
import { countSubject, eraseSubject as eraseRows } from '../store/erase-subject.ts'
import type { ActOptions, LocalRunner } from './bulk-acts.ts'

/** What erasing a subject removed. */
export interface EraseSubjectResult {
  readonly dryRun: boolean
  /** Recurring schedules whose jobs carry the subject: they make no more. */
  readonly schedules: number
  readonly pending: number
  readonly finished: number
  /** Jobs that ran: they are gone too, and were asked to stop; what they answer is not stored. */
  readonly running: number
  /** Rows of `job_execution_history`, with their errors and logs. Unknown, and 0, in a dry run. */
  readonly attempts: number
}

/**
 * Deletes every schedule and every job of a subject, whatever its status, with payload, result, errors and logs, in one
 * transaction. Schedules that name the subject in their payload alone, and what handlers stored elsewhere, are not found.
 * @throws BelfryError `BELFRY_INVALID_JOB_ID` when the subject cannot be one
 */
export async function eraseSubject(
  core: Core,
  subject: string,
  options: ActOptions & { runner: LocalRunner },
): Promise<EraseSubjectResult> {
  const { database, tables } = core
  const name = requireKey(subject, 'subject')
  const actor = actorOf(options)
  if (options.dryRun) return { dryRun: true, ...(await countSubject(database, tables, name)), attempts: 0 }
  const erasing = async (transaction: Queryable) => {
    const rows = await eraseRows(transaction, tables, name)
    const { schedules, pending, finished, attempts } = rows
    const detail = { schedules, pending, finished, running: rows.running.length, attempts }
    await writeAudit(transaction, tables, {
      actor,
      action: 'erase_subject',
      target: name,
      detail,
      now: databaseNow(core),
    })
    return { counts: detail, ids: rows.running, freed: rows.freed }
  }
  // It locks jobs that wait before jobs they wait for, whose end may be handled at this moment.
  const { counts, ids, freed } = await againOnConflict(() => database.transaction(erasing))
  for (const jobId of ids) options.runner.abort(jobId)
  await wakeFreed(core, freed)
  if (freed.length > 0) options.runner.wake()
  options.runner.lookAfter(true)
  return { dryRun: false, ...counts }
}
