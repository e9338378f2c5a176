import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { requireWords } from '../job/carried.ts'
import { changeJob } from '../store/change-job.ts'
import { freeKey } from '../store/free-key.ts'
import type { Inserted, InsertedJob } from '../store/insert-jobs.ts'
import type { NewJob } from '../store/new-job.ts'
import { lockHolder, type KeyHolder } from '../store/lock-holder.ts'
import { requestRerun } from '../store/rerun.ts'
import { beginPeriods, dropPeriods } from '../store/unique-periods.ts'
import { appendPayload } from './append-payload.ts'
import { boundedTime } from './bounded-time.ts'
import type { JobRequest } from './check-job.ts'

/** A job that was checked, and the call it comes from. */
export interface CheckedJob {
  readonly request: JobRequest
  readonly job: NewJob
}

/** Its key asks for more than "not stored if taken": a transaction, and a look at who has the key. */
export function looksAtHolder({ options }: JobRequest): boolean {
  const { onConflict, uniqueWhile, uniqueFor } = options
  return (onConflict ?? 'keep') !== 'keep' || uniqueWhile === 'pending' || uniqueFor !== undefined
}

/** Stores rows in statements of a bearable size; who is told is decided outside. */
export type InsertRows = (jobs: readonly NewJob[]) => Promise<Inserted>

/**
 * Stores jobs of which some look at who has their key, all in the caller's transaction. Periods first, since a key whose
 * period runs is not even tried; then the rows; then, in the order of the keys' holders, what each conflict asks for.
 */
export async function insertWithKeys(
  core: Core,
  transaction: Queryable,
  work: { checked: readonly CheckedJob[]; insert: InsertRows },
): Promise<Inserted> {
  const { checked, insert } = work
  const answers = await takenForNow(core, transaction, checked)
  const open = checked.filter(({ job }) => !answers.has(job))
  const inserted = await insert(open.map(each => each.job))
  const soonest = new Soonest(inserted.nextDueMs)
  for (const [index, { job }] of open.entries()) {
    const answer = inserted.jobs[index]
    if (answer) answers.set(job, answer)
  }
  const conflicts = open.filter(({ request, job }) => answers.get(job)?.conflict && looksAtHolder(request))
  const holderOf = ({ job }: CheckedJob) => answers.get(job)?.job_id ?? ''
  for (const each of conflicts.toSorted((a, b) =>
    holderOf(a) < holderOf(b) ? -1 : holderOf(a) > holderOf(b) ? 1 : 0,
  )) {
    const settled = await settleConflict(core, transaction, { ...each, insert })
    soonest.add(settled.nextDueMs)
    answers.set(each.job, settled.answer)
  }
  const inVain = open.filter(({ job }) => job.uniqueForMs != null && answers.get(job)?.conflict)
  if (inVain.length > 0)
    await dropPeriods(
      transaction,
      core.tables,
      inVain.map(each => each.job),
    )
  const standsFor = new Map(inVain.map(({ job }) => [job.jobId, answers.get(job)?.job_id]))
  const jobs = checked.flatMap(({ job }) => {
    const answer = answers.get(job)
    // The first of two calls with one key may have found the key taken: then neither is stored.
    return answer ? [{ ...answer, job_id: standsFor.get(answer.job_id) ?? answer.job_id }] : []
  })
  return { jobs, nextDueMs: soonest.ms }
}

/** Of jobs that are unique for a time: those whose key is taken, with the job that has it. */
async function takenForNow(
  core: Core,
  transaction: Queryable,
  checked: readonly CheckedJob[],
): Promise<Map<NewJob, InsertedJob>> {
  const answers = new Map<NewJob, InsertedJob>()
  const periodic = checked.flatMap(({ job }) => (job.uniqueForMs == null ? [] : [job]))
  const firsts = new Map<string, NewJob>()
  for (const job of periodic) if (!firsts.has(keyOf(job))) firsts.set(keyOf(job), job)
  const holders = new Map<string, string>()
  for (
    let missing = [...firsts.values()];
    missing.length > 0;
    missing = missing.filter(job => !holders.has(keyOf(job)))
  ) {
    const rows = await beginPeriods(transaction, core.tables, { jobs: missing, now: databaseNow(core) })
    for (const row of rows) holders.set(keyOf({ jobType: row.job_type, uniqueKey: row.unique_key }), row.job_id)
  }
  for (const job of periodic) {
    const holder = holders.get(keyOf(job))
    if (holder !== undefined && holder !== job.jobId) {
      answers.set(job, { job_id: holder, conflict: true, claimed: false })
    }
  }
  return answers
}

