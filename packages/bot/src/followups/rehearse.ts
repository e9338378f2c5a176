import { evaluateGates, type GateReason, type GateReport, type PersonFacts } from './gates.ts'
import type { FollowUpPolicy } from './policy.ts'
import { Agenda } from './rehearse-agenda.ts'
import { RehearsedPerson, type PersonEvent } from './rehearse-person.ts'

/** What is replayed: what happened to people, and what admins asked for. */
export type RehearsalEvent =
  | PersonEvent
  | { readonly kind: 'asked'; readonly at: Date; readonly userId: string; readonly dueAt: Date }

/** When somebody's automatic follow-up is due if they fall silent now, and by which policy they are judged. */
export type TimeFollowUp = (person: PersonFacts, now: Date) => { readonly policy: FollowUpPolicy; readonly dueAt: Date }

export interface Rehearsal {
  /** Outcomes from here on; what happened before only prepares the ground. */
  readonly since: Date
  readonly until: Date
  /** Everybody in the events, as they are today. */
  readonly people: ReadonlyMap<string, PersonFacts>
  /** In any order. Follow-ups that really were sent count until `since`; after it only those of the rehearsal do. */
  readonly events: readonly RehearsalEvent[]
  readonly policy: FollowUpPolicy
  /** Default: the policy's delay after the last message. */
  readonly time?: TimeFollowUp
  /** The best time for a person at or after an instant. Default: that instant. */
  readonly place?: (person: PersonFacts, earliest: Date) => Date
  /** What jitter is drawn from. Default: the person and when it was planned, so that a rehearsal is always the same. */
  readonly seedOf?: (userId: string, plannedAt: Date) => string
}

/** What would have become of one follow-up. */
export interface RehearsedFollowUp {
  readonly userId: string
  readonly at: Date
  readonly automatic: boolean
  /** False: refused when they spoke last, so that no job was made. */
  readonly planned: boolean
  readonly outcome: 'sent' | 'withheld'
  readonly reason?: GateReason
}

interface Job {
  readonly userId: string
  readonly automatic: boolean
  readonly plannedAt: Date
  readonly seed: string
  dueAt: Date
  ended: boolean
}

interface Silence {
  readonly dueAt: Date
  readonly reason: GateReason
}

/** Today's pauses say nothing of another time. */
const NO_CONTROLS = { controls: [] as never[] }
const MINUTE_MS = 60_000

/**
 * Replays events through the real gates on a virtual clock: who would have been written to when, who not and why. Planning
 * and sending go by the rules of the live engine: one automatic follow-up planned per person, the gates asked when
 * planning and when it is due, a deferral asks again later, a denial ends it until the person speaks. Pure: the same
 * events give the same answer. Ordered by time, then person.
 */
export function rehearse(rehearsal: Rehearsal): RehearsedFollowUp[] {
  return new Replay(rehearsal).run()
}

class Replay {
  readonly #rehearsal: Rehearsal
  readonly #events: readonly RehearsalEvent[]
  readonly #people = new Map<string, RehearsedPerson>()
  readonly #agenda = new Agenda<Job>()
  readonly #open = new Map<string, Job[]>()
  /** People for whom planning was refused when they spoke last. */
  readonly #silences = new Map<string, Silence>()
  readonly #outcomes: RehearsedFollowUp[] = []
  #sentLately: Date[] = []

  constructor(rehearsal: Rehearsal) {
    this.#rehearsal = rehearsal
    this.#events = rehearsal.events.toSorted((a, b) => a.at.getTime() - b.at.getTime())
    const known = new Map<string, PersonEvent[]>()
    for (const event of this.#events) {
      if (event.kind === 'asked') continue
      const theirs = known.get(event.userId)
      if (theirs) theirs.push(event)
      else known.set(event.userId, [event])
    }
    for (const [userId, today] of rehearsal.people)
      this.#people.set(userId, new RehearsedPerson(today, known.get(userId) ?? []))
  }

