import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { awakeAgainAt, parseQuietHours, quietUntil, wallClock } from '../../src/followups/quiet-hours.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Days on which clocks change, as UTC midnights before the change. Africa/Cairo changes at midnight itself. */
const CHANGES = [
  { zone: 'Europe/Berlin', day: '2027-03-28' },
  { zone: 'Europe/Berlin', day: '2027-10-31' },
  { zone: 'America/New_York', day: '2027-03-14' },
  { zone: 'America/New_York', day: '2027-11-07' },
  { zone: 'Australia/Lord_Howe', day: '2027-04-03' },
  { zone: 'Australia/Lord_Howe', day: '2027-10-02' },
  { zone: 'Africa/Cairo', day: '2027-04-29' },
  { zone: 'Africa/Cairo', day: '2027-10-28' },
] as const
const WINDOWS = [
  '22:00-08:00',
  '01:00-03:00',
  '02:15-02:45',
  '23:30-00:30',
  '00:00-23:00',
  '13:00-14:00',
  '02:00-01:59',
]

/** Wall-clock minutes of every minute around a change, asked of the platform in another way than the product does. */
function walkedDay(zone: string, day: string): { at: Date; minute: number }[] {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
  const start = Date.parse(`${day}T00:00:00Z`) - 26 * HOUR
  return Array.from({ length: (78 * HOUR) / MINUTE }, (_, index) => {
    const at = new Date(start + index * MINUTE)
    const [hour = 0, minute = 0] = format.format(at).slice(-5).split(':').map(Number)
    return { at, minute: hour * 60 + minute }
  })
}

/** Quiet or not by writing down the minutes of the window one by one. */
function quietMinutes(text: string): Set<number> {
  const [start = 0, end = 0] = text.split('-').map(time => Number(time.slice(0, 2)) * 60 + Number(time.slice(3)))
  const quiet = new Set<number>()
  for (let minute = start; minute !== end; minute = (minute + 1) % 1_440) quiet.add(minute)
  return quiet
}

describe('quiet hours on the days the clocks change', () => {
  it.each(CHANGES)('$zone, $day: end when a brute-force look at every minute says so', ({ zone, day }) => {
    const wall = walkedDay(zone, day)
    expect(new Set(wall.map(({ at, minute }) => (at.getTime() / MINUTE - minute + 14_400_000) % 1_440)).size).toBe(2)
    for (const window of WINDOWS) {
      const quiet = quietMinutes(window)
      // The last 30 hours are where the answers lie.
      for (const [index, { at, minute }] of wall.slice(0, -30 * 60).entries()) {
        if (index % 409 !== 0) continue
        const end = quiet.has(minute) ? wall.slice(index).find(later => !quiet.has(later.minute))?.at : undefined
        const asked = new Date(at.getTime() + (index % 60) * 1_000 + (index % 1_000))
        expect(quietUntil(asked, parseQuietHours(window), zone), `${window} at ${asked.toISOString()}`).toEqual(end)
      }
    }
  })

  it('a window inside the hour that does not exist is not quiet that day', () => {
    const quiet = parseQuietHours('02:15-02:45')
    for (let minute = 0; minute < 240; minute += 1) {
      const at = new Date(Date.parse('2027-03-27T23:00:00Z') + minute * MINUTE)
      expect(quietUntil(at, quiet, 'Europe/Berlin')).toBeUndefined()
    }
  })

  it('waking minutes inside the hour that does not exist are waited for until the day after', () => {
    // Cairo's clocks go from 23:59 to 01:00 that night.
    const quiet = parseQuietHours('00:30-00:00')
    const night = new Date('2027-04-29T22:10:00Z')
    expect(quietUntil(night, quiet, 'Africa/Cairo')).toEqual(new Date('2027-04-30T21:00:00Z'))
    expect(quietUntil(new Date('2027-04-28T23:00:00Z'), quiet, 'Africa/Cairo')).toEqual(
      new Date('2027-04-30T21:00:00Z'),
    )
  })

  it('a window inside the hour that comes twice is quiet twice', () => {
    const quiet = parseQuietHours('02:15-02:45')
    expect(quietUntil(new Date('2027-10-31T00:20:00Z'), quiet, 'Europe/Berlin')).toEqual(
      new Date('2027-10-31T00:45:00Z'),
    )
    expect(quietUntil(new Date('2027-10-31T00:50:00Z'), quiet, 'Europe/Berlin')).toBeUndefined()
    expect(quietUntil(new Date('2027-10-31T01:20:00Z'), quiet, 'Europe/Berlin')).toEqual(
      new Date('2027-10-31T01:45:00Z'),
    )
  })
})

describe('quiet hours', () => {
  const night = parseQuietHours('22:00-08:00')

  it.each([
    ['2027-06-01T19:59:59.999Z', undefined],
    ['2027-06-01T20:00:00.000Z', '2027-06-02T06:00:00.000Z'],
    ['2027-06-02T05:59:59.999Z', '2027-06-02T06:00:00.000Z'],
    ['2027-06-02T06:00:00.000Z', undefined],
  ])('22:00-08:00 in Berlin at %s', (at, end) => {
    expect(quietUntil(new Date(at), night, 'Europe/Berlin')).toEqual(end && new Date(end))
  })

  it.each(['off', '22:00-22:00', '', '8-22', '22:00', '22:00 - 08:00'])('%j means none', text => {
    expect(parseQuietHours(text)).toBe('off')
  })

  it('reads minutes of the day', () => {
    expect(night).toEqual({ start: 1_320, end: 480 })
    expect(parseQuietHours('00:00-23:59')).toEqual({ start: 0, end: 1_439 })
  })

  it('knows zones off the full hour', () => {
    expect(wallClock('Asia/Kathmandu')(new Date('2027-01-01T00:00:00Z'))).toBe(345)
    expect(wallClock('Pacific/Chatham')(new Date('2027-01-01T00:00:00Z'))).toBe(825)
  })
})

describe('somebody whose zone is not known', () => {
  const last = new Date('2027-06-01T14:00:00Z')

  it.each([
    ['2027-06-03T14:00:00.000Z', undefined],
    ['2027-06-03T17:00:00.000Z', undefined],
    ['2027-06-03T17:00:00.001Z', '2027-06-04T14:00:00.000Z'],
    ['2027-06-03T10:59:59.999Z', '2027-06-03T14:00:00.000Z'],
    ['2027-06-03T11:00:00.000Z', undefined],
    ['2027-06-04T02:00:00.000Z', '2027-06-04T14:00:00.000Z'],
  ])('who wrote at 14:00 is written to at %s, or only at %s', (now, until) => {
    expect(awakeAgainAt(new Date(now), last)).toEqual(until && new Date(until))
  })

  it('is written to within a day, at an hour at which they were awake', () => {
    const instant = fc.date({ min: new Date('2026-01-01'), max: new Date('2028-01-01'), noInvalidDate: true })
    fc.assert(
      fc.property(instant, instant, (now, wrote) => {
        const until = awakeAgainAt(now, wrote)
        if (until === undefined) return
        expect(until.getTime()).toBeGreaterThan(now.getTime())
        expect(until.getTime() - now.getTime()).toBeLessThan(DAY)
        expect(awakeAgainAt(until, wrote)).toBeUndefined()
      }),
    )
  })
})
