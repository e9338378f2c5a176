import { parseRule, previewOccurrences } from 'belfry'
import fc from 'fast-check'
import { RRuleTemporal } from 'rrule-temporal'
import { describe, expect, it } from 'vitest'

const START = '2026-01-15T09:30:15Z'

const ours = (rrule: string, count: number, start = START) =>
  previewOccurrences(parseRule({ rrule, start }), new Date(0), count).map(each => each.toISOString())

/** What another implementation says, in UTC, where the two read the same standard. */
function theirs(rrule: string, count: number, start = START): string[] {
  const stamp = start.replaceAll(/[-:]|\.\d+/g, '')
  const rule = new RRuleTemporal({ rruleString: `DTSTART:${stamp}\nRRULE:${rrule}`, maxIterations: 20_000 })
  return rule
    .all((_date, index) => index < count)
    .slice(0, count)
    .map(each => new Date(each.epochMilliseconds).toISOString())
}

function orNever<T>(ask: () => T): T | 'never' {
  try {
    return ask()
  } catch (error) {
    if (error instanceof Error && /Maximum iterations|never comes true/.test(error.message)) return 'never'
    throw error
  }
}

describe('recurrence rules of RFC 5545', () => {
  it.each([
    'FREQ=YEARLY',
    'FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29',
    'FREQ=YEARLY;BYMONTH=6,7,8;BYDAY=TH',
    'FREQ=YEARLY;BYDAY=20MO',
    'FREQ=YEARLY;BYDAY=-1SU,2FR',
    'FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU',
    'FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO',
    'FREQ=YEARLY;BYYEARDAY=1,100,200,-1',
    'FREQ=YEARLY;INTERVAL=3;BYYEARDAY=-366',
    'FREQ=YEARLY;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8',
    'FREQ=MONTHLY',
    'FREQ=MONTHLY;BYMONTHDAY=31',
    'FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=9,17;BYMINUTE=0;BYSECOND=0',
    'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9',
    'FREQ=MONTHLY;BYDAY=1MO,3WE',
    'FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13',
    'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1',
    'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-2;BYHOUR=8,20',
    'FREQ=MONTHLY;INTERVAL=18;BYMONTHDAY=10,11,12',
    'FREQ=WEEKLY',
    'FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,SU',
    'FREQ=WEEKLY;INTERVAL=2;WKST=MO;BYDAY=TU,SU',
    'FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=6;BYSETPOS=2',
    'FREQ=DAILY;INTERVAL=10',
    'FREQ=DAILY;BYMONTH=1;BYHOUR=0,12;BYMINUTE=0,30',
    'FREQ=DAILY;BYDAY=SA,SU;BYHOUR=9,10;BYSETPOS=-1',
    'FREQ=HOURLY;INTERVAL=5',
    'FREQ=HOURLY;BYHOUR=9,10,11;BYMINUTE=0,20',
    'FREQ=MINUTELY;INTERVAL=90',
    'FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,16',
    'FREQ=SECONDLY;INTERVAL=45;BYMINUTE=0,1',
    'FREQ=DAILY;COUNT=3',
    'FREQ=DAILY;UNTIL=20260120T093015Z',
    'FREQ=WEEKLY;UNTIL=20260301T000000Z;BYDAY=TU,TH',
  ])('%s', rrule => {
    expect(ours(rrule, 20)).toEqual(theirs(rrule, 20))
  })

  it('agree with another implementation wherever both have an answer', () => {
    const list = (name: string, values: fc.Arbitrary<number>, most = 3) =>
      fc.option(
        fc.uniqueArray(values, { minLength: 1, maxLength: most }).map(all => `;${name}=${all.join(',')}`),
        { nil: '' },
      )
    const days = fc.option(fc.subarray(['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'], { minLength: 1 }), {
      nil: undefined,
    })
    const rules = fc
      .record({
        frequency: fc.constantFrom('YEARLY', 'MONTHLY', 'WEEKLY', 'DAILY'),
        interval: fc.integer({ min: 1, max: 5 }),
        month: list('BYMONTH', fc.integer({ min: 1, max: 12 }), 6),
        monthDay: list(
          'BYMONTHDAY',
          fc.integer({ min: -28, max: 28 }).filter(day => day !== 0),
          6,
        ),
        days: days.map(all => (all ? `;BYDAY=${all.join(',')}` : '')),
        hour: list('BYHOUR', fc.integer({ min: 0, max: 23 })),
        minute: list('BYMINUTE', fc.integer({ min: 0, max: 59 })),
      })
      .map(
        each =>
          `FREQ=${each.frequency};INTERVAL=${each.interval}${each.month}` +
          `${each.frequency === 'WEEKLY' ? '' : each.monthDay}${each.days}${each.hour}${each.minute}`,
      )
    fc.assert(
      fc.property(rules, rrule => {
        // `FREQ=MONTHLY;INTERVAL=2;BYMONTH=2` from January never comes true: they give up, we refuse.
        expect(orNever(() => ours(rrule, 5))).toEqual(orNever(() => theirs(rrule, 5)))
      }),
      { numRuns: 100 },
    )
  })

  it('without a start count from 1 January 1970, midnight on the wall', () => {
    const rule = parseRule('rrule:freq=monthly;byday=-1fr;byhour=9', 'Europe/Berlin')
    expect(rule.text).toBe('RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9')
    expect(previewOccurrences(rule, new Date('2027-01-01T00:00Z'), 3).map(each => each.toISOString())).toEqual([
      '2027-01-29T08:00:00.000Z',
      '2027-02-26T08:00:00.000Z',
      '2027-03-26T08:00:00.000Z',
    ])
  })

  it('take the time of day from their start as the wall shows it there, on either side of a change', () => {
    const rule = parseRule({ rrule: 'FREQ=WEEKLY', start: '2027-03-24T08:00:00Z' }, 'Europe/Berlin')
    expect(previewOccurrences(rule, new Date(0), 2).map(each => each.toISOString())).toEqual([
      '2027-03-24T08:00:00.000Z',
      '2027-03-31T07:00:00.000Z',
    ])
  })

  it.each([
    ['a UTC instant', 'UNTIL=20270328T010000Z', '2027-03-28T01:00:00.000Z'],
    ['a time on the wall', 'UNTIL=20270328T030000', '2027-03-28T01:00:00.000Z'],
    [
      'a time on the wall that the clock leaves out: until the end of the gap',
      'UNTIL=20270328T023000',
      '2027-03-28T01:00:00.000Z',
    ],
    ['a whole day', 'UNTIL=20270327', '2027-03-27T22:30:00.000Z'],
  ])('end with UNTIL as %s', (_story, until, last) => {
    const start = '2027-03-27T20:30:00Z'
    const rule = parseRule({ rrule: `FREQ=MINUTELY;INTERVAL=30;${until}`, start }, 'Europe/Berlin')
    expect(rule.lastUntil(new Date('2028-01-01T00:00Z'))?.toISOString()).toBe(last)
  })

  it.each([
    ['no frequency', 'INTERVAL=2', /FREQ is missing/],
    ['an unknown frequency', 'FREQ=FORTNIGHTLY', /FREQ: expected YEARLY/],
    ['an unknown part', 'FREQ=DAILY;BYMOON=1', /no part "BYMOON=1"/],
    ['a part twice', 'FREQ=DAILY;BYHOUR=1;BYHOUR=2', /BYHOUR twice/],
    ['an hour that does not exist', 'FREQ=DAILY;BYHOUR=24', /BYHOUR: expected numbers from 0 to 23/],
    ['day 0', 'FREQ=MONTHLY;BYMONTHDAY=0', /BYMONTHDAY/],
    ['30 February', 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', /never comes true/],
    ['30 February, by the second', 'FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30', /never comes true/],
    ['an interval that never meets its hour', 'FREQ=SECONDLY;INTERVAL=86400;BYHOUR=5', /never comes true/],
    ['COUNT and UNTIL', 'FREQ=DAILY;COUNT=2;UNTIL=20270101', /COUNT or UNTIL/],
    ['a count without a start', 'FREQ=DAILY;COUNT=2', /needs a start/],
    ['a weekly rule on a chance weekday', 'FREQ=WEEKLY', /on which day/],
    ['a numbered day of a week', 'FREQ=WEEKLY;BYDAY=1MO', /numbered BYDAY/],
    ['a zero interval', 'FREQ=DAILY;INTERVAL=0', /INTERVAL/],
    ['a date that does not exist', 'FREQ=DAILY;UNTIL=20270231', /UNTIL/],
    ['a start within the text', 'RRULE:FREQ=DAILY\nDTSTART:20270101T000000Z', /give DTSTART as start/],
    ['a very long rule', `FREQ=DAILY;BYMINUTE=${'1,'.repeat(300)}1`, /at most 500 characters/],
  ])('refuse %s, quickly', (_story, rrule, reason) => {
    const before = performance.now()
    expect(() => parseRule({ rrule })).toThrow(expect.objectContaining({ code: 'BELFRY_INVALID_RULE' }))
    expect(() => parseRule({ rrule })).toThrow(reason)
    // Two searches that find nothing; an unbounded one takes minutes.
    expect(performance.now() - before).toBeLessThan(5_000)
  })
})
