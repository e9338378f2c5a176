import { databaseNow, type Core } from '../core.ts'
import type { EndedJob } from '../flow/breaker.ts'
import type { Queryable } from '../database/database.ts'
import type { FollowingJob } from '../durable/outbox.ts'
import { endedWithin, sleep } from '../runtime/clock.ts'
import { settleFinished, type FinishedAttempt, type Settled } from '../store/settle-finished.ts'
import { settlePending } from '../store/settle-pending.ts'
import { eventOf } from './held-job.ts'
import { FollowingRefused, isDataError, isRefusal, refusedUnlessBroken, withoutData } from './refused-outcome.ts'
import { EndedAttempt, settlementOf, toldOf, type AttemptEnd } from './settlement.ts'
import { followingOf, Written, type Groups, type WrittenEnd } from './written.ts'

/** Rows per statement: the knee of the measured curve lies at 250 to 500, larger batches gain little. */
const LARGEST_BATCH = 1_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000

interface SettlerHooks {
  /** The type has limits over all processes. */
  isGoverned(jobType: string): boolean
  /** Jobs of such a type ended: what they held is free for others. */
  onGovernedEnded(jobType: string, ended: readonly EndedJob[]): Promise<void>
  /** Jobs went back to pending and may be due at once. */
  onAgain(): void
  /** Outcomes were written: there may be room for more. */
  onWritten(): void
  /** Jobs have ended that somebody waits for. */
  onAwaited(jobIds: readonly string[]): void
  /** Stores jobs that exist if, and only if, their attempt completed. */
  storeFollowing(transaction: Queryable, jobs: readonly FollowingJob[]): Promise<void>
}

/**
 * Writes outcomes to the database: one flush at a time, each taking everything that ended since the last, never waiting
 * for a timer when idle. While the database is away outcomes wait here and are tried again; the fence decides whether
 * they still count when it comes back.
 */
export class Settler {
  readonly #core: Core
  readonly #hooks: SettlerHooks
  #waiting: AttemptEnd[] = []
  #flushing: Promise<void> | undefined
  #closed = false
  /** Ends the pause after a failed flush, so that a stop need not wait for it. */
  #pause = new AbortController()

  constructor(core: Core, hooks: SettlerHooks) {
    this.#core = core
    this.#hooks = hooks
  }

  /** Outcomes that are not in the database yet. */
  get backlog(): number {
    return this.#waiting.length
  }

  /**
   * After a stop nothing is written any more: a deaf handler may end long after its pool was closed, and a statement that
   * is under way may fail then.
   */
  close(): void {
    this.#closed = true
    this.#pause.abort()
  }

  open(): void {
    this.#closed = false
    this.#pause = new AbortController()
  }

