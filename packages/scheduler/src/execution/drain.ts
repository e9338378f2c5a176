import type { Aftermath } from '../aftermath/aftermath.ts'
import type { Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import { takeBatch } from './batch-queue.ts'
import type { Claimed, Claimer } from './claimer.ts'
import type { Executor } from './executor.ts'
import { HeldJob } from './held-job.ts'
import type { Settler } from './settler.ts'

/** Jobs that are claimed, run and settled before the next are claimed. */
const CLAIMED_AT_A_TIME = 100

interface DrainParts {
  readonly aftermath: Aftermath
  readonly claimer: Claimer
  readonly executor: Executor
  readonly settler: Settler
  /** How long outcomes may take to be stored, in ms. */
  readonly patienceMs: number
}

/**
 * Claims, runs and settles in turns until nothing is due any more; answers how many attempts ran.
 * @throws BelfryError `BELFRY_DATABASE_UNAVAILABLE`; unsettled jobs stay with this runner until its lease runs out, and are
 *   rescued then
 */
export async function drainDueJobs(core: Core, parts: DrainParts): Promise<number> {
  const { aftermath, claimer, settler } = parts
  let attempts = 0
  for (;;) {
    await aftermath.drain()
    const wanted = core.registry.handled().map(({ type, batch }) => {
      const size = batch?.size ?? 1
      return { jobType: type, size, most: Math.max(size, CLAIMED_AT_A_TIME) }
    })
    const claims: Claimed[] = []
    const order = { wanted, limit: CLAIMED_AT_A_TIME, lookAheadMs: 0 }
    const { claimed, filled, dropped } = await claimer.claim(order, each => claims.push(each))
    if (claimed === 0 && !filled && !dropped) return attempts
    const held = claims.flatMap(({ jobs, lease }) =>
      jobs.map(job => new HeldJob(job, core.registry.findOrDefault(job.job_type), lease)),
    )
    await runAll(core, parts.executor, held)
    attempts += held.length
    if (!(await settler.drain(parts.patienceMs))) {
      throw new BelfryError('BELFRY_DATABASE_UNAVAILABLE', 'the outcome of jobs could not be stored in time')
    }
  }
}

/** All at the same time, but for transactions, of which there may be fewer than jobs. */
async function runAll({ registry }: Core, executor: Executor, held: readonly HeldJob[]): Promise<void> {
  const runOne = (each: HeldJob) => new Promise<void>(resolve => executor.start(each, resolve))
  const apart = held.filter(each => each.definition.transactional)
  const runs = held.filter(each => !each.definition.transactional && !each.definition.batch).map(runOne)
  for (const { type, batch } of registry.handled()) {
    if (!batch) continue
    const queue = held.filter(each => each.definition.type === type)
    while (queue.length > 0) {
      const jobs = takeBatch(queue, batch.size)
      runs.push(new Promise(resolve => executor.startBatch(jobs, resolve)))
    }
  }
  const inTurn = async () => {
    for (let next = apart.shift(); next; next = apart.shift()) await runOne(next)
  }
  await Promise.all([...runs, ...Array.from({ length: executor.freeTransactions }, inTurn)])
}
