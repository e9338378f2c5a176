import { describe, expect, it } from 'vitest'
import { ago, ahead, ask, DAY, HOUR, inShort, NOW, type Changes } from '../support/gate-facts.ts'

const HALF_AN_HOUR = 30 * 60_000

const channels = (openedLastHour: number, openedLastDay: number) => ({ needed: true, openedLastHour, openedLastDay })
/** Twenty messages on five days, all at this hour (UTC) of whatever day. */
const busyAt = (hour: number) => ({
  weights: Array.from({ length: 168 }, (_, index) => (index % 24 === hour ? 3 : 0)),
  messages: 20,
  days: 5,
})

describe.each<{ gate: string; cases: [string, Changes, string][] }>([
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
