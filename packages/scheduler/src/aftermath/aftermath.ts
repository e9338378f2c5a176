import { databaseNow, type Core } from '../core.ts'
import { againOnConflict } from '../durable/again-on-conflict.ts'
import type { Queryable } from '../database/database.ts'
import { findForgotten } from '../store/find-forgotten.ts'
import { closeEnded, findEnded, lockEnded, type EndedJob } from '../store/lock-ended.ts'
import { orphanedParents } from '../store/orphaned-dependencies.ts'
import { cancelWaiting, releaseWaiting } from '../store/release-waiting.ts'
import { storeReruns } from '../store/rerun.ts'
import { lockWaiting, settleDependencies } from '../store/settle-dependencies.ts'
import { moveIntoWindows, windowedTypes } from './into-windows.ts'

/** Ended jobs of one transaction. */
const LARGEST_BATCH = 1_000
/** Dependencies on jobs that are gone are looked for at start and this often. */
const ORPHANS_EVERY_MS = 3_600_000

interface AftermathHooks {
  /** Jobs have become due. */
  onReady(): void
  /** Ends were handled: whoever waits for a job may find it ended. */
  onEnded(): void
}

/** What handling some ended jobs led to. */
interface Handled {
  readonly count: number
  /** Jobs that may run now. */
  readonly ready: number
  /** Jobs that were cancelled for it, and are awaited themselves. */
  readonly ended: readonly string[]
}

const NOTHING: Handled = { count: 0, ready: 0, ended: [] }

/**
 * What happens after a job has ended, for jobs that are `awaited`: those that depend on it go on or are cancelled, the
 * run that was asked for while it ran is stored, and callers that wait for it are told. All of it in one transaction that
 * ends with the mark being taken away, under a lock of the ended job's row: it happens once, whoever does it.
 *
 * The runner that settled the job does it at once, beside its work. What a process left undone when it died is found by
 * its mark: by every runner, at its poll interval.
 */
export class Aftermath {
  readonly #core: Core
  readonly #hooks: AftermathHooks
  readonly #waiting = new Set<string>()
  #sweeping = false
  #orphansAt = Number.NEGATIVE_INFINITY
  #working: Promise<void> | undefined

  constructor(core: Core, hooks: AftermathHooks) {
    this.#core = core
    this.#hooks = hooks
  }

  /** These jobs have ended just now, and are awaited. */
  take(jobIds: readonly string[]): void {
    for (const jobId of jobIds) this.#waiting.add(jobId)
    this.#work()
  }

  /** Looks for everything that is left to do. */
  sweep(): void {
    this.#sweeping = true
    this.#work()
  }

  /** As `sweep`, and for those that wait for jobs which are gone. */
  sweepAll(): void {
    this.#orphansAt = Number.NEGATIVE_INFINITY
    this.sweep()
  }

