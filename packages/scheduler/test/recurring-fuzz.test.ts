import fc from 'fast-check'
import { BelfryError, parseRule, previewOccurrences, type DstPolicy, type RuleInput } from 'belfry'
import { schedulesCommand } from 'belfry/cli'
import { describe, expect, it } from 'vitest'
import { countSteps } from './support/steps.ts'

/**
 * A search passes over 200,000 days, hours, minutes or seconds at most, counting over 1,500,000; each makes up to eight
 * dates. Rules that people write take some thousands in all.
 */
const MOST_STEPS = 20_000_000

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 40 }), fc.lorem())
/** Real words of a language, joined as nobody would, with nonsense in between. */
const mixed = (words: readonly string[], between: readonly string[], most: number) => {
  const word = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...words) }, { weight: 1, arbitrary: anyText })
  return fc
    .array(fc.tuple(word, fc.constantFrom(...between)), { maxLength: most })
    .map(all => all.map(parts => parts.join('')).join(''))
}

const field = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      '*',
      '0',
      '1',
      '7',
      '29',
      '31',
      '*/7',
      '1-5',
      'L',
      '15W',
      'LW',
      'MON#5',
      'FRIL',
      'FEB',
      '?',
    ),
  },
  { weight: 2, arbitrary: fc.constantFrom('5-1', '1,2,,3', '*/0', '*/61', '1-5/2', '60', '-1', '+1', '1W,31', 'L-3') },
  { weight: 1, arbitrary: mixed(['1', '*', 'L', 'W', '#', 'MON', '59'], ['', '-', ',', '/', '#'], 8) },
)
const cron = fc.oneof(
  fc.array(field, { minLength: 5, maxLength: 6 }).map(fields => fields.join(' ')),
  fc.array(field, { maxLength: 8 }).map(fields => fields.join('\t ')),
  fc.constantFrom('@daily', '@YEARLY', '@never', '@', '@hourly 5').map(text => text),
)

