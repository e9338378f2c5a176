import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Control } from '../../src/followups/controls-store.ts'
import { evaluateGates, type GateFacts, type GateReason, type PersonFacts } from '../../src/followups/gates.ts'
import type { FollowUpPolicy } from '../../src/followups/policy.ts'
import { parseQuietHours } from '../../src/followups/quiet-hours.ts'
import { ADA, ago, ahead, DAY, factsOf, HOUR, NOW, POLICY } from '../support/gate-facts.ts'

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
  newChannelsPerHour: fc.integer({ min: 1, max: 5 }),
  newChannelsPerDay: fc.integer({ min: 1, max: 40 }),
  holdoutPercent: fc.integer({ min: 0, max: 50 }),
  consent: fc.constantFrom('opt_out', 'opt_in', 'auto'),
})
const anyPerson: fc.Arbitrary<PersonFacts> = fc.record({
  userId: fc.string(),
  followUpsEnabled: fc.boolean(),
  consent: fc.constantFrom('granted', 'revoked', undefined),
  mustOptIn: fc.boolean(),
  suppressed: maybe(fc.string()),
  suppressedUntil: maybe(fc.integer({ min: -DAY, max: 9 * DAY }).map(ahead)),
  isBot: fc.boolean(),
  snoozedUntil: maybe(fc.integer({ min: -DAY, max: 9 * DAY }).map(ahead)),
  lastMessageAt: maybe(msAgo),
  messagesInLastTalk: fc.integer({ min: 0, max: 9 }),
  frequencyMs: fc.integer({ min: 0, max: 9 * DAY }),
  unanswered: fc.integer({ min: 0, max: 5 }),
  timeZone: maybe(fc.constantFrom('UTC', 'Asia/Tokyo', 'Africa/Cairo', 'Pacific/Apia', 'America/New_York')),
  quietHours: maybe(fc.constantFrom('off' as const, parseQuietHours('09:00-07:00'), parseQuietHours('11:30-12:30'))),
  activityHours: maybe(
    fc.record({
      weights: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 168, maxLength: 168 }),
      messages: fc.integer({ min: 0, max: 60 }),
      days: fc.integer({ min: 0, max: 10 }),
    }),
  ),
  sentThisWeek: fc.array(msAgo, { maxLength: 6 }).map(all => all.toSorted((a, b) => b.getTime() - a.getTime())),
  lastSentAt: maybe(msAgo),
})
const anyControl: fc.Arbitrary<Control> = fc.record({
  name: fc.constantFrom('pause', 'guardrail', 'platform', 'new_channels'),
  reason: fc.string(),
  setBy: fc.string(),
  setAt: msAgo,
  until: maybe(fc.integer({ min: -DAY, max: 9 * DAY }).map(ahead)),
})
const anyFacts = fc.record({
  now: fc.integer({ min: 0, max: DAY }).map(ahead),
  policy: anyPolicy,
  person: anyPerson,
  job: fc.record({
    automatic: fc.boolean(),
    plannedAt: msAgo,
    dueAt: msAgo,
    seed: fc.string(),
    force: fc.boolean(),
  }),
  sentInLastMinute: fc.integer({ min: 0, max: 30 }),
  controls: fc.array(anyControl, { maxLength: 2 }),
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
    force: fc.constant(false),
  }),
  sentInLastMinute: fc.constant(0),
  controls: fc.constant([]),
})
const someFacts = fc.oneof(anyFacts, harmless)
type KnownFacts = GateFacts & { readonly person: PersonFacts }

const PAUSE: Control = { name: 'pause', reason: '', setBy: '', setAt: NOW, until: undefined }
const unforced = ({ job }: GateFacts) => ({ ...job, force: false })

