import type { Database, Unlisten } from '../../database/database.ts'
import { OVERRUN_GRACE_MS } from '../../execution/overruns.ts'
import type { ScheduleDefinition } from '../../recurring/schedule-definition.ts'
import { noMeter } from '../../runtime/process-meter.ts'
import { Scheduler } from '../../scheduler.ts'
import type { Backend } from './backend.ts'
import type { Burials } from './burials.ts'
import type { ClaimsSeen } from './claims-seen.ts'
import { SeededRandom, seededIds } from './random.ts'
import type { Recorder } from './recorder.ts'
import type { StatementGate } from './statement-gate.ts'
import { ProcessClock, type VirtualTime } from './virtual-time.ts'
import type { AnyContext, SimulatedPayload } from './behaviour.ts'
import { BUNDLE_SIZE } from './special-types.ts'
import { JOB_TYPES, prunes, RETENTION, simulatedJobs } from './workload.ts'

/** Jobs one simulated process runs at the same time: few, so that slots are short. */
export const CONCURRENCY = 4
/** The default lease: what a process must be silent for to lose its jobs. */
export const LEASE_MS = 30_000

/** What all processes of a world share. */
export interface Shared {
  readonly seed: number
  readonly schema: string
  readonly time: VirtualTime
  readonly gate: StatementGate
  readonly backend: Backend
  readonly recorder: Recorder
  readonly claims: ClaimsSeen
  readonly burials: Burials
  readonly schedules: readonly ScheduleDefinition[]
  readonly isHealed: () => boolean
}

/** One process of a simulated world: a scheduler with a clock and connections of its own. */
export class SimulatedProcess {
  readonly name: string
  readonly clock: ProcessClock
  readonly database: Database
  readonly scheduler: Scheduler
  state: 'starting' | 'running' | 'stopping' | 'gone' = 'starting'
  frozen = false
  /** Hints that were sent to it and not delivered yet. */
  readonly hints: (() => void)[] = []
  readonly #shared: Shared
  readonly #running = new Map<string, RunningHandler>()
  #fresh = 0

  constructor(name: string, shared: Shared) {
    this.name = name
    this.#shared = shared
    this.clock = new ProcessClock(shared.time, name)
    this.database = this.#connect()
    const random = new SeededRandom(`${shared.seed}/${name}`)
    this.scheduler = new Scheduler({
      database: this.database,
      clock: this.clock,
      random: () => random.next(),
      newJobId: seededIds(random),
      schema: shared.schema,
      migrate: false,
      concurrency: CONCURRENCY,
      lease: LEASE_MS,
      processMeter: noMeter,
      gracePeriod: '2s',
      ...(prunes(shared.seed) && { retention: RETENTION }),
      schedules: shared.schedules,
      jobs: simulatedJobs({
        seed: shared.seed,
        isHealed: shared.isHealed,
        work: (ms, signal) => this.clock.work(ms, signal),
        effects: shared.backend.effects,
        withdrawn: shared.backend.withdrawn,
        now: () => shared.time.now,
        fresh: () => `${name}-${(this.#fresh += 1)}`,
        onStart: (carried, context) => this.#handlerStarts(carried, context),
        onRelevant: ({ jobId }) => shared.recorder.about('found-relevant', name, jobId),
        onEnd: (context, how) => this.#handlerEnds(context, how),
        onStep: (context, step, answer) => this.#stepPassed(context, step, answer),
        onSend: (context, doubtful) => this.#sends(context, doubtful),
      }),
    })
    this.#watch()
  }

  get alive(): boolean {
    return this.state !== 'gone'
  }

  /** Handlers run here. */
  get busy(): boolean {
    return this.#running.size > 0
  }

  /** Nothing of it happens any more, its connections are closed: no timer, no answer. What it sent last may still be executed. */
  async end(lastCallArrives: boolean): Promise<void> {
    const { gate, time } = this.#shared
    this.state = 'gone'
    this.hints.length = 0
    time.cancelAll(this.name)
    const [last] = gate.waitingOf(this.name)
    if (last && lastCallArrives && gate.ready(owner => owner === this.name).includes(last)) {
      await this.#shared.burials.watch(last.label, () => gate.executeUnheard(last))
    }
    await gate.forget(this.name)
  }

  /** Timers of the scheduler that are set: none, once it has stopped. Deaf handlers may still work. */
  get timers(): number {
    return this.#shared.time.countOf(this.name, 'scheduler')
  }

