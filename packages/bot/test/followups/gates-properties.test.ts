import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluateGates, type GateFacts, type GateReason, type PersonFacts } from '../../src/followups/gates.ts'
import type { FollowUpPolicy } from '../../src/followups/policy.ts'
import { parseQuietHours } from '../../src/followups/quiet-hours.ts'
import { ADA, ago, ahead, DAY, HOUR, NOW, POLICY } from '../support/gate-facts.ts'

const msAgo = fc.integer({ min: 0, max: 20 * DAY }).map(ago)
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const anyPolicy: fc.Arbitrary<FollowUpPolicy> = fc.record({
  enabled: fc.boolean(),
  delayMs: fc.integer({ min: 1, max: 30 * DAY }),
  maxPerWeek: fc.integer({ min: 0, max: 5 }),
  minBetweenMs: fc.integer({ min: 0, max: 5 * DAY }),
  quietHours: fc.constantFrom('off' as const, parseQuietHours('23:45-00:30'), parseQuietHours('12:00-12:20')),
  timeZone: maybe(fc.constantFrom('UTC', 'Europe/Berlin', 'Australia/Lord_Howe')),
  minMessages: fc.integer({ min: 0, max: 5 }),
  maxUnanswered: fc.integer({ min: 1, max: 4 }),
  maxAgeMs: fc.integer({ min: DAY, max: 20 * DAY }),
  replyWindowMs: fc.constant(72 * HOUR),
  maxLateMs: fc.integer({ min: HOUR, max: 30 * DAY }),
  perMinute: fc.integer({ min: 1, max: 20 }),
  holdoutPercent: fc.integer({ min: 0, max: 50 }),
  consent: fc.constantFrom('opt_out', 'opt_in', 'auto'),
})
const anyPerson: fc.Arbitrary<PersonFacts> = fc.record({
  userId: fc.string(),
  followUpsEnabled: fc.boolean(),
  consent: fc.constantFrom('granted', 'revoked', undefined),
  mustOptIn: fc.boolean(),
  suppressed: maybe(fc.string()),
  snoozedUntil: maybe(fc.integer({ min: -DAY, max: 9 * DAY }).map(ahead)),
  lastMessageAt: maybe(msAgo),
  messagesInLastTalk: fc.integer({ min: 0, max: 9 }),
  frequencyMs: fc.integer({ min: 0, max: 9 * DAY }),
  unanswered: fc.integer({ min: 0, max: 5 }),
  timeZone: maybe(fc.constantFrom('UTC', 'Asia/Tokyo', 'Africa/Cairo')),
  sentThisWeek: fc.array(msAgo, { maxLength: 6 }).map(all => all.toSorted((a, b) => b.getTime() - a.getTime())),
  lastSentAt: maybe(msAgo),
})
const anyFacts = fc.record({
  now: fc.integer({ min: 0, max: DAY }).map(ahead),
  policy: anyPolicy,
  person: anyPerson,
  job: fc.record({ automatic: fc.boolean(), plannedAt: msAgo, dueAt: msAgo, seed: fc.string() }),
  sentInLastMinute: fc.integer({ min: 0, max: 30 }),
})
/** Facts at which most gates pass, so that a single one decides. */
const harmless = fc.record({
  now: fc.constant(NOW),
  policy: anyPolicy.map(policy => ({ ...POLICY, quietHours: policy.quietHours, timeZone: policy.timeZone })),
  person: anyPerson.map(person => ({ ...ADA, userId: person.userId, frequencyMs: person.frequencyMs })),
  job: fc.record({
    automatic: fc.boolean(),
    plannedAt: fc.constant(ago(2 * DAY)),
    dueAt: fc.constant(NOW),
    seed: fc.string(),
  }),
  sentInLastMinute: fc.constant(0),
})
const someFacts = fc.oneof(anyFacts, harmless)
type KnownFacts = GateFacts & { readonly person: PersonFacts }