  add(end: AttemptEnd): void {
    if (this.#closed) return
    this.#waiting.push(end)
    this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined))
  }

  /** These outcomes were written in a transaction of their own: news and slots follow as for those written here. */
  async settledElsewhere(ends: readonly AttemptEnd[], settled: Settled): Promise<void> {
    if (ends.length === 0) return
    const { refused } = settled
    const group = ends.map(end => ({ end }))
    this.#tell(group, refused)
    this.#pass(settled, group)
    await this.#freeSlots(group, refused)
    // A transaction may have stored jobs along.
    this.#hooks.onAgain()
  }

  /** These were claimed and put off: nothing ended, but what they held is free. */
  async freed(ends: readonly AttemptEnd[]): Promise<void> {
    await this.#freeSlots(
      ends.map(end => ({ end })),
      NOTHING_REFUSED,
    )
  }

  /** True when everything handed in so far is settled; false after `timeoutMs`: the database may be gone for good. */
  async drain(timeoutMs: number): Promise<boolean> {
    const drained = (async () => {
      while (this.#flushing) await this.#flushing
    })()
    await endedWithin(this.#core.clock, drained, timeoutMs)
    const isDrained = this.#flushing === undefined && this.#waiting.length === 0
    this.#pause.abort()
    this.#pause = new AbortController()
    return isDrained
  }

  async #flush(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (this.#waiting.length > 0 && !this.#closed) {
      // Handlers that end in this very turn of the event loop share the statement.
      await new Promise<void>(resolve => setImmediate(resolve))
      try {
        await this.#writeSome()
        this.#hooks.onWritten()
        pauseMs = FIRST_PAUSE_MS
      } catch (error) {
        this.#core.events.emit('database:error', { during: 'settle', error })
        const { signal } = this.#pause
        await sleep(this.#core.clock, pauseMs, signal)
        if (signal.aborted) return
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
      }
    }
  }

  /** Up to a batch of what waits. Of one job's attempts only the first: answers name jobs, one of them was lost. */
  #take(): readonly AttemptEnd[] {
    const batch = this.#waiting.splice(0, LARGEST_BATCH)
    // Nothing of an ordinary job comes twice: it was never lost. Most batches have no other.
    if (!batch.some(end => end.held.job.uncommon)) return batch
    const first = new Map<string, AttemptEnd>()
    const later: AttemptEnd[] = []
    for (const end of batch) {
      if (first.has(end.held.job.job_id)) later.push(end)
      else first.set(end.held.job.job_id, end)
    }
    this.#waiting.unshift(...later)
    return [...first.values()]
  }

  /** What could not be written waits on. */
  async #writeSome(): Promise<void> {
    const groups: Groups = { followed: [], over: [], again: [] }
    for (const taken of this.#take()) {
      const { end, record } = settlementOf(taken, this.#core.options)
      if ('over' in record && followingOf(end).length > 0) groups.followed.push(new Written(end, record.over))
      else if ('over' in record) groups.over.push(new Written(end, record.over))
      else groups.again.push(new Written(end, record.again))
    }
    const { database, tables } = this.#core
    const request = <Row>(attempts: readonly Row[]) => ({ attempts, now: databaseNow(this.#core) })
    try {
      await this.#writeFollowed(groups.followed)
      await this.#write(groups.over, rows => settleFinished(database, tables, request(rows)))
      await this.#write(groups.again, rows => settlePending(database, tables, request(rows)))
    } catch (error) {
      const all = [...groups.followed, ...groups.over, ...groups.again]
      this.#waiting.unshift(...all.filter(each => !each.isWritten).map(each => each.end))
      throw error
    }
  }

  /**
   * Writes outcomes and the jobs that follow from them in one transaction. If jobs cannot be stored, an id being taken,
   * each is tried alone, and that one has not completed: it has failed, since trying again would ask for the same.
   */
  async #writeFollowed(group: readonly Written<FinishedAttempt>[]): Promise<void> {
    if (group.length === 0) return
    try {
      const settled = await this.#core.database.transaction(each => this.#settleAndFollow(each, group))
      const { refused } = settled
      this.#tell(group, refused)
      this.#pass(settled, group)
      await this.#freeSlots(group, refused)
      this.#hooks.onAgain()
    } catch (error) {
      if (!isRefusal(error)) throw error
      const [only] = group
      if (only && group.length === 1) this.#fail(only, error)
      else for (const each of group) await this.#writeFollowed([each])
    }
  }

  /** It has not completed: it has failed, with what was refused. */
  #fail(written: Written<FinishedAttempt>, error: unknown): void {
    const { held, durationMs } = written.end
    const reason = error instanceof FollowingRefused ? error.cause : error
    written.isWritten = true
    this.#waiting.push(new EndedAttempt(held, { kind: 'failed', error: reason }, durationMs))
  }

  async #settleAndFollow(transaction: Queryable, group: readonly Written<FinishedAttempt>[]): Promise<Settled> {
    const attempts = group.map(each => each.row)
    const settled = await settleFinished(transaction, this.#core.tables, { attempts, now: databaseNow(this.#core) })
    const completed = group.filter(({ row }) => !settled.refused.has(row.jobId))
    const following = completed.flatMap(({ end }) => followingOf(end))
    if (following.length > 0) {
      await refusedUnlessBroken(transaction, watched => this.#hooks.storeFollowing(watched, following))
    }
    return settled
  }

  /** Writes one group; on a data error row by row, so that a bad one cannot hold up its neighbours. */
  async #write<Row extends object>(
    group: readonly Written<Row>[],
    store: (rows: readonly Row[]) => Promise<Settled>,
  ): Promise<void> {
    if (group.length === 0) return
    try {
      const settled = await store(group.map(each => each.row))
      const { refused } = settled
      this.#tell(group, refused)
      this.#pass(settled)
      await this.#freeSlots(group, refused)
    } catch (error) {
      if (!isDataError(error)) throw error
      for (const each of group) {
        const plain = withoutData(each.row, error)
        const settled = await store([each.row]).catch(() => store([plain]))
        const { refused } = settled
        this.#tell([each], refused)
        this.#pass(settled)
        await this.#freeSlots([each], refused)
      }
    }
  }

  /** Passes on what is awaited; a job that was stored along may wait for the very one that has ended. */
  #pass({ awaited }: Settled, followed: readonly { end: AttemptEnd }[] = []): void {
    const selves = followed.filter(({ end }) => followingOf(end).some(each => each.row.dependencies))
    const jobIds = [...awaited, ...selves.map(({ end }) => end.held.job.job_id)]
    if (jobIds.length > 0) this.#hooks.onAwaited(jobIds)
  }

  /** What this fails to do is done by the next look for those that wait in vain. */
  async #freeSlots(group: readonly { end: AttemptEnd }[], refused: ReadonlySet<string>): Promise<void> {
    const governed = group.filter(
      ({ end: { held } }) => this.#hooks.isGoverned(held.job.job_type) && !refused.has(held.job.job_id),
    )
    for (const jobType of new Set(governed.map(({ end }) => end.held.job.job_type))) {
      const ended = governed
        .filter(({ end }) => end.held.job.job_type === jobType)
        .map(({ end: { held, outcome } }) => ({
          lane: held.details.lane,
          outcome,
          job: held.job,
          spent: held.spent,
        }))
      try {
        await this.#hooks.onGovernedEnded(jobType, ended)
      } catch (error) {
        this.#core.events.emit('database:error', { during: 'free slots', error })
      }
    }
  }

  #tell(group: readonly WrittenEnd[], refused: ReadonlySet<string>): void {
    const { events } = this.#core
    let again = false
    const heard = events.has('job:settled')
    for (const each of group) {
      each.isWritten = true
      const { end } = each
      const { held, outcome, durationMs } = end
      if (outcome.kind === 'lease_lost' || (refused.size > 0 && refused.has(held.job.job_id))) {
        events.emit('job:lease-lost', eventOf(held))
        continue
      }
      if (outcome.kind === 'completed' && !heard) continue
      const told = toldOf(outcome)
      again ||= told.willRetry
      if (heard) events.emit('job:settled', { ...eventOf(held), ...told, durationMs })
    }
    if (again) this.#hooks.onAgain()
  }
}

const NOTHING_REFUSED: ReadonlySet<string> = new Set()