  #connect(): Database {
    const { gate, backend } = this.#shared
    const subscribe = async (channel: string, onHint: (payload: string) => void): Promise<Unlisten> => {
      const unlisten = await backend.listen(channel, payload => {
        if (this.alive) this.hints.push(() => onHint(payload))
      })
      return () => unlisten()
    }
    return {
      // As a server with a pool: an embedded database would rightly believe that it has this one process.
      kind: 'server',
      maxConnections: 4,
      ...gate.connectionOf(this.name),
      listen: (channel, onHint) => gate.listen(this.name, () => subscribe(channel, onHint)),
    }
  }

  #watch(): void {
    const { recorder } = this.#shared
    this.scheduler.on('job:settled', ({ jobId, attempt, outcome, willRetry }) => {
      const id = recorder.idOf(jobId)
      const what = `settled attempt ${attempt} of ${id}: ${outcome}${willRetry ? ', to run again' : ''}`
      recorder.fact(this.name, what, { kind: 'settled', jobId: id, attempt, outcome, willRetry, process: this.name })
    })
    this.scheduler.on('job:lease-lost', ({ jobId, attempt }) =>
      recorder.note(this.name, `was refused attempt ${attempt} of ${recorder.idOf(jobId)}`),
    )
    this.scheduler.on('job:rescued', ({ jobId, gaveUp }) =>
      recorder.note(this.name, `rescued ${recorder.idOf(jobId)}${gaveUp ? ' and gave it up' : ''}`),
    )
    this.scheduler.on('runner:revived', () => recorder.note(this.name, 'was declared dead, and entered anew'))
    this.scheduler.on('database:error', ({ during, error }) =>
      recorder.note(this.name, `met an error during ${during}: ${error instanceof Error ? error.message : ''}`),
    )
  }

  #handlerStarts(carried: readonly SimulatedPayload[], context: AnyContext): void {
    const { recorder, time, claims } = this.#shared
    const { attempt, jobType } = context
    const jobId = recorder.idOf(context.jobId)
    const names = carried.map(each => each.name)
    recorder.fact(this.name, `starts attempt ${attempt} of ${jobId} (${names.join(', ')})`, {
      kind: 'started',
      jobId,
      name: names[0] ?? '',
      names,
      attempt,
      process: this.name,
      at: time.now,
      jobType,
      claim: claims.of(jobId, attempt),
    })
    const handler: RunningHandler = { jobType }
    context.signal.addEventListener('abort', () => {
      handler.toldAt = time.now
      if (!this.alive) return
      recorder.fact(this.name, `tells ${jobId} to stop`, { kind: 'aborted', jobId, attempt })
    })
    this.#running.set(`${attempt} ${jobId}`, handler)
    const all = [...this.#running.values()].filter(each => !isDeaf(each, time.now))
    const running = all.filter(each => each.jobType === jobType).length
    const most = MOST_AT_ONCE[jobType] ?? CONCURRENCY
    // The jobs of one call share a slot.
    const bundled = all.filter(each => each.jobType === 'bundled').length
    const slots = all.length - Math.max(0, bundled - 1)
    if (running > most || slots > CONCURRENCY) {
      const detail = `${this.name} runs ${running} of ${jobType} (allowed ${most}), ${slots} in all (${CONCURRENCY})`
      recorder.fact(this.name, 'runs too many', {
        kind: 'violation',
        invariant: 'no more run at once than allowed',
        detail,
      })
    }
  }

  #handlerEnds(context: AnyContext, how: 'returned' | 'threw' | 'asked to be cancelled'): void {
    const { recorder } = this.#shared
    const { attempt } = context
    const jobId = recorder.idOf(context.jobId)
    this.#running.delete(`${attempt} ${jobId}`)
    recorder.fact(this.name, `handler of ${jobId} ${how}`, { kind: 'handler-ended', jobId, attempt, how })
  }

  #stepPassed({ jobId: id, attempt }: AnyContext, step: string, answer: unknown): void {
    const { recorder } = this.#shared
    const jobId = recorder.idOf(id)
    const text = JSON.stringify(answer)
    recorder.fact(this.name, `${jobId} is past step ${step}: ${text}`, {
      kind: 'step-passed',
      jobId,
      attempt,
      step,
      answer: text,
    })
  }

  #sends({ jobId: id, attempt }: AnyContext, doubtful: boolean): void {
    const { recorder } = this.#shared
    const jobId = recorder.idOf(id)
    const what = `${jobId} sends${doubtful ? ', perhaps again' : ''}`
    recorder.fact(this.name, what, { kind: 'sending', jobId, attempt, doubtful })
  }
}

const MOST_AT_ONCE: Readonly<Record<string, number | undefined>> = { ...JOB_TYPES, bundled: BUNDLE_SIZE }

interface RunningHandler {
  readonly jobType: string
  /** When it was told to stop. */
  toldAt?: number
}

/** It was told to stop and goes on: its slot is somebody else's. */
function isDeaf({ toldAt }: RunningHandler, now: number): boolean {
  return toldAt !== undefined && now - toldAt >= OVERRUN_GRACE_MS
}