/** One more reason to refuse, on top of whatever else holds. */
const REASONS: readonly { reason: GateReason; add: (facts: KnownFacts) => GateFacts }[] = [
  { reason: 'gate_error', add: facts => ({ ...facts, person: 'unreadable' }) },
  { reason: 'kill_switch', add: facts => ({ ...facts, policy: { ...facts.policy, enabled: false } }) },
  { reason: 'opted_out', add: facts => withPerson(facts, { followUpsEnabled: false }) },
  { reason: 'opted_out', add: facts => withPerson(facts, { consent: 'revoked' }) },
  {
    reason: 'not_opted_in',
    add: facts => {
      const consent = facts.person.consent === 'revoked' ? 'revoked' : undefined
      return withPerson({ ...facts, policy: { ...facts.policy, consent: 'opt_in' } }, { consent })
    },
  },
  { reason: 'suppressed', add: facts => withPerson(facts, { suppressed: 'left' }) },
  { reason: 'snoozed', add: facts => withPerson(facts, { snoozedUntil: new Date(facts.now.getTime() + 1) }) },
  { reason: 'unanswered', add: facts => withPerson(facts, { unanswered: facts.policy.maxUnanswered }) },
  {
    reason: 'cooldown',
    add: facts => {
      const policy = { ...facts.policy, minBetweenMs: Math.max(facts.policy.minBetweenMs, 1) }
      return withPerson({ ...facts, policy }, { lastSentAt: facts.now })
    },
  },
  {
    reason: 'weekly_cap',
    add: facts => withPerson(facts, { sentThisWeek: Array.from({ length: facts.policy.maxPerWeek }, () => facts.now) }),
  },
  {
    reason: 'quiet_hours',
    add: facts => {
      const hour = facts.now.getUTCHours()
      const quietHours = { start: hour * 60, end: ((hour + 1) % 24) * 60 }
      return withPerson({ ...facts, policy: { ...facts.policy, quietHours } }, { timeZone: 'UTC' })
    },
  },
  { reason: 'pacing', add: facts => ({ ...facts, sentInLastMinute: facts.policy.perMinute }) },
  {
    reason: 'expired',
    add: facts => ({
      ...facts,
      job: { ...facts.job, dueAt: new Date(facts.now.getTime() - facts.policy.maxLateMs - 1) },
    }),
  },
]

function withPerson(facts: GateFacts, changes: Partial<PersonFacts>): GateFacts {
  return facts.person === 'unreadable' ? facts : { ...facts, person: { ...facts.person, ...changes } }
}

describe('whatever else holds', () => {
  it.each(REASONS)('$reason is never an allow, and is on record', ({ reason, add }) => {
    fc.assert(
      fc.property(someFacts, facts => {
        const report = evaluateGates(add(facts))
        expect(report.verdict).not.toBe('allow')
        const reasons = report.gates.map(gate => gate.reason)
        // Who said no is not asked whether they said yes.
        const outranked = reason === 'not_opted_in' && reasons.includes('opted_out')
        expect(outranked || reasons.includes(reason)).toBe(true)
      }),
    )
  })

  it('one more reason to refuse never turns a refusal into an allow, nor a denial into a deferral', () => {
    const severity = { allow: 0, defer: 1, deny: 2 }
    fc.assert(
      fc.property(someFacts, fc.constantFrom(...REASONS), (facts, { add }) => {
        const before = evaluateGates(facts)
        expect(severity[evaluateGates(add(facts)).verdict]).toBeGreaterThanOrEqual(severity[before.verdict])
      }),
      { numRuns: 1_000 },
    )
  })

  it('a deferral ends in the future, and its gate passes then if nothing else has changed', () => {
    fc.assert(
      fc.property(someFacts, facts => {
        for (const gate of evaluateGates(facts).gates) {
          if (gate.outcome !== 'defer') continue
          const until = gate.until as Date
          expect(until.getTime(), `${gate.gate}: until`).toBeGreaterThan(facts.now.getTime())
          // A minute later, what was sent in the minute before is no longer in the last minute.
          const sentInLastMinute = gate.reason === 'pacing' ? 0 : facts.sentInLastMinute
          const then = evaluateGates({ ...facts, now: until, sentInLastMinute })
          expect(then.gates.find(each => each.rule === gate.rule)?.outcome, `${gate.gate}: then`).toBe('pass')
        }
      }),
      { numRuns: 500 },
    )
  })

  it('the verdict is that of a gate on record: allow only when all pass, the first denial, or the longest deferral', () => {
    fc.assert(
      fc.property(someFacts, facts => {
        const { verdict, reason, rule, until, gates } = evaluateGates(facts)
        const denied = gates.find(gate => gate.outcome === 'deny')
        const deferred = gates.filter(gate => gate.outcome === 'defer').map(gate => gate.until?.getTime() ?? 0)
        expect(verdict).toBe(denied ? 'deny' : deferred.length > 0 ? 'defer' : 'allow')
        expect(gates.find(gate => gate.rule === rule)?.reason).toBe(reason)
        const longest = deferred.length > 0 ? new Date(Math.max(...deferred)) : undefined
        expect(rule).toBe(
          denied ? denied.rule : gates.find(gate => longest && gate.until?.getTime() === longest.getTime())?.rule,
        )
        expect(until).toEqual(denied ? denied.until : longest)
      }),
      { numRuns: 500 },
    )
  })
})
