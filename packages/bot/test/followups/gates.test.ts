import { describe, expect, it } from 'vitest'
import type { Control, ControlName } from '../../src/followups/controls-store.ts'
import { evaluateGates, type GateReport } from '../../src/followups/gates.ts'
import { ago, ahead, AUTOMATIC, DAY, factsOf, HOUR, MANUAL, NOW, type Changes } from '../support/gate-facts.ts'

const HALF_AN_HOUR = 30 * 60_000

const control = (name: ControlName, until?: Date): Control => ({
  name,
  until,
  reason: 'a story',
  setBy: 'terminal:olga',
  setAt: ago(DAY),
})
const channels = (openedLastHour: number, openedLastDay: number) => ({ needed: true, openedLastHour, openedLastDay })
/** Twenty messages on five days, all at this hour (UTC) of whatever day. */
const busyAt = (hour: number) => ({
  weights: Array.from({ length: 168 }, (_, index) => (index % 24 === hour ? 3 : 0)),
  messages: 20,
  days: 5,
})

const ask = (changes: Changes = {}) => evaluateGates(factsOf(changes))
/** The verdict in one line: `allow`, `deny opted_out`, `defer cooldown`. */
const inShort = ({ verdict, reason }: GateReport) => (reason ? `${verdict} ${reason}` : verdict)

