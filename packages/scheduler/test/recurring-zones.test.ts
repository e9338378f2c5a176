import { parseRule, type DstPolicy } from 'belfry'
import { describe, expect, it } from 'vitest'
import { readingsOf, scanned, type Wanted } from './support/wall-clock.ts'

const POLICIES: readonly DstPolicy[] = ['once', 'skip', 'wall']

/** A day on which the clocks change, and the instants between which a story of it takes place. */
const CHANGES: Record<string, [zone: string, from: string, to: string]> = {
  'New York, spring': ['America/New_York', '2026-03-07T00:00Z', '2026-03-10T00:00Z'],
  'New York, autumn': ['America/New_York', '2026-10-31T00:00Z', '2026-11-03T00:00Z'],
  'Berlin, spring': ['Europe/Berlin', '2026-03-28T00:00Z', '2026-03-31T00:00Z'],
  'Berlin, autumn': ['Europe/Berlin', '2026-10-24T00:00Z', '2026-10-27T00:00Z'],
  'Lord Howe, spring, half an hour': ['Australia/Lord_Howe', '2026-10-02T00:00Z', '2026-10-05T00:00Z'],
  'Lord Howe, autumn, half an hour': ['Australia/Lord_Howe', '2026-04-03T00:00Z', '2026-04-06T00:00Z'],
  'São Paulo, spring, at midnight': ['America/Sao_Paulo', '2018-11-03T00:00Z', '2018-11-06T00:00Z'],
  'São Paulo, autumn, at midnight': ['America/Sao_Paulo', '2019-02-15T00:00Z', '2019-02-19T00:00Z'],
  'Casablanca, before Ramadan': ['Africa/Casablanca', '2026-02-14T00:00Z', '2026-02-17T00:00Z'],
  'Casablanca, after Ramadan': ['Africa/Casablanca', '2026-03-21T00:00Z', '2026-03-24T00:00Z'],
  'Cairo, spring, at midnight': ['Africa/Cairo', '2026-04-22T00:00Z', '2026-04-26T00:00Z'],
  'Cairo, autumn, at midnight': ['Africa/Cairo', '2026-10-28T00:00Z', '2026-11-01T00:00Z'],
  'Apia, without 30 December 2011': ['Pacific/Apia', '2011-12-28T00:00Z', '2012-01-03T00:00Z'],
}

const at =
  (hour: number, minute: number): Wanted['matches'] =>
  wall =>
    wall.getUTCHours() === hour && wall.getUTCMinutes() === minute
const on =
  (matches: Wanted['matches'], day: (wall: Date) => boolean): Wanted['matches'] =>
  wall =>
    matches(wall) && day(wall)
const isLastOfMonth = (wall: Date) => new Date(wall.getTime() + 86_400_000).getUTCDate() === 1

/** The same wish twice: as a rule, and as a test of what the clock on the wall shows. */
const RULES: Record<string, Wanted> = {
  '30 2 * * *': { elapsed: false, matches: at(2, 30) },
  '30 1 * * *': { elapsed: false, matches: at(1, 30) },
  '15 2 * * *': { elapsed: false, matches: at(2, 15) },
  '45 1 * * *': { elapsed: false, matches: at(1, 45) },
  '0 0 * * *': { elapsed: false, matches: at(0, 0) },
  '30 23 * * *': { elapsed: false, matches: at(23, 30) },
  '0 12 * * *': { elapsed: false, matches: at(12, 0) },
  '0 1,2,3 * * *': {
    elapsed: false,
    matches: wall => wall.getUTCMinutes() === 0 && [1, 2, 3].includes(wall.getUTCHours()),
  },
  '30 2 * * 0': { elapsed: false, matches: on(at(2, 30), wall => wall.getUTCDay() === 0) },
  '0 0 * * 5': { elapsed: false, matches: on(at(0, 0), wall => wall.getUTCDay() === 5) },
  '0 9 L * *': { elapsed: false, matches: on(at(9, 0), isLastOfMonth) },
  '30 2 L * *': { elapsed: false, matches: on(at(2, 30), isLastOfMonth) },
  'FREQ=DAILY;BYHOUR=2;BYMINUTE=30': { elapsed: false, matches: at(2, 30) },
  'FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30': {
    elapsed: false,
    matches: on(
      at(2, 30),
      wall =>
        wall.getUTCDay() === 0 && wall.getUTCDate() + 7 > 31 - Number([4, 6, 9, 11].includes(wall.getUTCMonth() + 1)),
    ),
  },
  '0 * * * *': { elapsed: true, matches: wall => wall.getUTCMinutes() === 0 },
  '15 * * * *': { elapsed: true, matches: wall => wall.getUTCMinutes() === 15 },
  '*/30 * * * *': { elapsed: true, matches: wall => wall.getUTCMinutes() % 30 === 0 },
  '0 */2 * * *': { elapsed: true, matches: wall => wall.getUTCMinutes() === 0 && wall.getUTCHours() % 2 === 0 },
  '* 1-2 * * *': { elapsed: true, matches: wall => [1, 2].includes(wall.getUTCHours()) },
  'FREQ=HOURLY': { elapsed: true, matches: wall => wall.getUTCMinutes() === 0 },
  'FREQ=MINUTELY;INTERVAL=20': { elapsed: true, matches: wall => wall.getUTCMinutes() % 20 === 0 },
}

/** Every occurrence from one instant up to another. */
function firedBetween(text: string, zone: string, range: { dst: DstPolicy; from: number; to: number }): string[] {
  const rule = parseRule(text, zone, range.dst)
  const fired: string[] = []
  for (let next = rule.next(new Date(range.from - 1)); next && next.getTime() < range.to; next = rule.next(next)) {
    fired.push(next.toISOString())
  }
  return fired
}

describe('on the days on which the clocks change, a rule fires as the clock on the wall says, read minute by minute', () => {
  describe.each(Object.entries(CHANGES))('%s', (_story, [zone, start, end]) => {
    const readings = readingsOf(zone, Date.parse(start) - 86_400_000, Date.parse(end) + 86_400_000)
    const range = { from: Date.parse(start), to: Date.parse(end) }
    it.each(POLICIES)('dst: %s', dst => {
      const rules = Object.entries(RULES)
      const fired = rules.map(([text]) => [text, firedBetween(text, zone, { dst, ...range })])
      expect(fired).toEqual(rules.map(([text, wanted]) => [text, scanned(readings, wanted, { dst, ...range })]))
    })
  })
})
