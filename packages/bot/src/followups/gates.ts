import { createHash } from 'node:crypto'
import { cooldownMs, type FollowUpPolicy } from './policy.ts'
import { awakeAgainAt, awakeMs, quietUntil } from './quiet-hours.ts'

/** What the gates look at. A fact that could not be read is not guessed: the whole of `person` is then `unreadable`. */
export interface GateFacts {
  readonly now: Date
  readonly policy: FollowUpPolicy
  readonly person: PersonFacts | 'unreadable'
  readonly job: {
    /** Planned by silence, or asked for by an admin. */
    readonly automatic: boolean
    /** When it was planned or asked for. */
    readonly plannedAt: Date
    /** When it was due when it was planned or last deferred. */
    readonly dueAt: Date
    /** The same job gets the same jitter at every look. */
    readonly seed: string
  }
  /** Follow-ups sent to anybody in the last minute. */
  readonly sentInLastMinute: number
}

export interface PersonFacts {
  readonly userId: string
  readonly followUpsEnabled: boolean
  /** Their latest word. */
  readonly consent: 'granted' | 'revoked' | undefined
  /** Whether their platform wants an explicit yes. */
  readonly mustOptIn: boolean
  readonly suppressed: string | undefined
  readonly snoozedUntil: Date | undefined
  readonly lastMessageAt: Date | undefined
  /** Messages they said in the last conversation. */
  readonly messagesInLastTalk: number
  readonly frequencyMs: number
  readonly unanswered: number
  readonly timeZone: string | undefined
  /** Follow-ups they were sent in the last 168 hours, newest first. */
  readonly sentThisWeek: readonly Date[]
  readonly lastSentAt: Date | undefined
}

export type GateReason =
  | 'gate_error'
  | 'kill_switch'
  | 'opted_out'
  | 'not_opted_in'
  | 'suppressed'
  | 'snoozed'
  | 'recently_active'
  | 'too_old'
  | 'too_shallow'
  | 'cooldown'
  | 'weekly_cap'
  | 'unanswered'
  | 'quiet_hours'
  | 'holdout'
  | 'pacing'
  | 'expired'

/** One gate's answer. Numbers follow the table of the rules, so that a decision can be looked up. */
export interface GateResult {
  readonly rule: number
  readonly gate: string
  readonly outcome: 'pass' | 'deny' | 'defer'
  readonly reason?: GateReason
  /** When a deferred one may go; when a denied one could, if anything but time stands in its way. */
  readonly until?: Date
}

/** The whole answer: every gate's own, and the first that decided. */
export interface GateReport {
  readonly verdict: 'allow' | 'deny' | 'defer'
  readonly reason?: GateReason
  readonly rule?: number
  readonly until?: Date
  readonly gates: readonly GateResult[]
}

/** The week of the cap rolls: any 168 hours. */
const WEEK_MS = 168 * 3_600_000
/** A manual follow-up looks back at most this far for a message that makes it needless. */
const MANUAL_RECENCY_MS = 48 * 3_600_000
const LONGEST_JITTER_MS = 30 * 60_000
const PACING_PAUSE_MS = 60_000

/**
 * Whether a follow-up may go out now. One pure function for planning, before writing the text and under the lock just
 * before sending. Denials outrank deferrals: what must never be sent is not put off instead.
 */
export function evaluateGates(facts: GateFacts): GateReport {
  const { person } = facts
  const gates = person === 'unreadable' || !hasValidDates(facts, person) ? [UNREADABLE] : checkAll(facts, person)
  const decided = gates.find(each => each.outcome === 'deny') ?? latest(gates.filter(each => each.outcome === 'defer'))
  if (!decided) return { verdict: 'allow', gates }
  const { outcome, reason, rule, until } = decided
  return {
    verdict: outcome === 'deny' ? 'deny' : 'defer',
    gates,
    ...(reason && { reason }),
    rule,
    ...(until && { until }),
  }
}

/** A date that is none (PostgreSQL's `infinity` reads so) compares as false everywhere, which would let a gate pass. */
function hasValidDates({ now, job }: GateFacts, person: PersonFacts): boolean {
  const { snoozedUntil, lastMessageAt, lastSentAt, sentThisWeek } = person
  const dates = [now, job.plannedAt, job.dueAt, snoozedUntil, lastMessageAt, lastSentAt, ...sentThisWeek]
  return dates.every(date => date === undefined || !Number.isNaN(date.getTime()))
}

/** Fails closed: who cannot be read is not written to. */
const UNREADABLE: GateResult = { rule: 0, gate: 'readable', outcome: 'deny', reason: 'gate_error' }

/** Of several deferrals the longest decides; every gate is asked again when it is over. */
function latest(deferred: readonly GateResult[]): GateResult | undefined {
  return deferred.toSorted((a, b) => (b.until?.getTime() ?? 0) - (a.until?.getTime() ?? 0))[0]
}

function checkAll(facts: GateFacts, person: PersonFacts): GateResult[] {
  return [
    gate(1, 'enabled', facts.policy.enabled ? undefined : { deny: 'kill_switch' }),
    gate(2, 'consent', consentFault(facts, person)),
    gate(3, 'not suppressed', person.suppressed === undefined ? undefined : { deny: 'suppressed' }),
    gate(4, 'not snoozed', later(person.snoozedUntil, facts.now, 'snoozed')),
    gate(6, 'silent long enough', recencyFault(facts, person)),
    gate(7, 'not too long ago', ageFault(facts, person)),
    gate(8, 'talked enough', depthFault(facts, person)),
    gate(9, 'cooldown over', cooldownFault(facts, person)),
    gate(10, 'under the weekly cap', capFault(facts, person)),
    gate(11, 'answers us', person.unanswered >= facts.policy.maxUnanswered ? { deny: 'unanswered' } : undefined),
    gate(12, 'outside quiet hours', quietFault(facts, person)),
    gate(13, 'not held out', isHeldOut(facts, person) ? { deny: 'holdout' } : undefined),
    gate(14, 'paced', pacingFault(facts)),
    gate(15, 'not too late', lateFault(facts)),
  ]
}

