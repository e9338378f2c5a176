import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextOpening, placeInWindow, resolveWindow, type DeliveryWindow } from '../src/job/delivery-window.ts'

const at = (text: string) => Date.parse(text)
const opening = (window: DeliveryWindow, instant: string) =>
  new Date(nextOpening(resolveWindow(window, 'w'), at(instant)).at).toISOString().replace(':00.000', '')

describe('the next opening', () => {
  const berlin = { from: '09:00', to: '20:00', timeZone: 'Europe/Berlin' } as const

  it('is the instant itself when it is open, from the first minute to the last', () => {
    expect(opening(berlin, '2027-06-01T07:00:00Z')).toBe('2027-06-01T07:00Z')
    expect(opening(berlin, '2027-06-01T06:59:59Z')).toBe('2027-06-01T07:00Z')
    expect(new Date(nextOpening(resolveWindow(berlin, 'w'), at('2027-06-01T17:59:59.999Z')).at).toISOString()).toBe(
      '2027-06-01T17:59:59.999Z',
    )
    expect(opening(berlin, '2027-06-01T18:00:00Z')).toBe('2027-06-02T07:00Z')
  })

  it('knows days of the week, several times of day, and windows over midnight', () => {
    // 2027-06-05 is a Saturday.
    expect(opening({ ...berlin, days: ['mon', 'fri'] }, '2027-06-05T10:00:00Z')).toBe('2027-06-07T07:00Z')
    const lunch = {
      hours: [
        { from: '09:00', to: '12:00' },
        { from: '14:00', to: '18:00' },
      ],
      timeZone: 'UTC',
    } as const
    expect(opening(lunch, '2027-06-05T12:30:00Z')).toBe('2027-06-05T14:00Z')
    const night = { from: '22:00', to: '02:00', days: ['fri'] } as const
    expect(opening(night, '2027-06-05T01:59:00Z')).toBe('2027-06-05T01:59Z')
    expect(opening(night, '2027-06-05T02:00:00Z')).toBe('2027-06-11T22:00Z')
    expect(opening({ from: '00:00', to: '24:00', days: ['sun'] }, '2027-06-05T23:59:00Z')).toBe('2027-06-06T00:00Z')
  })

  it('opens after a gap that swallows its time, and not at all on a day whose hours are swallowed', () => {
    // Berlin, 28 March 2027: 02:00 becomes 03:00.
    const early = { from: '02:30', to: '05:00', timeZone: 'Europe/Berlin' } as const
    expect(opening(early, '2027-03-28T00:00:00Z')).toBe('2027-03-28T01:00Z')
    const swallowed = { ...early, to: '02:45' } as const
    expect(opening(swallowed, '2027-03-28T00:00:00Z')).toBe('2027-03-29T00:30Z')
    // Apia had no 30 December 2011.
    expect(opening({ from: '09:00', to: '17:00', timeZone: 'Pacific/Apia' }, '2011-12-30T05:00:00Z')).toBe(
      '2011-12-30T19:00Z',
    )
  })

  it('opens and closes once when an hour comes twice', () => {
    // Berlin, 31 October 2027: 03:00 becomes 02:00.
    const twice = { from: '02:15', to: '02:45', timeZone: 'Europe/Berlin' } as const
    expect(opening(twice, '2027-10-30T23:00:00Z')).toBe('2027-10-31T00:15Z')
    expect(opening(twice, '2027-10-31T00:50:00Z')).toBe('2027-11-01T01:15Z')
    expect(opening({ ...twice, to: '05:00' }, '2027-10-31T01:05:00Z')).toBe('2027-10-31T01:05Z')
  })

  it('agrees with looking at the clock minute by minute, in any zone, around any change', () => {
    const zones = [
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'America/St_Johns',
      'Pacific/Apia',
      'Africa/Casablanca',
    ]
    const changes = [
      '2027-03-28T01:00Z',
      '2027-10-31T01:00Z',
      '2027-03-14T07:00Z',
      '2027-11-07T06:00Z',
      '2027-04-03T15:00Z',
      '2027-10-02T15:30Z',
      '2011-12-30T10:00Z',
      '2027-02-07T02:00Z',
    ]
    const time = fc
      .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom(0, 15, 30, 59))
      .map(parts => parts.map(part => String(part).padStart(2, '0')).join(':'))
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom(...changes),
        fc.integer({ min: -2_000, max: 2_000 }),
        time,
        time,
        (timeZone, change, minutes, from, to) => {
          fc.pre(from !== to)
          const instant = at(change) + minutes * 60_000
          const found = nextOpening(resolveWindow({ from, to, timeZone }, 'w'), instant)
          expect(new Date(found.at).toISOString()).toBe(
            new Date(byLooking({ timeZone, from, to }, instant)).toISOString(),
          )
        },
      ),
      { numRuns: 30 },
    )
  })
})

