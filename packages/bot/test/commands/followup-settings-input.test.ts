import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readQuiet, readSpan, readZone } from '../../src/commands/followup-settings-input.ts'
import { readQuietHours } from '../../src/followups/quiet-hours.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

describe('a time zone', () => {
  it.each([
    ['Europe/Berlin', 'Europe/Berlin'],
    ['europe/berlin', 'Europe/Berlin'],
    ['berlin', 'Europe/Berlin'],
    ['new york', 'America/New_York'],
    ['São Paulo', 'America/Sao_Paulo'],
    ['buenos aires', 'America/Buenos_Aires'],
    ['lord howe', 'Australia/Lord_Howe'],
    ['Apia', 'Pacific/Apia'],
    ['US/Eastern', 'America/New_York'],
    ['utc', 'UTC'],
    ['`Asia/Tokyo`', 'Asia/Tokyo'],
  ])('%j is %s', (typed, zone) => {
    const understood = readZone(typed)
    expect(
      'value' in understood && new Intl.DateTimeFormat('en', { timeZone: understood.value }).resolvedOptions().timeZone,
    ).toBe(new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone)
  })

  it.each([
    ['berlni', 'Europe/Berlin'],
    ['Europe/Berln', 'Europe/Berlin'],
    ['new yrok', 'America/New_York'],
    ['tokio', 'Asia/Tokyo'],
    ['mel', 'Australia/Melbourne'],
  ])('%j is none, but %s is near', (typed, zone) => {
    expect(readZone(typed)).toEqual({ near: expect.arrayContaining([zone]) })
  })

  it.each([
    '+02:00',
    'EST',
    'CET',
    'GMT+2',
    'Etc/GMT+5',
    'UTC+1',
    '',
    'x'.repeat(5_000),
    "'; drop table",
    '🕰️',
    '../etc',
  ])('%j is an offset or nonsense, which says nothing of when the clocks change', typed => {
    const understood = readZone(typed)
    expect('near' in understood && understood.near).toHaveLength(3)
  })
})

describe('quiet hours', () => {
  it.each([
    ['22:00-08:00', '22:00-08:00'],
    ['22-8', '22:00-08:00'],
    ['22:30 – 7', '22:30-07:00'],
    ['22.30-7.15', '22:30-07:15'],
    ['from 23:00 to 6:05', '23:00-06:05'],
    ['10pm-8am', '22:00-08:00'],
    ['12am-12pm', '00:00-12:00'],
    ['24:00-06:00', '00:00-06:00'],
    ['22:00 08:00', '22:00-08:00'],
  ])('%j is %s', (typed, value) => {
    expect(readQuiet(typed)).toEqual({ value })
  })

  it.each([
    ['25:00-08:00', '23:00-08:00'],
    ['22:75-08:00', '22:59-08:00'],
    ['13pm-8am', '12:00-08:00'],
    ['at night', '22:00-08:00'],
    ['22:00', '22:00-08:00'],
    ['', '22:00-08:00'],
  ])('%j is none; %s is near', (typed, near) => {
    expect(readQuiet(typed)).toEqual({ near: expect.arrayContaining([near]) })
  })

  it('whatever is typed, what is understood or offered can be read back', () => {
    const time = fc
      .tuple(fc.nat(99), fc.nat(99), fc.constantFrom('', 'am', 'pm'))
      .map(([h, m, half]) => `${h}:${m}${half}`)
    fc.assert(
      fc.property(
        fc.oneof(
          fc.tuple(time, time).map(([a, b]) => `${a}-${b}`),
          fc.string(),
        ),
        typed => {
          const understood = readQuiet(typed)
          const [text = ''] = 'value' in understood ? [understood.value] : understood.near
          expect(readQuietHours(text)).toBeDefined()
        },
      ),
    )
  })
})

describe('a span', () => {
  const limits = { least: HOUR, most: 365 * DAY }

  it.each([
    ['3d', 3 * DAY],
    ['weekly', 7 * DAY],
    ['every 2 weeks', 14 * DAY],
    ['once a month', 30 * DAY],
    ['Daily', DAY],
    ['a week', 7 * DAY],
    ['12 hours', 12 * HOUR],
    ['1h', HOUR],
    ['2 months', 60 * DAY],
    ['for 5 days', 5 * DAY],
  ])('%j is %i ms', (typed, value) => {
    expect(readSpan(typed, limits)).toEqual({ value })
  })

  it.each([
    ['5', ['5d', '5h']],
    ['3 dys', ['3d', '3h']],
    ['often', ['3d', 'weekly']],
    ['', ['3d', 'weekly']],
    ['0d', ['1h']],
    ['30m', ['1h']],
    ['400d', ['365d']],
    ['-3d', ['3d', 'weekly']],
    ['constructor', ['3d', 'weekly']],
  ])('%j is none; near are %j', (typed, near) => {
    expect(readSpan(typed, limits)).toEqual({ near })
  })
})
