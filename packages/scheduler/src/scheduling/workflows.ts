import type { Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import type { JobName, ResultOf } from '../job/job-with-payload.ts'
import type { NewJob } from '../store/new-job.ts'
import type { ParentLink } from '../store/store-dependencies.ts'
import type { JobRequest } from './check-job.ts'
import { invalid } from './dependencies.ts'
import { checkFlow, type FlowNode } from './flow-graph.ts'
import type { JobIntake } from './job-intake.ts'
import { requestOf, type UncheckedJob } from './job-requests.ts'
import type { ScheduledJob, ScheduledJobs } from './schedule-options.ts'

/** The answer of `scheduleBatch`. */
export interface ScheduledBatch<Jobs extends readonly JobName[] = readonly JobName[], Last extends JobName = JobName> {
  /** In the order of the call. */
  readonly jobs: ScheduledJobs<Jobs>
  /** The job that runs when all of them have ended. */
  readonly completion: ScheduledJob<ResultOf<Last>>
}

const MOST_MEMBERS = 100_000

/** Stores graphs of jobs, each in one transaction: all of it or nothing. */
export class Workflows {
  readonly #core: Core
  readonly #intake: JobIntake

  constructor(core: Core, intake: JobIntake) {
    this.#core = core
    this.#intake = intake
  }

  /** Stores the jobs of a flow; answers them by name. */
  async scheduleFlow(jobs: unknown, transaction: Queryable | undefined): Promise<Record<string, ScheduledJob>> {
    const nodes = checkFlow(jobs)
    const requests = nodes.map(node => requestOf(this.#core.registry, node))
    const rows = await this.#check(requests)
    const idByName = new Map(nodes.map((node, place) => [node.name, rows[place]?.jobId ?? '']))
    const linked = rows.map((row, place) => linkedRow(row, nodes[place], idByName))
    const stored = await this.#intake.store(requests, linked, transaction)
    return Object.fromEntries(nodes.flatMap(({ name }, place) => (stored[place] ? [[name, stored[place]]] : [])))
  }

  /** Stores many jobs and the one that comes after all of them. */
  async scheduleBatch(
    { jobs, completion }: { jobs: readonly UncheckedJob[]; completion: UncheckedJob },
    transaction: Queryable | undefined,
  ): Promise<ScheduledBatch> {
    if (jobs.length > MOST_MEMBERS) {
      throw invalid(`batch: expected at most ${MOST_MEMBERS.toLocaleString('en')} jobs, got ${jobs.length}`)
    }
    const requests = [...jobs, completion].map(job => requestOf(this.#core.registry, job))
    const rows = [...(await this.#check(requests))]
    const last = rows.pop()
    if (!last) throw new BelfryError('BELFRY_INVALID_OPTION', `batch: expected a completion, got ${show(completion)}`)
    const members = rows.map(({ jobId: parentId }): ParentLink => ({ parentId, name: null, onFailure: 'run' }))
    const dependencies = [...members, ...(last.dependencies ?? [])]
    const closing = dependencies.length > 0 ? { ...last, dependencies, waits: true } : last
    const stored = await this.#intake.store(requests, [...rows, closing], transaction)
    const answer = stored.at(-1)
    if (!answer)
      throw new BelfryError('BELFRY_DATABASE_UNAVAILABLE', 'the database answered nothing for a stored batch')
    return { jobs: stored.slice(0, -1), completion: answer }
  }

  async #check(requests: readonly JobRequest[]): Promise<readonly NewJob[]> {
    const rows: NewJob[] = []
    for (const request of requests) rows.push(await this.#intake.check(request))
    return rows
  }
}

function linkedRow(row: NewJob, node: FlowNode | undefined, idByName: ReadonlyMap<string, string>): NewJob {
  const inside = (node?.after ?? []).map(
    ({ name, onFailure }): ParentLink => ({
      parentId: idByName.get(name) ?? '',
      name,
      onFailure,
    }),
  )
  const dependencies = [...inside, ...(row.dependencies ?? [])]
  const named = { ...row, ...(node && { name: node.name }) }
  return dependencies.length > 0 ? { ...named, dependencies, waits: true } : named
}
