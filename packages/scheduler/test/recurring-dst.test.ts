import { parseRule, previewOccurrences, type DstPolicy, type RuleInput } from 'belfry'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

/** Worked out by hand from the zones' published changes, times in UTC. */
const TABLE: [
  story: string,
  rule: RuleInput,
  zone: string,
  range: [from: string, to: string],
  expected: Record<DstPolicy, string>,
][] = [
  [
    'daily 02:30, New York: the clock goes from 01:59:59 to 03:00 at 07:00Z',
    '30 2 * * *',
    'America/New_York',
    ['2026-03-08T00:00Z', '2026-03-10T00:00Z'],
    { once: '08T07:00 09T06:30', skip: '09T06:30', wall: '09T06:30' },
  ],
  [
    'daily 01:30, New York: it goes from 01:59:59 back to 01:00 at 06:00Z',
    '30 1 * * *',
    'America/New_York',
    ['2026-11-01T00:00Z', '2026-11-03T00:00Z'],
    { once: '01T05:30 02T06:30', skip: '01T05:30 02T06:30', wall: '01T05:30 01T06:30 02T06:30' },
  ],
  [
    'six fields, New York, spring',
    '15 30 2 * * *',
    'America/New_York',
    ['2026-03-08T00:00Z', '2026-03-09T00:00Z'],
    { once: '08T07:00', skip: '', wall: '' },
  ],
  [
    'six fields, New York, autumn',
    '15 30 1 * * *',
    'America/New_York',
    ['2026-11-01T00:00Z', '2026-11-02T00:00Z'],
    { once: '01T05:30:15', skip: '01T05:30:15', wall: '01T05:30:15 01T06:30:15' },
  ],
  [
    'every two hours, New York, spring: what would have been 02:00 is 03:00',
    '0 */2 * * *',
    'America/New_York',
    ['2026-03-08T05:00Z', '2026-03-08T11:00Z'],
    {
      once: '08T05:00 08T07:00 08T08:00 08T10:00',
      skip: '08T05:00 08T08:00 08T10:00',
      wall: '08T05:00 08T08:00 08T10:00',
    },
  ],
  [
    'the last Sunday of the month, Berlin: 02:00 becomes 03:00 at 01:00Z',
    { rrule: 'FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30' },
    'Europe/Berlin',
    ['2026-03-01T00:00Z', '2026-05-01T00:00Z'],
    { once: '29T01:00 26T00:30', skip: '26T00:30', wall: '26T00:30' },
  ],
  [
    'hourly, Berlin, autumn: 02:00 comes twice',
    '0 * * * *',
    'Europe/Berlin',
    ['2026-10-24T23:30Z', '2026-10-25T02:30Z'],
    { once: '25T00:00 25T01:00 25T02:00', skip: '25T00:00 25T01:00 25T02:00', wall: '25T00:00 25T01:00 25T02:00' },
  ],
  [
    'every twenty seconds, Berlin, spring: nothing is lost',
    '*/20 * * * * *',
    'Europe/Berlin',
    ['2026-03-29T00:59:30Z', '2026-03-29T01:00:30Z'],
    {
      once: '29T00:59:40 29T01:00 29T01:00:20',
      skip: '29T00:59:40 29T01:00 29T01:00:20',
      wall: '29T00:59:40 29T01:00 29T01:00:20',
    },
  ],
  [
    'daily 02:15, Lord Howe: 02:00 becomes 02:30 at 15:30Z',
    '15 2 * * *',
    'Australia/Lord_Howe',
    ['2026-10-03T00:00Z', '2026-10-05T00:00Z'],
    { once: '03T15:30 04T15:15', skip: '04T15:15', wall: '04T15:15' },
  ],
  [
    'hourly, Lord Howe, spring: an hour after 01:00 it is 02:30',
    '0 * * * *',
    'Australia/Lord_Howe',
    ['2026-10-03T14:00Z', '2026-10-03T17:30Z'],
    {
      once: '03T14:30 03T15:30 03T16:00 03T17:00',
      skip: '03T14:30 03T16:00 03T17:00',
      wall: '03T14:30 03T16:00 03T17:00',
    },
  ],
  [
    'half-hourly, Lord Howe, autumn: 02:00 becomes 01:30 at 15:00Z',
    '*/30 * * * *',
    'Australia/Lord_Howe',
    ['2026-04-04T14:00Z', '2026-04-04T15:45Z'],
    {
      once: '04T14:00 04T14:30 04T15:00 04T15:30',
      skip: '04T14:00 04T14:30 04T15:00 04T15:30',
      wall: '04T14:00 04T14:30 04T15:00 04T15:30',
    },
  ],
  [
    'daily 01:45, Lord Howe, autumn',
    '45 1 * * *',
    'Australia/Lord_Howe',
    ['2026-04-04T00:00Z', '2026-04-05T00:00Z'],
    { once: '04T14:45', skip: '04T14:45', wall: '04T14:45 04T15:15' },
  ],
  [
    'weekly on Sunday at midnight, São Paulo: 4 November 2018 began at 01:00 (03:00Z)',
    '0 0 * * 0',
    'America/Sao_Paulo',
    ['2018-11-01T00:00Z', '2018-11-12T00:00Z'],
    { once: '04T03:00 11T02:00', skip: '11T02:00', wall: '11T02:00' },
  ],
  [
    'daily 23:30, São Paulo: 16 February 2019 had 23:00 twice',
    '30 23 * * *',
    'America/Sao_Paulo',
    ['2019-02-16T12:00Z', '2019-02-18T12:00Z'],
    { once: '17T01:30 18T02:30', skip: '17T01:30 18T02:30', wall: '17T01:30 17T02:30 18T02:30' },
  ],
  [
    'daily 02:30, Casablanca, before Ramadan: 03:00 becomes 02:00 at 02:00Z',
    '30 2 * * *',
    'Africa/Casablanca',
    ['2026-02-15T00:00Z', '2026-02-16T12:00Z'],
    { once: '15T01:30 16T02:30', skip: '15T01:30 16T02:30', wall: '15T01:30 15T02:30 16T02:30' },
  ],
  [
    'daily 02:30, Casablanca, after Ramadan: 02:00 becomes 03:00 at 02:00Z',
    '30 2 * * *',
    'Africa/Casablanca',
    ['2026-03-22T00:00Z', '2026-03-23T12:00Z'],
    { once: '22T02:00 23T01:30', skip: '23T01:30', wall: '23T01:30' },
  ],
  [
    'weekly on Friday at midnight, Cairo: 24 April 2026 begins at 01:00 (22:00Z)',
    '0 0 * * 5',
    'Africa/Cairo',
    ['2026-04-20T00:00Z', '2026-05-02T00:00Z'],
    { once: '23T22:00 30T21:00', skip: '30T21:00', wall: '30T21:00' },
  ],
  [
    'daily 23:30, Cairo: 29 October 2026 has 23:00 twice',
    '30 23 * * *',
    'Africa/Cairo',
    ['2026-10-29T12:00Z', '2026-10-30T23:00Z'],
    { once: '29T20:30 30T21:30', skip: '29T20:30 30T21:30', wall: '29T20:30 29T21:30 30T21:30' },
  ],
  [
    'daily at noon, Apia: after 29 December 2011 came the 31st, at 10:00Z',
    '0 12 * * *',
    'Pacific/Apia',
    ['2011-12-29T12:00Z', '2011-12-31T12:00Z'],
    { once: '29T22:00 30T10:00 30T22:00', skip: '29T22:00 30T22:00', wall: '29T22:00 30T22:00' },
  ],
  [
    'on 30 December, Apia',
    '0 12 30 12 *',
    'Pacific/Apia',
    ['2011-01-01T00:00Z', '2013-01-01T00:00Z'],
    { once: '30T10:00 29T22:00', skip: '29T22:00', wall: '29T22:00' },
  ],
  [
    'hourly, Apia',
    '0 * * * *',
    'Pacific/Apia',
    ['2011-12-30T08:30Z', '2011-12-30T11:30Z'],
    { once: '30T09:00 30T10:00 30T11:00', skip: '30T09:00 30T10:00 30T11:00', wall: '30T09:00 30T10:00 30T11:00' },
  ],
  [
    'the last day of the month, Apia',
    '0 9 L * *',
    'Pacific/Apia',
    ['2011-12-01T00:00Z', '2012-01-31T12:00Z'],
    { once: '30T19:00 30T19:00', skip: '30T19:00 30T19:00', wall: '30T19:00 30T19:00' },
  ],
]

