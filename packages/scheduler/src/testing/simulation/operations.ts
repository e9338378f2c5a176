import type { Queryable } from '../../database/database.ts'
import type { Scheduler } from '../../scheduler.ts'
import type { ScheduledJob, ScheduleOptions } from '../../scheduling/schedule-options.ts'
import type { Dependency } from '../../job/job-options.ts'
import type { Snapshot } from './history.ts'
import { Bulk } from './bulk.ts'
import { InventedJobs, trueTime, type Call, type SimulatedJob } from './invented-jobs.ts'
import { Pauses } from './pauses.ts'
import type { SeededRandom } from './random.ts'
import type { Recorder } from './recorder.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import { EVENT, EVENT_KEYS, type SpecialType } from './special-types.ts'
import type { GovernedType } from './workload.ts'

/** How often each kind of call is made. */
const CALLS = {
  schedule: 40,
  scheduleUnique: 20,
  scheduleMany: 8,
  scheduleInTransaction: 12,
  cancel: 12,
  change: 8,
  redrive: 10,
  pause: 3,
  resume: 3,
  sendEvent: 6,
  setLimits: 5,
  cancelAll: 1,
  postponeAll: 2,
  hold: 4,
  release: 5,
} as const

/** Thrown by a simulated caller that changes its mind, so that its transaction is rolled back. */
class ChangedMind extends Error {
  override readonly name = 'ChangedMind'
}

/** What the outside world asks of the processes: scheduling, cancelling, changing, redriving, pausing. */
export class Operations {
  readonly #random: SeededRandom
  readonly #recorder: Recorder
  readonly #scheduleIds: readonly string[]
  readonly #special: SpecialType
  readonly #changesLimits: boolean
  readonly #invented: InventedJobs
  readonly #pauses: Pauses
  readonly #bulk: Bulk
  /** Ids that were answered, as the processes know them. */
  readonly #known: string[] = []
  #calls = 0
  readonly #open = new Map<string, SimulatedProcess>()

  constructor(parts: {
    random: SeededRandom
    recorder: Recorder
    scheduleIds: readonly string[]
    governed: GovernedType
    special: SpecialType
    changesLimits: boolean
  }) {
    this.#random = parts.random
    this.#special = parts.special
    this.#changesLimits = parts.changesLimits
    this.#recorder = parts.recorder
    this.#scheduleIds = parts.scheduleIds
    this.#invented = new InventedJobs({ ...parts, known: this.#known })
    this.#pauses = new Pauses(parts)
    this.#bulk = new Bulk({ ...parts, types: this.#invented.types })
  }