type Fault = { deny: GateReason; until?: Date } | { defer: GateReason; until: Date } | undefined

function gate(rule: number, name: string, fault: Fault): GateResult {
  if (!fault) return { rule, gate: name, outcome: 'pass' }
  const until = fault.until && { until: fault.until }
  return 'deny' in fault
    ? { rule, gate: name, outcome: 'deny', reason: fault.deny, ...until }
    : { rule, gate: name, outcome: 'defer', reason: fault.defer, ...until }
}

function later(until: Date | undefined, now: Date, reason: GateReason): Fault {
  return until && until > now ? { defer: reason, until } : undefined
}

function after(instant: Date, ms: number): Date {
  return new Date(instant.getTime() + ms)
}

function consentFault({ policy }: GateFacts, person: PersonFacts): Fault {
  if (!person.followUpsEnabled || person.consent === 'revoked') return { deny: 'opted_out' }
  const mustOptIn = policy.consent === 'opt_in' || (policy.consent === 'auto' && person.mustOptIn)
  return mustOptIn && person.consent !== 'granted' ? { deny: 'not_opted_in' } : undefined
}

/** Who speaks is not inactive: an automatic follow-up moves on with them, a manual one has become needless. */
function recencyFault({ now, policy, job }: GateFacts, person: PersonFacts): Fault {
  const last = person.lastMessageAt
  if (job.automatic) return last ? later(after(last, policy.delayMs), now, 'recently_active') : { deny: 'gate_error' }
  const spokeSince = last !== undefined && last > job.plannedAt
  const lookBackMs = Math.min(job.dueAt.getTime() - job.plannedAt.getTime(), MANUAL_RECENCY_MS)
  const spokeLately = last !== undefined && now.getTime() - last.getTime() < lookBackMs
  return spokeSince || spokeLately ? { deny: 'recently_active' } : undefined
}

function ageFault({ now, policy, job }: GateFacts, person: PersonFacts): Fault {
  if (!job.automatic || !person.lastMessageAt) return undefined
  return now.getTime() - person.lastMessageAt.getTime() > policy.maxAgeMs ? { deny: 'too_old' } : undefined
}

function depthFault({ policy, job }: GateFacts, person: PersonFacts): Fault {
  return job.automatic && person.messagesInLastTalk < policy.minMessages ? { deny: 'too_shallow' } : undefined
}

/** Doubles with every follow-up that was not answered. */
function cooldownFault({ now, policy }: GateFacts, person: PersonFacts): Fault {
  if (!person.lastSentAt) return undefined
  const pauseMs = cooldownMs(policy, person.frequencyMs) * 2 ** Math.min(person.unanswered, 10)
  return later(after(person.lastSentAt, pauseMs), now, 'cooldown')
}

/** Over the cap is over: an automatic one is planned anew when the person speaks, a manual one is for the admin to repeat. */
function capFault({ now, policy }: GateFacts, person: PersonFacts): Fault {
  const within = person.sentThisWeek.filter(sent => now.getTime() - sent.getTime() < WEEK_MS)
  if (within.length < policy.maxPerWeek) return undefined
  const oldest = within[policy.maxPerWeek - 1]
  return { deny: 'weekly_cap', ...(oldest && { until: after(oldest, WEEK_MS) }) }
}

function quietFault({ now, policy, job }: GateFacts, person: PersonFacts): Fault {
  if (policy.quietHours === 'off') return undefined
  const zone = person.timeZone ?? policy.timeZone
  if (zone !== undefined) {
    const end = quietUntil(now, policy.quietHours, zone)
    // Well inside the waking hours, however few they are: a jitter beyond them would meet the next quiet hours for ever.
    const jitterMs = Math.min(LONGEST_JITTER_MS, awakeMs(policy.quietHours) / 2)
    return end && { defer: 'quiet_hours', until: after(end, share(job.seed) * jitterMs) }
  }
  // Neither a zone nor an hour at which they were awake: nobody knows whether it is night.
  if (!person.lastMessageAt) return { deny: 'gate_error' }
  const awake = awakeAgainAt(now, person.lastMessageAt)
  return awake && { defer: 'quiet_hours', until: awake }
}

function isHeldOut({ policy, job }: GateFacts, person: PersonFacts): boolean {
  return job.automatic && share(`holdout:${person.userId}`) * 100 < policy.holdoutPercent
}

function pacingFault({ now, policy, sentInLastMinute, job }: GateFacts): Fault {
  if (sentInLastMinute < policy.perMinute) return undefined
  return { defer: 'pacing', until: after(now, PACING_PAUSE_MS * (1 + share(job.seed))) }
}

/** After an outage nobody gets a message that was meant for another day. */
function lateFault({ now, policy, job }: GateFacts): Fault {
  return now.getTime() - job.dueAt.getTime() > policy.maxLateMs ? { deny: 'expired' } : undefined
}

/** A number from 0 up to 1 that is always the same for a text. */
function share(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}
