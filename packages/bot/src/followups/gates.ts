import { areReadable, type GateFacts, type GateReason, type PersonFacts } from './gate-facts.ts'
import * as rules from './gate-rules.ts'

export type { GateFacts, GateReason, PersonFacts } from './gate-facts.ts'

/** One gate's answer. Numbers follow the table of the rules, so that a decision can be looked up. */
export interface GateResult {
  readonly rule: number
  readonly gate: string
  readonly outcome: 'pass' | 'deny' | 'defer'
  readonly reason?: GateReason
  /** When a deferred one may go; when a denied one could, if anything but time stands in its way. */
  readonly until?: Date
  /** It would have deferred, but an owner insisted. */
  readonly forced?: true
}

/** The whole answer: every gate's own, and the first that decided. */
export interface GateReport {
  readonly verdict: 'allow' | 'deny' | 'defer'
  readonly reason?: GateReason
  readonly rule?: number
  readonly until?: Date
  readonly gates: readonly GateResult[]
}

interface Gate {
  readonly rule: number
  readonly name: string
  readonly check: rules.Rule
  /** Whether an owner may lift its deferral. Consent, suppression and the cap are nobody's to lift. */
  readonly forcible?: boolean
}

const GATES: readonly Gate[] = [
  { rule: 1, name: 'enabled', check: rules.switchFault },
  { rule: 2, name: 'consent', check: rules.consentFault },
  { rule: 3, name: 'not suppressed', check: rules.suppressionFault },
  { rule: 4, name: 'not snoozed', check: rules.snoozeFault },
  { rule: 5, name: 'a person', check: rules.botFault },
  { rule: 6, name: 'silent long enough', check: rules.recencyFault },
  { rule: 7, name: 'not too long ago', check: rules.ageFault },
  { rule: 8, name: 'talked enough', check: rules.depthFault },
  { rule: 9, name: 'cooldown over', check: rules.cooldownFault, forcible: true },
  { rule: 10, name: 'under the weekly cap', check: rules.capFault },
  { rule: 11, name: 'answers us', check: rules.dormancyFault },
  { rule: 12, name: 'outside quiet hours', check: rules.quietFault, forcible: true },
  { rule: 13, name: 'not held out', check: rules.holdoutFault },
  { rule: 14, name: 'paced', check: rules.pacingFault },
  { rule: 15, name: 'not too late', check: rules.latenessFault },
]

/**
 * Whether a follow-up may go out now. One pure function for planning, before writing the text and under the lock just
 * before sending. Denials outrank deferrals: what must never be sent is not put off instead.
 */
export function evaluateGates(facts: GateFacts): GateReport {
  const { person } = facts
  const gates =
    person === 'unreadable' || !areReadable(facts, person)
      ? [UNREADABLE]
      : GATES.map(gate => resultOf(gate, facts, person))
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

/** Fails closed: who cannot be read is not written to. */
const UNREADABLE: GateResult = { rule: 0, gate: 'readable', outcome: 'deny', reason: 'gate_error' }

/** Of several deferrals the longest decides; every gate is asked again when it is over. */
function latest(deferred: readonly GateResult[]): GateResult | undefined {
  return deferred.toSorted((a, b) => (b.until?.getTime() ?? 0) - (a.until?.getTime() ?? 0))[0]
}

function resultOf({ rule, name, check, forcible }: Gate, facts: GateFacts, person: PersonFacts): GateResult {
  const fault = check(facts, person)
  if (!fault) return { rule, gate: name, outcome: 'pass' }
  const until = fault.until && { until: fault.until }
  if ('deny' in fault) return { rule, gate: name, outcome: 'deny', reason: fault.deny, ...until }
  if (forcible && facts.job.force === true) return { rule, gate: name, outcome: 'pass', forced: true }
  return { rule, gate: name, outcome: 'defer', reason: fault.defer, ...until }
}
