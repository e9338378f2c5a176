import { hasOpenDependents } from './dependency-table.ts'
import { keepAttempt } from './keep-attempt.ts'
import { readyAt } from './ready-at.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

/** Order of finished rows: plain SQL may have left several of one id, and nothing but their ends tells them apart. */
export const LAST_FIRST = 'completed_at desc, execution_id desc nulls last'

/**
 * Part of a statement that gives the finished jobs of its query `last`, locked, a new life: the live rows of `back`. A row
 * whose id or unique key is an unfinished job's stays where it is, and so do other finished rows of the same id.
 * @param due expression for when they are due
 */
export function broughtBack(tables: Tables, due: string): string {
  // What belongs to the life that ended stays behind.
  const columns = KEPT_COLUMNS.replaceAll(/, (runner_id|retry_count|lost_count|expires_at|progress)\b/g, '')
  const again = columns.replace('scheduled_time', due).replace('awaited', hasOpenDependents(tables, 'last'))
  return `back as (
       insert into ${tables.live} (${columns}, last_outcome, error_message, ready_at)
       select ${again}, last_outcome, error_message, ${readyAt(due, 'priority')}
       from last order by completed_at desc
       on conflict do nothing returning job_id
     ), gone as (
       delete from ${tables.finished} finished using back join last on last.job_id = back.job_id
       where finished.job_id = last.job_id and finished.completed_at is not distinct from last.completed_at
         and finished.execution_id is not distinct from last.execution_id
       returning finished.*
     ), kept as (${keepAttempt(tables, 'gone')})`
}