const FREQUENCIES = ['YEARLY', 'MONTHLY', 'WEEKLY', 'DAILY', 'HOURLY', 'MINUTELY', 'SECONDLY', 'NEVER']
const numbers = fc.array(fc.oneof(fc.integer({ min: -60, max: 400 }), fc.constantFrom(1, 2, 5, 7, 29, 31, -1, 59)), {
  minLength: 1,
  maxLength: 3,
})
const part = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        fc.constantFrom('BYMONTH', 'BYWEEKNO', 'BYYEARDAY', 'BYMONTHDAY', 'BYHOUR', 'BYMINUTE', 'BYSECOND', 'BYSETPOS'),
        numbers,
      )
      .map(([name, all]) => `${name}=${all.join(',')}`),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'BYDAY=MO',
      'BYDAY=5MO,-1FR',
      'BYDAY=53SU',
      'BYDAY=XX',
      'WKST=SU',
      'BYMONTH=2',
      'BYMONTHDAY=31',
    ),
  },
  { weight: 3, arbitrary: fc.constantFrom(2, 61, 3_599, 7_919, 86_399, 2_147_483_647, 0).map(n => `INTERVAL=${n}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('COUNT=10000', 'COUNT=3', 'COUNT=10001', 'UNTIL=20300101', 'UNTIL=20300230'),
  },
  { weight: 1, arbitrary: mixed(['BYDAY', 'COUNT', 'TZID', '1', 'MO'], ['=', ';', ',', ':', ''], 4) },
)
const rrule = fc
  .tuple(
    fc.constantFrom('FREQ=', 'RRULE:FREQ=', 'freq=', 'FREQ=FREQ='),
    fc.constantFrom(...FREQUENCIES),
    fc.uniqueArray(part, { maxLength: 5, selector: each => each.split('=')[0] }),
  )
  .map(([head, frequency, parts]) => [head + frequency, ...parts].join(';'))

const every = mixed(['every ', '5', '0.5', '1e3', 'm', 'h', 'ms', '90s', '∞', '-1d'], ['', ' '], 4).map(
  text => `every ${text}`,
)

const junk = fc.anything({
  withBigInt: true,
  withDate: true,
  withNullPrototype: true,
  withMap: true,
  withSparseArray: true,
})
const bounds = fc.record(
  {
    start: fc.oneof(fc.constantFrom('2027-01-15T09:30:15Z', '1970-01-01T00:00:00Z', '2999-12-31T23:59:59Z'), junk),
    end: fc.oneof({ weight: 3, arbitrary: fc.constant('2400-01-01T00:00:00Z') }, { weight: 1, arbitrary: junk }),
    count: fc.oneof(fc.constantFrom(1, 10_000, 10_001, 1.5), junk),
  },
  { requiredKeys: [] },
)
const started = fc.record({ start: fc.constant('2027-01-15T09:30:15Z') }, { requiredKeys: [] })
const asObject = (kind: 'cron' | 'rrule' | 'every', text: fc.Arbitrary<unknown>) =>
  fc.tuple(text, fc.oneof(started, bounds)).map(([value, given]) => ({ ...given, [kind]: value }))
const rules = fc.oneof(
  cron,
  rrule,
  asObject('rrule', rrule),
  asObject('cron', cron),
  every,
  asObject('every', fc.oneof(fc.integer(), every, junk)),
  anyText,
  junk,
) as fc.Arbitrary<RuleInput>

const zoneNames = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'Pacific/Apia', 'Africa/Casablanca'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('utc', 'Etc/GMT+12', '+05:30', '-23:59', '+24:00', 'GMT+25', 'Mars/Olympus', ''),
  },
  { weight: 1, arbitrary: anyText },
)
const zones = fc.oneof({ weight: 9, arbitrary: zoneNames }, { weight: 1, arbitrary: junk }) as fc.Arbitrary<string>
const policies = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('once', 'skip', 'wall') },
  { weight: 1, arbitrary: junk },
) as fc.Arbitrary<DstPolicy>
const instants = fc.integer({ min: 0, max: Date.UTC(2999, 11, 31) })

describe('whatever somebody writes for a rule', () => {
  it('is refused with a code, or fires: its next five occurrences are found within a bounded number of steps', () => {
    fc.assert(
      fc.property(rules, zones, policies, instants, (input, zone, dst, from) => {
        const { result: runs } = countSteps(() => {
          try {
            return previewOccurrences(parseRule(input, zone, dst), new Date(from), 5).map(each => each.getTime())
          } catch (error) {
            if (error instanceof BelfryError) return [error.code].filter(code => !code.startsWith('BELFRY_INVALID_'))
            throw error
          }
        }, MOST_STEPS)
        let before = from
        for (const run of runs) {
          expect(run).toBeGreaterThan(before)
          expect(run).toBeLessThan(Date.UTC(3000))
          before = run as number
        }
      }),
      { numRuns: 1_500 },
    )
  })

  it('is previewed on the command line, or refused in words; the command never breaks', () => {
    const value = fc.oneof(
      cron,
      rrule,
      every,
      anyText,
      fc.constantFrom(
        'UTC',
        'Europe/Berlin',
        '5',
        '0',
        '-1',
        '1e2',
        '0x5',
        'Infinity',
        '2027-01-15T09:30:15Z',
        'wall',
        '',
      ),
    )
    const option = fc.constantFrom(
      '--tz',
      '--from',
      '--count',
      '--dst',
      '--start',
      '--end',
      '--json',
      '--help',
      '-h',
      '--',
      '-x',
    )
    const args = fc.oneof(
      fc.array(fc.oneof(option, value), { maxLength: 8 }),
      fc
        .tuple(fc.oneof(cron, rrule, every), fc.array(fc.oneof(option, value), { maxLength: 4 }))
        .map(all => ['preview', ...all.flat()]),
      fc
        .tuple(fc.oneof(cron, rrule, every), zoneNames)
        .map(([rule, zone]) => ['preview', rule, '--tz', zone, '--json']),
    )
    fc.assert(
      fc.property(args, given => {
        const { result } = countSteps(() => schedulesCommand(given, new Date('2027-03-27T12:00:00Z')), 2 * MOST_STEPS)
        const { exitCode, stdout, stderr } = result
        if (exitCode === 0) expect([stdout === '', stderr]).toEqual([false, ''])
        else expect([stdout, stderr.startsWith('belfry: ')]).toEqual(['', true])
      }),
      { numRuns: 1_000 },
    )
  })

  it('is not counted for minutes: one whose last of 10,000 is very far off is refused', () => {
    const sparse = 'FREQ=SECONDLY;INTERVAL=61;BYMINUTE=59;BYSECOND=59'
    const counted = { rrule: `${sparse};COUNT=10000`, start: '2027-01-01T00:00:00Z' }
    const work = () => countSteps(() => parseRule(counted), MOST_STEPS)
    expect(work).toThrow(
      expect.objectContaining({ code: 'BELFRY_INVALID_RULE', message: expect.stringContaining('count') }),
    )
    expect(
      parseRule({ ...counted, rrule: `${sparse};COUNT=20` }).next(new Date('2099-01-01T00:00:00Z')),
    ).toBeUndefined()
    const daily = parseRule({ rrule: 'FREQ=DAILY;COUNT=10000', start: '2027-01-01T00:00:00Z' })
    expect(daily.lastUntil(new Date('2990-01-01T00:00:00Z'))).toEqual(new Date('2054-05-18T00:00:00Z'))
  })
})