  run(): RehearsedFollowUp[] {
    const { until } = this.#rehearsal
    for (const event of this.#events) {
      if (event.at > until) break
      this.#runDue(event.at)
      this.#happen(event)
    }
    this.#runDue(until)
    for (const userId of this.#silences.keys()) this.#endSilence(userId, until)
    return this.#outcomes.toSorted((a, b) => a.at.getTime() - b.at.getTime() || (a.userId < b.userId ? -1 : 1))
  }

  #happen(event: RehearsalEvent): void {
    const person = this.#people.get(event.userId)
    if (!person) return
    if (event.kind === 'asked') {
      this.#add({ userId: event.userId, automatic: false, plannedAt: event.at, dueAt: event.dueAt })
      return
    }
    if (event.kind === 'sent' && event.at >= this.#rehearsal.since) return
    person.apply(event)
    if (event.kind === 'revoked') this.#cancelAll(event)
    if (event.kind === 'message') this.#plan(event.userId, person, event.at)
  }

  /** In the live engine a message plans the next one; while one waits, it moves on by itself. */
  #plan(userId: string, person: RehearsedPerson, now: Date): void {
    this.#endSilence(userId, now)
    if (this.#open.get(userId)?.some(job => job.automatic)) return
    const facts = person.factsAt(now)
    const { policy, dueAt } = this.#time(facts, now)
    const job = { automatic: true, plannedAt: now, dueAt, seed: `automatic:${userId}` }
    const foreseen = evaluateGates({ ...NO_CONTROLS, now: dueAt, policy, person: facts, job, sentInLastMinute: 0 })
    const { verdict, reason = 'gate_error' } = foreseen
    // The comparison group is planned for like everybody, up to the moment of sending.
    if (verdict === 'deny' && reason !== 'holdout') this.#silences.set(userId, { dueAt, reason })
    else this.#add({ userId, automatic: true, plannedAt: now, dueAt })
  }

  #time(person: PersonFacts, now: Date): ReturnType<TimeFollowUp> {
    const { time, policy } = this.#rehearsal
    return time?.(person, now) ?? { policy, dueAt: new Date(now.getTime() + policy.delayMs) }
  }

  #add(plan: Pick<Job, 'userId' | 'automatic' | 'plannedAt' | 'dueAt'>): void {
    const { seedOf = (userId, plannedAt) => `${userId}:${plannedAt.toISOString()}` } = this.#rehearsal
    const job = { ...plan, seed: seedOf(plan.userId, plan.plannedAt), ended: false }
    this.#open.set(plan.userId, [...(this.#open.get(plan.userId) ?? []), job])
    this.#agenda.add(job.dueAt, job)
  }

  #runDue(until: Date): void {
    for (;;) {
      const due = this.#agenda.takeUntil(until)
      if (!due) return
      if (!due.item.ended) this.#runJob(due.item, due.at)
    }
  }

  #runJob(job: Job, now: Date): void {
    const person = this.#people.get(job.userId)
    if (!person) return
    const { verdict, reason, until } = this.#ask(job, person, now)
    if (verdict === 'defer' && until && until > now) {
      const { place } = this.#rehearsal
      job.dueAt = reason === 'recently_active' && place ? place(person.factsAt(now), until) : until
      this.#agenda.add(job.dueAt, job)
      return
    }
    this.#end(job)
    if (verdict !== 'allow') this.#tell({ ...told(job, now), outcome: 'withheld', reason: reason ?? 'gate_error' })
    else if (now >= this.#rehearsal.since) {
      person.send(now)
      this.#sentLately.push(now)
      this.#tell({ ...told(job, now), outcome: 'sent' })
    }
  }

  #ask(job: Job, person: RehearsedPerson, now: Date): GateReport {
    this.#sentLately = this.#sentLately.filter(sent => now.getTime() - sent.getTime() < MINUTE_MS)
    const facts = person.factsAt(now)
    const policy = job.automatic ? this.#time(facts, now).policy : this.#rehearsal.policy
    const sentInLastMinute = this.#sentLately.length
    return evaluateGates({ ...NO_CONTROLS, now, policy, person: facts, job, sentInLastMinute })
  }

  /** A no cancels what is planned, at once. */
  #cancelAll({ userId, at }: PersonEvent): void {
    for (const job of this.#open.get(userId) ?? []) {
      job.ended = true
      this.#tell({ ...told(job, at), outcome: 'withheld', reason: 'opted_out' })
    }
    this.#open.delete(userId)
  }

  /** Who was refused at planning and stayed silent until it would have been due has been withheld from; who spoke was not. */
  #endSilence(userId: string, now: Date): void {
    const silence = this.#silences.get(userId)
    this.#silences.delete(userId)
    if (!silence || silence.dueAt > now) return
    const { dueAt: at, reason } = silence
    this.#tell({ userId, at, automatic: true, planned: false, outcome: 'withheld', reason })
  }

  #end(job: Job): void {
    job.ended = true
    this.#open.set(
      job.userId,
      (this.#open.get(job.userId) ?? []).filter(each => each !== job),
    )
  }

  #tell(outcome: RehearsedFollowUp): void {
    if (outcome.at >= this.#rehearsal.since && outcome.at <= this.#rehearsal.until) this.#outcomes.push(outcome)
  }
}

function told(
  { userId, automatic }: Job,
  at: Date,
): Pick<RehearsedFollowUp, 'userId' | 'automatic' | 'planned' | 'at'> {
  return { userId, automatic, planned: true, at }
}