describe('a follow-up to somebody nothing stands in the way of', () => {
  it('is allowed, with every gate on record', () => {
    const report = ask()
    expect(inShort(report)).toBe('allow')
    expect(report.gates.map(gate => gate.rule)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    expect(report.gates.every(gate => gate.outcome === 'pass' && gate.reason === undefined)).toBe(true)
  })

  it('is allowed when an admin asked for it', () => {
    expect(inShort(ask({ manual: true }))).toBe('allow')
  })
})

describe.each<{ gate: string; cases: [string, Changes, string][] }>([
  {
    gate: '1, switched on',
    cases: [
      ['off', { policy: { enabled: false } }, 'deny kill_switch'],
      ['off, also for admins', { manual: true, policy: { enabled: false } }, 'deny kill_switch'],
      ['paused by a person', { controls: [control('pause')] }, 'deny breaker_open'],
      ['paused, an admin asks', { manual: true, controls: [control('pause')] }, 'deny breaker_open'],
      ['paused for another millisecond', { controls: [control('pause', ahead(1))] }, 'defer breaker_open'],
      ['paused until now', { controls: [control('pause', NOW)] }, 'allow'],
      ['too many said no', { controls: [control('guardrail')] }, 'deny breaker_open'],
      ['too many said no, an admin asks', { manual: true, controls: [control('guardrail')] }, 'allow'],
      ['the platform refuses us', { controls: [control('platform', ahead(HOUR))] }, 'defer breaker_open'],
      [
        'the platform refuses us, an admin asks',
        { manual: true, controls: [control('platform', ahead(HOUR))] },
        'defer breaker_open',
      ],
      ['one ends, one does not', { controls: [control('platform', ahead(1)), control('pause')] }, 'deny breaker_open'],
    ],
  },
  {
    gate: '2, consent',
    cases: [
      ['said off', { person: { followUpsEnabled: false } }, 'deny opted_out'],
      ['said off, an admin asks', { manual: true, person: { followUpsEnabled: false } }, 'deny opted_out'],
      ['revoked though the flag is still on', { person: { consent: 'revoked' } }, 'deny opted_out'],
      ['off though once granted', { person: { consent: 'granted', followUpsEnabled: false } }, 'deny opted_out'],
      [
        'said nothing where silence means yes',
        { policy: { consent: 'opt_out' }, person: { mustOptIn: true } },
        'allow',
      ],
      ['said nothing where silence means no', { policy: { consent: 'opt_in' } }, 'deny not_opted_in'],
      ['said yes where silence means no', { policy: { consent: 'opt_in' }, person: { consent: 'granted' } }, 'allow'],
      ['auto: the platform wants a yes', { person: { mustOptIn: true } }, 'deny not_opted_in'],
      ['auto: the platform has its yes', { person: { mustOptIn: true, consent: 'granted' } }, 'allow'],
      ['no yes, an admin asks', { manual: true, person: { mustOptIn: true } }, 'deny not_opted_in'],
    ],
  },
  {
    gate: '3, suppressed',
    cases: [
      ['suppressed', { person: { suppressed: 'dm_closed' } }, 'deny suppressed'],
      ['suppressed for an empty reason', { person: { suppressed: '' } }, 'deny suppressed'],
      [
        'suppressed for another millisecond',
        { person: { suppressed: 'distress', suppressedUntil: ahead(1) } },
        'deny suppressed',
      ],
      ['suppressed until now', { person: { suppressed: 'distress', suppressedUntil: NOW } }, 'allow'],
      ['an end without a suppression', { person: { suppressedUntil: ahead(DAY) } }, 'allow'],
      ['suppressed, an admin asks', { manual: true, person: { suppressed: 'erased' } }, 'deny suppressed'],
    ],
  },
  {
    gate: '4, snoozed',
    cases: [
      ['one millisecond to go', { person: { snoozedUntil: ahead(1) } }, 'defer snoozed'],
      ['over this millisecond', { person: { snoozedUntil: NOW } }, 'allow'],
      ['long over', { person: { snoozedUntil: ago(DAY) } }, 'allow'],
      ['an admin asks', { manual: true, person: { snoozedUntil: ahead(1) } }, 'defer snoozed'],
    ],
  },
  {
    gate: '5, a person',
    cases: [
      ['a program', { person: { isBot: true } }, 'deny bot_or_self'],
      ['a program, an admin asks', { manual: true, person: { isBot: true } }, 'deny bot_or_self'],
    ],
  },
  {
    gate: '6, silent long enough (automatic)',
    cases: [
      ['a millisecond short', { person: { lastMessageAt: ago(48 * HOUR - 1) } }, 'defer recently_active'],
      ['exactly the delay', { person: { lastMessageAt: ago(48 * HOUR) } }, 'allow'],
      ['never spoke', { person: { lastMessageAt: undefined } }, 'deny gate_error'],
    ],
  },
  {
    gate: '6, silent long enough (manual)',
    cases: [
      ['spoke since', { manual: true, person: { lastMessageAt: ago(24 * HOUR - 1) } }, 'deny recently_active'],
      ['spoke as it was asked for', { manual: true, person: { lastMessageAt: ago(24 * HOUR) } }, 'allow'],
      ['never spoke', { manual: true, person: { lastMessageAt: undefined } }, 'allow'],
      [
        'an hour is enough when an hour was asked for',
        { manual: true, job: { plannedAt: ago(HOUR) }, person: { lastMessageAt: ago(HOUR) } },
        'allow',
      ],
      [
        'looks back 48 hours at most: a millisecond within',
        {
          manual: true,
          job: { plannedAt: ago(HOUR), dueAt: ahead(99 * HOUR) },
          person: { lastMessageAt: ago(48 * HOUR - 1) },
        },
        'deny recently_active',
      ],
      [
        'looks back 48 hours at most: no further',
        {
          manual: true,
          job: { plannedAt: ago(HOUR), dueAt: ahead(99 * HOUR) },
          person: { lastMessageAt: ago(48 * HOUR) },
        },
        'allow',
      ],
    ],
  },
  {
    gate: '7, not too long ago',
    cases: [
      ['14 days', { person: { lastMessageAt: ago(14 * DAY) } }, 'allow'],
      ['a millisecond more', { person: { lastMessageAt: ago(14 * DAY + 1) } }, 'deny too_old'],
      ['a year, an admin asks', { manual: true, person: { lastMessageAt: ago(365 * DAY) } }, 'allow'],
    ],
  },
  {
    gate: '8, talked enough',
    cases: [
      ['two of three messages', { person: { messagesInLastTalk: 2 } }, 'deny too_shallow'],
      ['three', { person: { messagesInLastTalk: 3 } }, 'allow'],
      ['none, an admin asks', { manual: true, person: { messagesInLastTalk: 0 } }, 'allow'],
      ['none needed', { policy: { minMessages: 0 }, person: { messagesInLastTalk: 0 } }, 'allow'],
    ],
  },
  {
    gate: '9, cooldown',
    cases: [
      ['a millisecond short', { person: { lastSentAt: ago(24 * HOUR - 1) } }, 'defer cooldown'],
      ['exactly', { person: { lastSentAt: ago(24 * HOUR) } }, 'allow'],
      [
        'their own wish is longer',
        { person: { lastSentAt: ago(72 * HOUR - 1), frequencyMs: 72 * HOUR } },
        'defer cooldown',
      ],
      ['their own wish is met', { person: { lastSentAt: ago(72 * HOUR), frequencyMs: 72 * HOUR } }, 'allow'],
      [
        'their own wish is shorter',
        { person: { lastSentAt: ago(24 * HOUR - 1), frequencyMs: HOUR } },
        'defer cooldown',
      ],
      ['doubled: one unanswered', { person: { lastSentAt: ago(48 * HOUR - 1), unanswered: 1 } }, 'defer cooldown'],
      ['doubled, exactly', { person: { lastSentAt: ago(48 * HOUR), unanswered: 1 } }, 'allow'],
      ['an admin asks', { manual: true, person: { lastSentAt: ago(24 * HOUR - 1) } }, 'defer cooldown'],
      ['an owner insists', { manual: true, job: { force: true }, person: { lastSentAt: ago(1) } }, 'allow'],
      [
        'while trying out the delay is the cooldown',
        { policy: { delayMs: 5_000 }, person: { lastMessageAt: ago(5_000), lastSentAt: ago(5_000) } },
        'allow',
      ],
      [
        'while trying out, a millisecond short',
        { policy: { delayMs: 5_000 }, person: { lastMessageAt: ago(5_000), lastSentAt: ago(4_999) } },
        'defer cooldown',
      ],
    ],
  },
  {
    gate: '10, weekly cap',
    cases: [
      ['one of two', { person: { sentThisWeek: [ago(2 * DAY)] } }, 'allow'],
      ['two of two', { person: { sentThisWeek: [ago(2 * DAY), ago(168 * HOUR - 1)] } }, 'deny weekly_cap'],
      ['the older is 168 hours old', { person: { sentThisWeek: [ago(2 * DAY), ago(168 * HOUR)] } }, 'allow'],
      ['an admin asks', { manual: true, person: { sentThisWeek: [ago(2 * DAY), ago(3 * DAY)] } }, 'deny weekly_cap'],
      ['a cap of none', { policy: { maxPerWeek: 0 } }, 'deny weekly_cap'],
      [
        'an owner insists',
        { job: { force: true }, person: { sentThisWeek: [ago(2 * DAY), ago(3 * DAY)] } },
        'deny weekly_cap',
      ],
    ],
  },
  {
    gate: '11, answers us',
    cases: [
      ['one of two unanswered', { person: { unanswered: 1 } }, 'allow'],
      ['two of two', { person: { unanswered: 2 } }, 'deny unanswered'],
      ['two of two, an admin asks', { manual: true, person: { unanswered: 2 } }, 'deny unanswered'],
      [
        'one of one, the strict setting',
        { policy: { maxUnanswered: 1 }, person: { unanswered: 1 } },
        'deny unanswered',
      ],
      ['an owner insists', { job: { force: true }, person: { unanswered: 2 } }, 'deny unanswered'],
    ],
  },
  {
    gate: '12, quiet hours',
    cases: [
      ['a millisecond before', { now: new Date('2027-06-10T21:59:59.999Z') }, 'allow'],
      ['as they begin', { now: new Date('2027-06-10T22:00:00Z') }, 'defer quiet_hours'],
      [
        'their last millisecond',
        { now: new Date('2027-06-10T07:59:59.999Z'), person: { lastMessageAt: ago(60 * HOUR) } },
        'defer quiet_hours',
      ],
      ['their end', { now: new Date('2027-06-10T08:00:00Z'), person: { lastMessageAt: ago(60 * HOUR) } }, 'allow'],
      [
        'by the zone of the person',
        { person: { timeZone: 'Asia/Tokyo' }, now: new Date('2027-06-10T13:00:00Z') },
        'defer quiet_hours',
      ],
      [
        'by the operator’s zone when the person has none',
        { policy: { timeZone: 'Asia/Tokyo' }, person: { timeZone: undefined }, now: new Date('2027-06-10T13:00:00Z') },
        'defer quiet_hours',
      ],
      [
        'no zone known: three hours from when they spoke',
        { person: { timeZone: undefined }, now: ahead(3 * HOUR) },
        'allow',
      ],
      [
        'no zone known: a millisecond more',
        { person: { timeZone: undefined }, now: ahead(3 * HOUR + 1) },
        'defer quiet_hours',
      ],
      ['off', { policy: { quietHours: 'off' }, now: new Date('2027-06-10T23:00:00Z') }, 'allow'],
      ['the person wants none', { person: { quietHours: 'off' }, now: new Date('2027-06-10T23:00:00Z') }, 'allow'],
      ['the person’s own', { person: { quietHours: { start: 720, end: 780 } } }, 'defer quiet_hours'],
      [
        'the person’s own, where the operator has none',
        { policy: { quietHours: 'off' }, person: { quietHours: { start: 720, end: 780 } } },
        'defer quiet_hours',
      ],
      [
        'the person’s own without a zone: the hour at which they spoke decides',
        { person: { timeZone: undefined, quietHours: { start: 720, end: 780 } } },
        'allow',
      ],
      [
        'no zone known, an hour at which they are used to writing',
        { person: { timeZone: undefined, activityHours: busyAt(15) }, now: ahead(3.5 * HOUR) },
        'allow',
      ],
      [
        'no zone known, an hour at which they never write',
        { person: { timeZone: undefined, activityHours: busyAt(15) }, now: ahead(5 * HOUR) },
        'defer quiet_hours',
      ],
      [
        'no zone known, habits of too few messages: the last one decides',
        { person: { timeZone: undefined, activityHours: { ...busyAt(3), messages: 19 } } },
        'allow',
      ],
      [
        'no zone known, habits of too few days: the last one decides',
        { person: { timeZone: undefined, activityHours: { ...busyAt(3), days: 4 } } },
        'allow',
      ],
      ['an owner insists', { job: { force: true }, now: new Date('2027-06-10T22:00:00Z') }, 'allow'],
      ['an admin asks', { manual: true, now: new Date('2027-06-10T22:00:00Z') }, 'defer quiet_hours'],
    ],
  },
  {
    gate: '13, held out',
    cases: [
      ['everybody', { policy: { holdoutPercent: 100 } }, 'deny holdout'],
      ['everybody, an admin asks', { manual: true, policy: { holdoutPercent: 100 } }, 'allow'],
      ['nobody', { policy: { holdoutPercent: 0 } }, 'allow'],
    ],
  },
  {
    gate: '14, paced',
    cases: [
      ['nine of ten in the last minute', { sentInLastMinute: 9 }, 'allow'],
      ['ten of ten', { sentInLastMinute: 10 }, 'defer pacing'],
      ['ten of ten, an admin asks', { manual: true, sentInLastMinute: 10 }, 'defer pacing'],
      ['a fifth new channel in an hour', { newChannel: channels(4, 39) }, 'allow'],
      ['a sixth new channel in an hour', { newChannel: channels(5, 5) }, 'defer pacing'],
      ['a 41st new channel in a day', { newChannel: channels(0, 40) }, 'defer pacing'],
      ['no new channel is needed', { newChannel: { ...channels(9, 99), needed: false } }, 'allow'],
    ],
  },
  {
    gate: '15, not too late',
    cases: [
      ['12 hours late', { job: { dueAt: ago(12 * HOUR) } }, 'allow'],
      ['a millisecond more', { job: { dueAt: ago(12 * HOUR + 1) } }, 'deny expired'],
      [
        'a millisecond more, an admin asks',
        { manual: true, job: { dueAt: ago(12 * HOUR + 1), plannedAt: ago(DAY) } },
        'deny expired',
      ],
    ],
  },
])('gate $gate', ({ cases }) => {
  it.each(cases)('%s', (_what, changes, expected) => {
    expect(inShort(ask(changes))).toBe(expected)
  })
})

describe('who could not be read', () => {
  it.each([AUTOMATIC, MANUAL])('is not written to', job => {
    const report = evaluateGates({ ...factsOf({}), person: 'unreadable', job })
    expect(inShort(report)).toBe('deny gate_error')
    expect(report.until).toBeUndefined()
  })
})

describe('when it may go', () => {
  it('says the exact instant', () => {
    expect(ask({ person: { snoozedUntil: ahead(5) } }).until).toEqual(ahead(5))
    expect(ask({ person: { lastMessageAt: ago(47 * HOUR) } }).until).toEqual(ahead(HOUR))
    expect(ask({ person: { lastSentAt: ago(HOUR), unanswered: 1 } }).until).toEqual(ahead(47 * HOUR))
    expect(ask({ person: { sentThisWeek: [ago(HOUR), ago(DAY)] } }).until).toEqual(ahead(6 * DAY))
  })

  it('over the cap, waits for as many to grow old as are too many', () => {
    const sentThisWeek = [ago(HOUR), ago(DAY), ago(2 * DAY), ago(3 * DAY)]
    expect(ask({ person: { sentThisWeek } }).until).toEqual(ahead(6 * DAY))
  })

  it('comes up to half an hour after quiet hours, the same for the same job', () => {
    const now = new Date('2027-06-11T07:59:00Z')
    const untils = Array.from(
      { length: 200 },
      (_, index) => ask({ now, job: { dueAt: now, seed: `job-${index}` } }).until?.getTime() ?? 0,
    )
    const end = Date.parse('2027-06-11T08:00:00Z')
    expect(Math.min(...untils)).toBeGreaterThanOrEqual(end)
    expect(Math.max(...untils)).toBeLessThan(end + HALF_AN_HOUR)
    expect(new Set(untils).size).toBeGreaterThan(190)
    expect(ask({ now, job: { dueAt: now, seed: 'job-7' } }).until?.getTime()).toBe(untils[7])
  })

  it('is the latest of several deferrals, and a denial outranks them all', () => {
    const deferred = { snoozedUntil: ahead(HOUR), lastSentAt: ago(HOUR) }
    expect(inShort(ask({ person: deferred }))).toBe('defer cooldown')
    expect(inShort(ask({ person: { ...deferred, snoozedUntil: ahead(DAY) } }))).toBe('defer snoozed')
    expect(inShort(ask({ person: { ...deferred, unanswered: 2 } }))).toBe('deny unanswered')
  })

  it('holds out about the share it was told to, the same people every time', () => {
    const held = Array.from({ length: 2_000 }, (_, index) =>
      inShort(ask({ policy: { holdoutPercent: 10 }, person: { userId: `web:${index}` } })),
    ).filter(verdict => verdict === 'deny holdout')
    // 200 expected; five standard deviations (13.4 each) either way.
    expect(held.length).toBeGreaterThan(133)
    expect(held.length).toBeLessThan(267)
  })
})

describe('quiet hours', () => {
  it('a day of nearly nothing but quiet hours still has its moment', () => {
    const policy = { quietHours: { start: 0, end: 23 * 60 + 55 } }
    for (const seed of ['job-1', 'job-5', 'job-9']) {
      const waits = ask({ policy, job: { seed } })
      expect(inShort(waits)).toBe('defer quiet_hours')
      expect(inShort(ask({ policy, now: waits.until ?? NOW, job: { seed, dueAt: waits.until ?? NOW } }))).toBe('allow')
    }
  })
})