function keyOf({ jobType, uniqueKey }: Pick<NewJob, 'jobType' | 'uniqueKey'>): string {
  return JSON.stringify([jobType, uniqueKey])
}

/**
 * What a conflict asks for, under the lock of the job that has the key: it neither starts nor ends meanwhile. If it is
 * gone by now, or its key could be taken from it since it runs, the job is stored after all.
 */
async function settleConflict(
  core: Core,
  transaction: Queryable,
  { request, job, insert }: CheckedJob & { insert: InsertRows },
): Promise<{ answer: InsertedJob; nextDueMs: number | null }> {
  const { tables } = core
  const { onConflict, uniqueWhile } = request.options
  const key = { jobType: job.jobType, uniqueKey: job.uniqueKey ?? '', now: databaseNow(core) }
  for (;;) {
    const holder = await lockHolder(transaction, tables, key)
    if (holder) {
      const answer = { job_id: holder.job_id, conflict: true, claimed: false }
      if (onConflict === 'rerun') {
        await requestRerun(transaction, tables, { ...job, jobId: holder.job_id, now: databaseNow(core) })
        return { answer, nextDueMs: null }
      }
      if (!holder.running) {
        const moved = await mergeInto(core, transaction, { request, job, holder })
        return { answer, nextDueMs: moved ? 0 : null }
      }
      // A runner takes jobs some 100 ms before they are due: the newest payload must not be lost for that.
      const makesOwn =
        onConflict === 'append' || uniqueWhile === 'pending' || (onConflict === 'replace' && holder.ahead)
      if (!makesOwn) return { answer, nextDueMs: null }
      await freeKey(transaction, tables, holder.job_id)
    }
    const { jobs, nextDueMs } = await insert([job])
    const [answer] = jobs
    if (answer && !answer.conflict) return { answer, nextDueMs }
  }
}

/** Changes a waiting job as the call wants it; false when that leaves its time as it is. */
async function mergeInto(
  core: Core,
  transaction: Queryable,
  { request, job, holder }: CheckedJob & { holder: KeyHolder },
): Promise<boolean> {
  const { onConflict, keepTime } = request.options
  if (onConflict !== 'replace' && onConflict !== 'append') return false
  const payload = onConflict === 'append' ? await appendPayload(request, holder, core.options) : job.payload
  const due = boundedTime({ request, job, holder })
  await changeJob(transaction, core.tables, {
    jobId: holder.job_id,
    payload,
    payloadVersion: job.payloadVersion,
    scheduledTime: keepTime ? null : due.scheduledTime,
    delayMs: keepTime ? null : due.delayMs,
    now: databaseNow(core),
    hint: !keepTime,
    expiry: keepTime ? undefined : { at: due.expiresAt ?? null, afterMs: due.expireAfterMs ?? null },
    delivery: keepTime ? undefined : (due.delivery ?? null),
    subjects: subjectsOf(onConflict, { job, holder }),
  })
  return !keepTime
}

/** Whom a changed job is about: with what was added, those of both calls; where it took the place of another, those of the new. */
function subjectsOf(
  onConflict: 'replace' | 'append',
  { job, holder }: { job: NewJob; holder: KeyHolder },
): readonly string[] | null {
  const before = onConflict === 'append' ? (holder.subjects ?? []) : []
  return job.subjects ? requireWords([...before, ...job.subjects], 'subjects') : null
}

/** The nearest of several due times. */
class Soonest {
  ms: number | null

  constructor(ms: number | null) {
    this.ms = ms
  }

  add(ms: number | null): void {
    if (ms !== null) this.ms = Math.min(this.ms ?? ms, ms)
  }
}