describe('fixed times, on the days on which the clocks change', () => {
  describe.each(TABLE)('%s', (_story, rule, zone, [from, to], expected) => {
    it.each(Object.entries(expected) as [DstPolicy, string][])('%s', (dst, times) => {
      const seen = previewOccurrences(parseRule(rule, zone, dst), new Date(Date.parse(from) - 1), 20)
      const shown = seen
        .filter(each => each < new Date(to))
        .map(each => each.toISOString().slice(8, 19).replace(/:00$/, ''))
      expect(shown.join(' ')).toBe(times)
    })
  })
})

const zones = fc.constantFrom(...Intl.supportedValuesOf('timeZone'))
const DAY = 86_400_000

/** What the clock shows, as the milliseconds of the same reading in UTC. */
function reader(zone: string): (instant: number) => number {
  const clock = new Intl.DateTimeFormat('sv', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
  return instant => Date.parse(`${clock.format(instant).replace(' ', 'T')}Z`)
}

describe('any rule in any zone', () => {
  it("'once' runs once for each day of any year, at the first instant at which its time has come", () => {
    const minuteOfDay = fc.integer({ min: 0, max: 1439 })
    fc.assert(
      fc.property(zones, fc.integer({ min: 2000, max: 2040 }), minuteOfDay, (zone, year, minute) => {
        const shows = reader(zone)
        const rule = parseRule(`${minute % 60} ${Math.floor(minute / 60)} * * *`, zone)
        const runs = previewOccurrences(rule, new Date(Date.UTC(year) - 2 * DAY), 370).map(each => each.getTime())
        let run = 0
        for (let day = Date.UTC(year); day < Date.UTC(year, 11, 31); day += DAY) {
          const intended = day + minute * 60_000
          while (shows(runs[run] ?? Infinity) < intended) run += 1
          const instant = runs[run] ?? 0
          // Nothing before it, as far as clocks are put, shows its time or a later one.
          const earlier = [1_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000].map(back => shows(instant - back))
          expect(Math.max(...earlier)).toBeLessThan(intended)
          const left = shows(instant) - intended
          expect(left === 0 || shows(instant) - shows(instant - 1_000) > left).toBe(true)
          // The next day's run is another one, unless both days' times fell into one gap.
          expect(shows(runs[run + 1] ?? Infinity)).toBeGreaterThanOrEqual(intended + DAY - left)
        }
      }),
      { numRuns: 25 },
    )
  })

  const rules = fc.oneof(
    fc.constantFrom<RuleInput[]>(
      '*/7 * * * *',
      '0 0 29 2 *',
      '30 2 * * 0',
      '15 30 1 L * *',
      '@hourly',
      '0 9 15W * *',
      '0 0 * * 5#5',
      'every 37m',
      { every: '36h', start: '2001-02-03T04:05:06Z' },
      'RRULE:FREQ=YEARLY;BYWEEKNO=53;BYDAY=FR',
      'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=2;BYMINUTE=30',
      'FREQ=HOURLY;INTERVAL=5;BYMINUTE=10,50',
      { rrule: 'FREQ=DAILY;BYHOUR=1,2;COUNT=5000', start: '2010-03-01T00:00:00Z' },
      { cron: '0 2 * * *', start: '2005-01-01T00:00:00Z', end: '2035-01-01T00:00:00Z', count: 9000 },
    ),
    fc
      .tuple(fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 6 }))
      .map(([minute, hour, weekday]): RuleInput => `${minute} ${hour} * * ${weekday}`),
  )
  const policies = fc.constantFrom<DstPolicy[]>('once', 'skip', 'wall')
  const instants = fc.integer({ min: Date.UTC(2000), max: Date.UTC(2040) })

  it('fires at instants that only grow, found alike step by step, at once, from in between, and looking back', () => {
    fc.assert(
      fc.property(rules, zones, policies, instants, (input, zone, dst, from) => {
        const rule = parseRule(input, zone, dst)
        const runs = previewOccurrences(rule, new Date(from), 4)
        let before = from
        for (const run of runs) {
          expect(run.getTime()).toBeGreaterThan(before)
          expect(rule.next(new Date(Math.floor((before + run.getTime()) / 2)))).toEqual(run)
          expect(rule.next(new Date(run.getTime() - 1))).toEqual(run)
          expect(rule.lastUntil(run)).toEqual(run)
          before = run.getTime()
        }
        expect(rule.next(rule.lastUntil(new Date(from)) ?? new Date(0))).toEqual(runs[0])
      }),
      { numRuns: 150 },
    )
  })
})
