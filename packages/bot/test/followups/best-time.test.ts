import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextAwake, placeInTime } from '../../src/followups/best-time.ts'
import { awakeAgainAt, parseQuietHours, quietUntil } from '../../src/followups/quiet-hours.ts'
import { hourOfWeek, type ActivityHours } from '../../src/users/activity-hours.ts'
import { ADA, DAY, HOUR, POLICY } from '../support/gate-facts.ts'

const MINUTE = 60_000
const UNKNOWN = { ...ADA, timeZone: undefined }
const ZONES = ['America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Africa/Cairo', 'Pacific/Apia', 'UTC']
const QUIET = ['22:00-08:00', '01:00-03:00', '00:30-00:00', '09:00-08:30'].map(parseQuietHours)

/** Busy at these hours of the week: `[weight, day (0 is Monday), hour]`, UTC. */
function habits(busy: readonly [number, number, number][], enough: Partial<ActivityHours> = {}): ActivityHours {
  const weights = Array.from({ length: 168 }, () => 0)
  for (const [weight, day, hour] of busy) weights[day * 24 + hour] = weight
  return { weights, messages: 20, days: 5, ...enough }
}

const evenings = habits([0, 1, 2, 3, 4].map(day => [5, day, 19]))
/** A Wednesday. */
const NOON = new Date('2027-06-09T12:10:00Z')
const at = (facts: Partial<typeof ADA>, earliest = NOON, policy = POLICY) =>
  placeInTime({ person: { ...UNKNOWN, ...facts }, policy }, earliest).toISOString()

it('counts the hours of a week from Monday, 00:00 UTC', () => {
  expect(hourOfWeek(new Date('2027-06-07T00:00:00Z'))).toBe(0)
  expect(hourOfWeek(new Date('2027-06-07T00:59:59.999Z'))).toBe(0)
  expect(hourOfWeek(new Date('2027-06-13T23:00:00Z'))).toBe(167)
  expect(hourOfWeek(new Date('1970-01-01T00:00:00Z'))).toBe(72)
})

describe('the best time for a follow-up', () => {
  it('is the busiest hour within a day, at the minute at which the delay ends', () => {
    expect(at({ activityHours: evenings })).toBe('2027-06-09T19:10:00.000Z')
    expect(at({ activityHours: evenings }, new Date('2027-06-09T19:10:00Z'))).toBe('2027-06-09T19:10:00.000Z')
    expect(at({ activityHours: evenings }, new Date('2027-06-09T20:10:00Z'))).toBe('2027-06-10T19:10:00.000Z')
  })

  it('is that of the day of the week, when days differ', () => {
    const differing = habits([
      [9, 2, 8],
      [9, 3, 17],
      [1, 2, 17],
      [1, 3, 8],
    ])
    expect(at({ activityHours: differing }, new Date('2027-06-09T05:00:00Z'))).toBe('2027-06-09T08:00:00.000Z')
    expect(at({ activityHours: differing }, new Date('2027-06-10T05:00:00Z'))).toBe('2027-06-10T17:00:00.000Z')
  })

  it.each([
    ['too few messages', { messages: 19 }],
    ['too few days', { days: 4 }],
    ['counts that cannot be read', { weights: [1, 2, 3] }],
    ['counts that are none', { weights: evenings.weights.map(() => Number.NaN) }],
  ])('is the time of day of the last message with %s', (_what, changes) => {
    const activityHours = { ...evenings, ...changes }
    expect(at({ activityHours, lastMessageAt: new Date('2027-06-07T16:20:00Z') })).toBe('2027-06-09T16:20:00.000Z')
    expect(at({ activityHours, lastMessageAt: new Date('2027-06-07T12:10:00Z') })).toBe('2027-06-09T12:10:00.000Z')
  })

  it('is outside quiet hours with a known zone, whatever the habits', () => {
    const nights = habits([0, 1, 2, 3, 4, 5, 6].map(day => [5, day, 3]))
    expect(at({ activityHours: nights, timeZone: 'UTC' })).not.toMatch(/T(2[23]|0[0-7]):/)
    expect(at({ timeZone: 'UTC' }, new Date('2027-06-09T23:10:00Z'))).toBe('2027-06-10T08:10:00.000Z')
    expect(at({ timeZone: 'UTC' })).toBe('2027-06-09T12:10:00.000Z')
  })

  it('is the earliest when there is nothing to go by, or somebody is trying things out', () => {
    expect(at({ lastMessageAt: undefined })).toBe(NOON.toISOString())
    expect(at({ quietHours: 'off' })).toBe(NOON.toISOString())
    expect(at({ activityHours: evenings }, NOON, { ...POLICY, delayMs: 5_000 })).toBe(NOON.toISOString())
  })
})

