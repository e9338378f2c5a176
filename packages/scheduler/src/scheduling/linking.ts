import type { Queryable } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import type { InsertedJob } from '../store/insert-jobs.ts'
import type { NewJob } from '../store/new-job.ts'
import { markAwaited } from '../store/mark-awaited.ts'
import { storeDependencies } from '../store/store-dependencies.ts'
import type { Tables } from '../store/tables.ts'
import { findCycle, invalid } from './dependencies.ts'

/** Jobs of one call, some of which wait for others: of the same call, or such as exist already. */
export class Linking {
  readonly #transaction: Queryable
  readonly #tables: Tables
  readonly #jobs: readonly NewJob[]
  /** Places of the jobs of this call. */
  readonly #places: ReadonlyMap<string, number>
  #someEnded = false

  /** @throws BelfryError `BELFRY_INVALID_DEPENDENCY` when jobs of the call wait for one another in a circle */
  constructor(transaction: Queryable, tables: Tables, jobs: readonly NewJob[]) {
    this.#transaction = transaction
    this.#tables = tables
    this.#places = new Map(jobs.map((job, place) => [job.jobId, place]))
    const parents = new Set(jobs.flatMap(job => (job.dependencies ?? []).map(each => each.parentId)))
    this.#jobs = jobs.map(job => (parents.has(job.jobId) ? { ...job, awaited: true } : job))
    const links = new Map(
      this.#jobs.flatMap(job =>
        job.dependencies ? [[job.jobId, job.dependencies.map(each => each.parentId)] as const] : [],
      ),
    )
    const cycle = findCycle(links)
    if (cycle) throw invalid(`dependsOn: the jobs ${cycle.map(show).join(' → ')} would wait for one another for ever`)
  }

  /** The jobs as they are to be stored. */
  get jobs(): readonly NewJob[] {
    return this.#jobs
  }

  /** Some had ended before: those that wait for them can go on at once. */
  get someEnded(): boolean {
    return this.#someEnded
  }

  /**
   * Before anything is stored: every parent that is not part of the call exists, and its end will be told.
   * @throws BelfryError `BELFRY_JOB_NOT_FOUND`
   */
  async requireParents(): Promise<void> {
    const parents = this.#jobs.flatMap(job => (job.dependencies ?? []).map(each => each.parentId))
    const unknown = await this.#mark(parents.filter(parentId => !this.#places.has(parentId)))
    if (unknown === undefined) return
    throw new BelfryError(
      'BELFRY_JOB_NOT_FOUND',
      `dependsOn: there is no job ${show(unknown)}, or retention removed it; nothing was stored`,
    )
  }

  /** Stores the dependencies of what was stored. A job that holds the unique key of a parent stands in for it. */
  async store(stored: readonly InsertedJob[]): Promise<void> {
    const linked = this.#jobs.filter((job, place) => job.dependencies && !stored[place]?.conflict)
    const dependencies = linked.flatMap(job =>
      (job.dependencies ?? []).map(each => ({
        ...each,
        childId: job.jobId,
        parentId: this.#nowOf(each.parentId, stored),
      })),
    )
    await this.#mark(dependencies.map(each => each.parentId).filter(parentId => !this.#places.has(parentId)))
    await storeDependencies(this.#transaction, this.#tables, dependencies)
    if (!this.#someEnded) return
    await this.#transaction.query('select pg_notify($1::text, $2::text)', [this.#tables.channel, 'awaited'])
  }

  #nowOf(parentId: string, stored: readonly InsertedJob[]): string {
    const place = this.#places.get(parentId)
    return (place === undefined ? undefined : stored[place]?.job_id) ?? parentId
  }

  /** Answers one that does not exist. */
  async #mark(jobIds: readonly string[]): Promise<string | undefined> {
    if (jobIds.length === 0) return undefined
    const { unknown, someEnded } = await markAwaited(this.#transaction, this.#tables, jobIds)
    this.#someEnded ||= someEnded
    return unknown[0]
  }
}