/** The slow way: reads the clock every minute, and knows nothing of offsets. */
function byLooking({ timeZone, from, to }: { timeZone: string; from: string; to: string }, instant: number): number {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' })
  const start = instant - 3 * 86_400_000
  const shown = Array.from({ length: 7 * 1_440 }, (_, n) => clock.format(start + n * 60_000))
  const first = (reading: string) => shown.findIndex(each => each >= reading)
  const dates = [...new Set(shown.map(each => each.slice(0, 10)))]
  const every = dates.flatMap((date, n) =>
    [date, dayAfter(date)].filter(each => n === 0 || !dates.slice(0, n).includes(each)),
  )
  const openings = [...new Set(every)].flatMap(date => {
    const opens = first(`${date} ${from}`)
    const closes = first(`${to < from ? dayAfter(date) : date} ${to}`)
    return opens < 0 || opens === closes
      ? []
      : [{ opens: start + opens * 60_000, closes: closes < 0 ? Infinity : start + closes * 60_000 }]
  })
  const next = openings.filter(each => each.closes > instant).map(each => Math.max(each.opens, instant))
  return Math.min(...next)
}

function dayAfter(date: string): string {
  return new Date(at(`${date}T00:00Z`) + 86_400_000).toISOString().slice(0, 10)
}

describe('a place in the window', () => {
  const window = resolveWindow({ from: '09:00', to: '10:00', spread: '3h' }, 'w')

  it('is always the same for a key, differs between keys, and never lies outside', () => {
    const place = (key: string) => placeInWindow(window, { wanted: at('2027-06-01T03:00Z'), now: 0, key })
    const places = Array.from({ length: 200 }, (_, n) => place(`user:${n}`))
    expect(places).toEqual(Array.from({ length: 200 }, (_, n) => place(`user:${n}`)))
    expect(new Set(places).size).toBeGreaterThan(190)
    expect(Math.min(...places)).toBeGreaterThanOrEqual(at('2027-06-01T09:00Z'))
    expect(Math.max(...places)).toBeLessThan(at('2027-06-01T10:00Z'))
  })

  it('is where it is wanted when it is open, and counts from now when that has passed', () => {
    const wanted = at('2027-06-01T09:30Z')
    expect(placeInWindow(window, { wanted, now: 0, key: 'a' })).toBe(wanted)
    expect(placeInWindow(window, { wanted, now: at('2027-06-01T09:40Z'), key: 'a' })).toBe(wanted)
    expect(placeInWindow(window, { wanted, now: at('2027-06-01T11:00Z'), key: 'a' })).toBeGreaterThanOrEqual(
      at('2027-06-02T09:00Z'),
    )
  })

  it.each([
    [{ from: '9:00', to: '20:00' }],
    [{ from: '09:00', to: '24:01' }],
    [{ from: '24:00', to: '09:00' }],
    [{ from: '09:00', to: '09:00' }],
    [{ from: '09:00' }],
    [{ from: '09:00', to: '20:00', days: [] }],
    [{ from: '09:00', to: '20:00', days: ['monday'] }],
    [{ hours: [] }],
    [{ hours: [{ from: '09:00', to: '20:00' }], from: '09:00' }],
    ['morning'],
  ])('%j is refused where it is written', wrong => {
    expect(() => resolveWindow(wrong as never, 'window of mail')).toThrow(/window of mail/)
  })
})