  /** Resolves when nothing is known to be left. */
  async drain(): Promise<void> {
    while (this.#working) await this.#working
  }

  #work(): void {
    this.#working ??= this.#run()
      .catch((error: unknown) => {
        // What was to be done is found again by its mark.
        this.#waiting.clear()
        this.#sweeping = false
        this.#core.events.emit('database:error', { during: 'after jobs', error })
      })
      .finally(() => (this.#working = undefined))
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0 || this.#sweeping) {
      if (this.#waiting.size > 0) {
        // Jobs that end in one go share a transaction.
        const some = [...this.#waiting].slice(0, LARGEST_BATCH)
        for (const jobId of some) this.#waiting.delete(jobId)
        this.#tell(await this.#handle(some))
      } else {
        this.#sweeping = false
        await this.#sweep()
      }
    }
  }

  async #sweep(): Promise<void> {
    const { clock, database, tables } = this.#core
    for (let count = LARGEST_BATCH; count === LARGEST_BATCH; ) {
      const left = await findEnded(database, tables, LARGEST_BATCH)
      const handled = left.length > 0 ? await this.#handle(left) : NOTHING
      this.#tell(handled)
      count = handled.count
    }
    if (clock.monotonic() - this.#orphansAt < ORPHANS_EVERY_MS) return
    this.#orphansAt = clock.monotonic()
    for (let count = LARGEST_BATCH; count === LARGEST_BATCH; ) {
      const orphans = await orphanedParents(database, tables, { limit: LARGEST_BATCH })
      count = orphans.length
      if (count > 0) this.#tell(await this.#inTransaction(own => this.#letGo(own, orphans)))
    }
    const jobIds = await findForgotten(database, tables, { limit: LARGEST_BATCH })
    if (jobIds.length > 0) this.#tell(await this.#inTransaction(own => this.#letAllGo(own, jobIds)))
  }

  /** Lets those of these jobs go that wait for nothing any more. */
  async #letAllGo(transaction: Queryable, jobIds: readonly string[]): Promise<Handled> {
    await lockWaiting(transaction, this.#core.tables, jobIds)
    return { count: jobIds.length, ready: await this.#release(transaction, jobIds), ended: [] }
  }

  #tell({ count, ready, ended }: Handled): void {
    for (const jobId of ended) this.#waiting.add(jobId)
    if (ready > 0) this.#hooks.onReady()
    if (count > 0) this.#hooks.onEnded()
  }

  /** Those of these ended jobs that nobody handles at this moment. */
  #handle(jobIds: readonly string[]): Promise<Handled> {
    const { tables, clock, options } = this.#core
    return this.#inTransaction(async transaction => {
      const ended = await lockEnded(transaction, tables, jobIds)
      if (ended.length === 0) return NOTHING
      const { ready, ended: cancelled } = await this.#letGo(transaction, ended)
      const again = ended.filter(job => job.rerun)
      const jobs = again.map(job => ({ endedId: job.job_id, jobId: options.newJobId(clock.now()) }))
      const reruns = jobs.length > 0 ? await this.#storeReruns(transaction, jobs) : 0
      await closeEnded(
        transaction,
        tables,
        ended.map(job => job.job_id),
      )
      return { count: ended.length, ready: ready + reruns, ended: cancelled }
    })
  }

  /** Lets go those that waited for these jobs, or cancels them. */
  async #letGo(transaction: Queryable, parents: readonly EndedJob[]): Promise<Handled> {
    const { tables } = this.#core
    const now = databaseNow(this.#core)
    const children = await settleDependencies(transaction, tables, parents)
    if (children.length === 0) return NOTHING
    await lockWaiting(
      transaction,
      tables,
      children.map(child => child.child_id),
    )
    const doomed = children.flatMap(({ child_id: jobId, fault: reason }) =>
      reason === null ? [] : [{ jobId, reason }],
    )
    const jobIds = children.flatMap(child => (child.fault === null ? [child.child_id] : []))
    const ended = doomed.length > 0 ? await cancelWaiting(transaction, tables, { jobs: doomed, now }) : []
    const ready = jobIds.length > 0 ? await this.#release(transaction, jobIds) : 0
    return { count: parents.length, ready, ended }
  }

  async #release(transaction: Queryable, jobIds: readonly string[]): Promise<number> {
    const request = { jobIds, windowedTypes: windowedTypes(this.#core), now: databaseNow(this.#core) }
    const { count, windowed } = await releaseWaiting(transaction, this.#core.tables, request)
    await moveIntoWindows(this.#core, transaction, windowed)
    return count
  }

  async #storeReruns(transaction: Queryable, jobs: readonly { endedId: string; jobId: string }[]): Promise<number> {
    const request = { jobs, windowedTypes: windowedTypes(this.#core), now: databaseNow(this.#core) }
    const { count, windowed } = await storeReruns(transaction, this.#core.tables, request)
    await moveIntoWindows(this.#core, transaction, windowed)
    return count
  }

  #inTransaction(work: (transaction: Queryable) => Promise<Handled>): Promise<Handled> {
    return againOnConflict(() => this.#core.database.transaction(work))
  }
}