/** One more reason to refuse, on top of whatever else holds. */
const REASONS: readonly { reason: GateReason; add: (facts: KnownFacts) => GateFacts }[] = [
  { reason: 'gate_error', add: facts => ({ ...facts, person: 'unreadable' }) },
  { reason: 'kill_switch', add: facts => ({ ...facts, policy: { ...facts.policy, enabled: false } }) },
  {
    reason: 'breaker_open',
    add: facts => ({ ...facts, policy: { ...facts.policy, enabled: true }, controls: [...facts.controls, PAUSE] }),
  },
  { reason: 'bot_or_self', add: facts => withPerson(facts, { isBot: true }) },
  { reason: 'opted_out', add: facts => withPerson(facts, { followUpsEnabled: false }) },
  { reason: 'opted_out', add: facts => withPerson(facts, { consent: 'revoked' }) },
  {
    reason: 'not_opted_in',
    add: facts => {
      const consent = facts.person.consent === 'revoked' ? 'revoked' : undefined
      return withPerson({ ...facts, policy: { ...facts.policy, consent: 'opt_in' } }, { consent })
    },
  },
  { reason: 'suppressed', add: facts => withPerson(facts, { suppressed: 'left', suppressedUntil: undefined }) },
  { reason: 'snoozed', add: facts => withPerson(facts, { snoozedUntil: new Date(facts.now.getTime() + 1) }) },
  { reason: 'unanswered', add: facts => withPerson(facts, { unanswered: facts.policy.maxUnanswered }) },
  {
    reason: 'cooldown',
    add: facts => {
      const policy = { ...facts.policy, minBetweenMs: Math.max(facts.policy.minBetweenMs, 1) }
      return withPerson({ ...facts, policy, job: unforced(facts) }, { lastSentAt: facts.now })
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
      return withPerson({ ...facts, job: unforced(facts) }, { timeZone: 'UTC', quietHours })
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

describe('what each gate looks at', () => {
  /** The facts of a person that decide a gate; everything else may be as it likes. */
  const LOOKS_AT: readonly (readonly [number, readonly (keyof PersonFacts)[]])[] = [
    [2, ['followUpsEnabled', 'consent', 'mustOptIn']],
    [3, ['suppressed', 'suppressedUntil']],
    [4, ['snoozedUntil']],
    [5, ['isBot']],
    [8, ['messagesInLastTalk']],
    [9, ['lastSentAt', 'frequencyMs', 'unanswered']],
    [10, ['sentThisWeek']],
    [11, ['unanswered']],
  ]

  it.each(LOOKS_AT)('gate %i: nothing but %j changes its mind', (rule, fields) => {
    const resultOf = (facts: GateFacts) => evaluateGates(facts).gates.find(gate => gate.rule === rule)
    fc.assert(
      fc.property(someFacts, anyPerson, (facts, other) => {
        const theirs = Object.fromEntries(fields.map(field => [field, facts.person[field]]))
        expect(resultOf({ ...facts, person: { ...other, ...theirs } })).toEqual(resultOf(facts))
      }),
    )
  })

  it('an owner who insists lifts the deferrals of cooldown and quiet hours, and nothing else', () => {
    fc.assert(
      fc.property(someFacts, facts => {
        const plain = evaluateGates({ ...facts, job: { ...facts.job, force: false } })
        const forced = evaluateGates({ ...facts, job: { ...facts.job, force: true } })
        for (const [index, gate] of plain.gates.entries()) {
          const lifted = (gate.rule === 9 || gate.rule === 12) && gate.outcome === 'defer'
          const expected = lifted ? { rule: gate.rule, gate: gate.gate, outcome: 'pass', forced: true } : gate
          expect(forced.gates[index]).toEqual(expected)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('over weeks', () => {
  it('no 168 hours hold more than the cap, whenever somebody tries and whoever insists', () => {
    const tries = fc.array(fc.integer({ min: 0, max: 30 * DAY }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(tries, fc.integer({ min: 0, max: 4 }), fc.boolean(), (offsets, maxPerWeek, force) => {
        const sent: Date[] = []
        for (const offset of offsets.toSorted((a, b) => a - b)) {
          const now = ahead(offset)
          const facts = factsOf({ now, manual: true, policy: { maxPerWeek, quietHours: 'off', minBetweenMs: 0 } })
          const person = { ...ADA, lastMessageAt: undefined, frequencyMs: 0, sentThisWeek: sent }
          const job = { automatic: false, plannedAt: now, dueAt: now, seed: '', force }
          if (evaluateGates({ ...facts, job, person }).verdict === 'allow') sent.unshift(now)
        }
        for (const start of sent) {
          const within = sent.filter(each => each >= start && each.getTime() - start.getTime() < 168 * HOUR)
          expect(within.length).toBeLessThanOrEqual(maxPerWeek)
        }
        expect(sent.length > 0).toBe(maxPerWeek > 0)
      }),
    )
  })
})

it('a fact that is none denies, whichever it is', () => {
  const spoiled = fc.constantFrom(
    ...(['messagesInLastTalk', 'frequencyMs', 'unanswered'] as const).map(name => ({ [name]: Number.NaN })),
    ...(['messagesInLastTalk', 'frequencyMs', 'unanswered', 'isBot', 'followUpsEnabled', 'mustOptIn'] as const).map(
      name => ({ [name]: undefined }),
    ),
    ...(['snoozedUntil', 'suppressedUntil', 'lastMessageAt', 'lastSentAt'] as const).map(name => ({
      [name]: new Date('infinity'),
    })),
  )
  fc.assert(
    fc.property(someFacts, spoiled, (facts, changes) => {
      const person = { ...facts.person, ...changes } as PersonFacts
      expect(evaluateGates({ ...facts, person })).toMatchObject({ verdict: 'deny', reason: 'gate_error' })
    }),
  )
})
