import type { Queryable } from '../../database/database.ts'
import type { Dependency } from '../../job/job-options.ts'
import type { ScheduledJob, ScheduleOptions } from '../../scheduling/schedule-options.ts'
import { asScheduled, trueTime, type Call, type InventedJobs, type SimulatedJob } from './invented-jobs.ts'
import type { SeededRandom } from './random.ts'
import type { Recorder } from './recorder.ts'
import { opensOf } from './windows.ts'

/** Thrown by a simulated caller that changes its mind, so that its transaction is rolled back. */
class ChangedMind extends Error {
  override readonly name = 'ChangedMind'
}

/** Schedules jobs in all ways there are; records what was wanted, what was answered, and what that says is stored. */
export class Bookings {
  readonly #random: SeededRandom
  readonly #recorder: Recorder
  readonly #invented: InventedJobs
  readonly #known: string[]

  /** @param parts `known` is given the ids that are answered */
  constructor(parts: { random: SeededRandom; recorder: Recorder; invented: InventedJobs; known: string[] }) {
    this.#random = parts.random
    this.#recorder = parts.recorder
    this.#invented = parts.invented
    this.#known = parts.known
  }

  one(call: Call): Promise<string> {
    return this.#bookOne(call, this.#invented.job(call, 0))
  }

  unique(call: Call): Promise<string> {
    return this.#bookOne(call, this.#invented.unique(call))
  }

  #bookOne(call: Call, job: SimulatedJob): Promise<string> {
    const { job: type, ...options } = asScheduled(job)
    return this.#book(call, [job], async () => [
      await call.process.scheduler.scheduleJob(type as string, options as ScheduleOptions),
    ])
  }

  many(call: Call): Promise<string> {
    const jobs = this.#several(call, 2 + this.#random.below(4))
    return this.#book(call, jobs, () => call.process.scheduler.scheduleJobs(jobs.map(asScheduled)))
  }

  /** Jobs that wait for others of the same call. */
  flow(call: Call): Promise<string> {
    const jobs = this.#invented.flow(call)
    const nodes = jobs.map(job => [job.payload.name, { ...asScheduled(job), after: job.after }])
    return this.#book(call, jobs, async () => {
      const stored = await call.process.scheduler.scheduleFlow(Object.fromEntries(nodes) as Record<string, never>)
      return jobs.flatMap(({ payload }) => stored[payload.name] ?? [])
    })
  }

  /** One that waits for all others of the same call. */
  batch(call: Call): Promise<string> {
    const jobs = this.#several(call, 1 + this.#random.below(4))
    const after = jobs.map(({ payload }) => ({ job: payload.name, onFailure: 'run' as const }))
    const last = { ...this.#invented.job(call, jobs.length), after }
    return this.#book(call, [...jobs, last], async () => {
      const batch = await call.process.scheduler.scheduleBatch(jobs.map(asScheduled), asScheduled(last))
      return [...batch.jobs, batch.completion]
    })
  }

  async #book(
    call: Call,
    jobs: readonly SimulatedJob[],
    store: () => Promise<readonly ScheduledJob[]>,
  ): Promise<string> {
    this.#plan(call, jobs)
    try {
      const stored = await store()
      this.#acknowledge(call, jobs, stored)
      this.#groupEnded(call, 'committed')
      return stored.map(each => `${this.#recorder.idOf(each.jobId)}${each.conflict ? ' (conflict)' : ''}`).join(', ')
    } catch (error) {
      this.#groupEnded(call, 'unknown')
      throw error
    }
  }

  /** Through the caller's own transaction, which commits or not; a commit without an answer may be either. */
  async inTransaction(call: Call): Promise<string> {
    const jobs = this.#several(call, 1 + this.#random.below(2))
    const keeps = this.#random.chance(0.6)
    this.#plan(call, jobs)
    let inside = true
    try {
      await call.process.database.transaction(async (transaction: Queryable) => {
        const stored = await call.process.scheduler.scheduleJobs(jobs.map(asScheduled), { transaction })
        if (!keeps) throw new ChangedMind('the caller changed its mind')
        this.#acknowledge(call, jobs, stored)
        inside = false
      })
      this.#groupEnded(call, 'committed')
      return 'committed'
    } catch (error) {
      this.#groupEnded(call, inside ? 'rolled back' : 'unknown')
      throw error
    }
  }

  #several(call: Call, count: number): SimulatedJob[] {
    return Array.from({ length: count }, (_, index) => this.#invented.job(call, index))
  }

  #plan({ number, process }: Call, jobs: readonly SimulatedJob[]): void {
    const now = trueTime(process)
    for (const job of jobs) {
      const { payload, delay, scheduledTime, job: jobType, expireAfter, dependsOn = [], after = [] } = job
      const wantedAt = scheduledTime?.getTime() ?? now + Number(delay ?? 0)
      // What the waiting one may keep of its own time counts, also where the call is never answered.
      const mayComeEarlier = job.maxWait !== undefined || job.onConflict === 'rerun'
      const dueAt = mayComeEarlier ? Math.min(now, wantedAt) : wantedAt
      const { name } = payload
      const isStrict = [...dependsOn.map(onFailureOf), ...after.map(onFailureOf)].some(each => each !== 'run')
      this.#recorder.fact(process.name, `wants ${name} of ${jobType} in ${wantedAt - now} ms`, {
        kind: 'planned',
        name,
        group: number,
        dueAt,
        mayBeCancelled: expireAfter !== undefined || isStrict,
        jobType,
        after: dependsOn.map(each => this.#recorder.idOf(idIn(each))),
        afterNamed: after.map(each => each.job),
        opens: opensOf(job),
        uniqueKey: job.uniqueKey ?? null,
        reruns: job.onConflict === 'rerun',
      })
    }
  }

  #acknowledge(
    { process }: Call,
    jobs: readonly SimulatedJob[],
    stored: readonly { jobId: string; conflict: boolean }[],
  ): void {
    for (const [index, { jobId, conflict }] of stored.entries()) {
      this.#known.push(jobId)
      const { name } = jobs[index]?.payload ?? { name: '' }
      const id = this.#recorder.idOf(jobId)
      const what = `hears that ${name} is ${conflict ? 'taken by ' : ''}${id}`
      this.#recorder.fact(process.name, what, { kind: 'acknowledged', name, jobId: id, conflict })
      if (conflict) this.#recorder.about('touched', process.name, jobId)
    }
  }

  #groupEnded({ number, process }: Call, how: 'committed' | 'rolled back' | 'unknown'): void {
    this.#recorder.fact(process.name, `what call ${number} stores is ${how}`, {
      kind: 'group-ended',
      group: number,
      how,
    })
  }
}

function idIn(dependency: Dependency): string {
  const reference = typeof dependency === 'object' && 'job' in dependency ? dependency.job : dependency
  return typeof reference === 'string' ? reference : reference.jobId
}

/** What becomes of a job when the one it waits for fails; unless it is `run`, it may be cancelled with that one. */
function onFailureOf(dependency: Dependency): string {
  return typeof dependency === 'object' && 'onFailure' in dependency ? (dependency.onFailure ?? 'run') : 'run'
}