const someHabits = fc.record({
  weights: fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e30, noNaN: true })), {
    minLength: 168,
    maxLength: 168,
  }),
  messages: fc.integer({ min: 0, max: 60 }),
  days: fc.integer({ min: 0, max: 9 }),
})
const instant = fc.date({ min: new Date('2026-01-01'), max: new Date('2029-01-01'), noInvalidDate: true })
/** Within two days of a change of the clocks: New York, Berlin, Lord Howe, Cairo; and the day Apia never had is no more. */
const nearChange = fc
  .tuple(
    fc.constantFrom('2027-03-14', '2027-11-07', '2027-03-28', '2027-10-31', '2027-04-03', '2027-10-02', '2027-04-29'),
    fc.integer({ min: -2 * 1_440, max: 2 * 1_440 }),
  )
  .map(([day, minutes]) => new Date(Date.parse(`${day}T00:00:00Z`) + minutes * MINUTE))
const anyInstant = fc.oneof(instant, nearChange)
const anyFacts = fc.record({
  zone: fc.option(fc.constantFrom(...ZONES), { nil: undefined }),
  quietHours: fc.constantFrom(...QUIET),
  activityHours: fc.option(someHabits, { nil: undefined }),
  lastMessageAt: instant,
})
type Facts = typeof anyFacts extends fc.Arbitrary<infer F> ? F : never
const personOf = ({ zone, ...facts }: Facts) => ({ ...UNKNOWN, ...facts, timeZone: zone })

/** A day, or two when the only waking minutes of one are skipped by its clocks. */
const LONGEST_WAIT = 2 * DAY + 2 * HOUR

describe('whoever and whenever', () => {
  it('the place is soon after the earliest, and no gate would put it off then', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, earliest) => {
        const person = personOf(facts)
        const placed = placeInTime({ person, policy: POLICY }, earliest)
        expect(placed.getTime()).toBeGreaterThanOrEqual(earliest.getTime())
        expect(placed.getTime() - earliest.getTime()).toBeLessThanOrEqual(LONGEST_WAIT)
        expect(nextAwake({ person, policy: POLICY }, placed, 'seed')).toBeUndefined()
      }),
      { numRuns: 1_000 },
    )
  })

  it('whoever is put off is put off to a time that is fine', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, fc.string(), (facts, now, seed) => {
        const person = personOf(facts)
        const until = nextAwake({ person, policy: POLICY }, now, seed)
        if (!(until instanceof Date)) return
        expect(until.getTime()).toBeGreaterThan(now.getTime())
        expect(until.getTime() - now.getTime()).toBeLessThanOrEqual(LONGEST_WAIT)
        expect(nextAwake({ person, policy: POLICY }, until, seed)).toBeUndefined()
      }),
      { numRuns: 1_000 },
    )
  })

  it.each(ZONES)('%s: a zone beats habits, on the days the clocks change too', zone => {
    fc.assert(
      fc.property(anyFacts, nearChange, (facts, now) => {
        const person = personOf({ ...facts, zone })
        const isQuiet = quietUntil(now, facts.quietHours, zone) !== undefined
        expect(nextAwake({ person, policy: POLICY }, now, '') !== undefined).toBe(isQuiet)
      }),
    )
  })

  it('without a zone and with few messages, three hours from the last one decide', () => {
    fc.assert(
      fc.property(anyInstant, instant, (now, lastMessageAt) => {
        const person = { ...UNKNOWN, lastMessageAt }
        expect(nextAwake({ person, policy: POLICY }, now, '')).toEqual(awakeAgainAt(now, lastMessageAt))
      }),
    )
  })
})