  /** Calls that were not answered, of processes that are still there. */
  get unanswered(): string[] {
    return [...this.#open].filter(([, process]) => process.alive).map(([call]) => call)
  }

  isCalling(process: SimulatedProcess): boolean {
    return [...this.#open.values()].includes(process)
  }

  /** Nothing stays paused, and nothing that cannot be met is asked of a type. */
  letAllGo(process: SimulatedProcess): Promise<void> {
    return this.#pauses.letAllGo(process)
  }

  /** Makes one call through a process; its answer comes when the world goes on. */
  begin(process: SimulatedProcess): void {
    this.#calls += 1
    const number = this.#calls
    let kind = this.#random.weighted(CALLS) ?? 'schedule'
    if (this.#known.length === 0 && (kind === 'cancel' || kind === 'change' || kind === 'redrive')) kind = 'schedule'
    if (this.#scheduleIds.length === 0 && (kind === 'pause' || kind === 'resume')) kind = 'schedule'
    if (!this.#changesLimits && kind === 'setLimits') kind = 'schedule'
    if (this.#special !== 'stepwise' && kind === 'sendEvent') kind = 'schedule'
    const call = `call ${number} (${kind})`
    this.#open.set(call, process)
    this.#recorder.note(process.name, call)
    this.#perform(kind, { number, process }).then(
      answer => this.#ended(call, answer),
      (error: unknown) => this.#ended(call, `failed: ${error instanceof Error ? error.message : String(error)}`),
    )
  }

  #ended(call: string, answer: string): void {
    const process = this.#open.get(call)
    this.#open.delete(call)
    this.#recorder.note(process?.name ?? '', `${call} → ${answer}`)
  }

  #perform(kind: keyof typeof CALLS, call: Call): Promise<string> {
    const { scheduler } = call.process
    switch (kind) {
      case 'schedule':
        return this.#schedule(call, [this.#invented.job(call, 0)])
      case 'scheduleUnique':
        return this.#schedule(call, [{ ...this.#invented.job(call, 0), ...this.#invented.unique() } as SimulatedJob])
      case 'scheduleMany':
        return this.#schedule(
          call,
          Array.from({ length: 2 + this.#random.below(4) }, (_, index) => this.#invented.job(call, index)),
        )
      case 'scheduleInTransaction':
        return this.#scheduleInTransaction(call)
      case 'cancel':
        return this.#cancel(call)
      case 'change':
        return this.#change(call).then(String)
      case 'redrive':
        return this.#redrive(call).then(String)
      case 'cancelAll':
        return this.#bulk.cancel(call.process)
      case 'postponeAll':
        return this.#bulk.postpone(call.process)
      case 'setLimits':
        return this.#pauses.setLimits(call.process)
      case 'sendEvent':
        return this.#sendEvent(call)
      case 'pause':
        return scheduler.pauseSchedule(this.#random.pick(this.#scheduleIds)).then(String)
      case 'hold':
        return this.#pauses.hold(call.process)
      case 'release':
        return this.#pauses.release(call.process)
      case 'resume':
        return scheduler.resumeSchedule(this.#random.pick(this.#scheduleIds)).then(String)
    }
  }

  async #schedule(call: Call, jobs: readonly SimulatedJob[]): Promise<string> {
    this.#plan(call, jobs)
    const { scheduler } = call.process
    try {
      const [only] = jobs
      const stored =
        only && jobs.length === 1 ? [await scheduleOne(scheduler, only)] : await scheduler.scheduleJobs(jobs)
      this.#acknowledge(call, jobs, stored)
      this.#groupEnded(call, 'committed')
      return stored.map(each => `${this.#recorder.idOf(each.jobId)}${each.conflict ? ' (conflict)' : ''}`).join(', ')
    } catch (error) {
      this.#groupEnded(call, 'unknown')
      throw error
    }
  }

  /** Through the caller's own transaction, which commits or not; a commit without an answer may be either. */
  async #scheduleInTransaction(call: Call): Promise<string> {
    const jobs = Array.from({ length: 1 + this.#random.below(2) }, (_, index) => this.#invented.job(call, index))
    const keeps = this.#random.chance(0.6)
    this.#plan(call, jobs)
    let inside = true
    try {
      await call.process.database.transaction(async (transaction: Queryable) => {
        const stored = await call.process.scheduler.scheduleJobs(jobs, { transaction })
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

  async #cancel(call: Call): Promise<string> {
    const jobId = this.#random.pick(this.#known)
    this.#recordAbout('cancel-asked', call.process, jobId)
    const answer = await call.process.scheduler.cancelJob(jobId)
    if (answer === 'cancelled') this.#recordAbout('cancelled', call.process, jobId)
    return answer
  }

  #redrive({ process }: Call): Promise<boolean> {
    return this.#redriveOne(process, this.#random.pick(this.#known))
  }

  async #redriveOne(process: SimulatedProcess, jobId: string): Promise<boolean> {
    this.#recordAbout('redrive-asked', process, jobId)
    const redriven = await process.scheduler.redriveJob(jobId)
    this.#recordAbout('redrive-answered', process, jobId)
    return redriven
  }

  /** Gives every failed and every cancelled job a new life. */
  async redriveFailed(process: SimulatedProcess, { jobs }: Snapshot): Promise<void> {
    for (const { job_id: id } of jobs.filter(row => ['failed', 'cancelled'].includes(row.status))) {
      await this.#redriveOne(process, this.#recorder.originalOf(id))
    }
  }

  async #sendEvent({ number, process }: Call): Promise<string> {
    const options = { key: this.#random.pick(EVENT_KEYS), payload: { call: number }, keep: '10s' } as const
    const { delivered } = await process.scheduler.sendEvent(EVENT, options)
    return `reached ${delivered}`
  }

  #change(call: Call): Promise<boolean> {
    const jobId = this.#random.pick(this.#known)
    this.#recordAbout('touched', call.process, jobId)
    return call.process.scheduler.changeJob(jobId, this.#invented.when(call.process))
  }

  #plan({ number, process }: Call, jobs: readonly SimulatedJob[]): void {
    const now = trueTime(process)
    for (const { payload, delay, scheduledTime, job, expireAfter, dependsOn = [], onConflict, uniqueKey } of jobs) {
      const dueAt = scheduledTime?.getTime() ?? now + Number(delay ?? 0)
      const { name } = payload
      const what = `wants ${name} of ${job} in ${dueAt - now} ms`
      this.#recorder.fact(process.name, what, {
        kind: 'planned',
        name,
        group: number,
        dueAt,
        mayBeCancelled: expireAfter !== undefined || dependsOn.some(isStrict),
        after: dependsOn.map(each => this.#recorder.idOf(idIn(each))),
        uniqueKey: uniqueKey ?? null,
        reruns: onConflict === 'rerun',
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
      if (conflict) this.#recordAbout('touched', process, jobId)
    }
  }

  #groupEnded({ number, process }: Call, how: 'committed' | 'rolled back' | 'unknown'): void {
    this.#recorder.fact(process.name, `what call ${number} stores is ${how}`, {
      kind: 'group-ended',
      group: number,
      how,
    })
  }

  #recordAbout(
    kind: 'cancel-asked' | 'cancelled' | 'redrive-asked' | 'redrive-answered' | 'touched',
    process: SimulatedProcess,
    jobId: string,
  ): void {
    const id = this.#recorder.idOf(jobId)
    this.#recorder.fact(process.name, `${kind}: ${id}`, { kind, jobId: id })
  }
}

function idIn(dependency: Dependency): string {
  const reference = typeof dependency === 'object' && 'job' in dependency ? dependency.job : dependency
  return typeof reference === 'string' ? reference : reference.jobId
}

/** Its job may be cancelled with the one it waits for. */
function isStrict(dependency: Dependency): boolean {
  return typeof dependency === 'object' && 'onFailure' in dependency && dependency.onFailure !== 'run'
}

function scheduleOne(scheduler: Scheduler, { job, ...options }: SimulatedJob): Promise<ScheduledJob> {
  return scheduler.scheduleJob(job, options as ScheduleOptions)
}
