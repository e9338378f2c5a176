import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDelay } from '../../src/followups/delay.ts'

const HOUR = 3_600_000
const LONGEST = 720 * HOUR

describe('the delay of !schedule_followup', () => {
  it.each([
    ['24', 24 * HOUR],
    ['0.5', HOUR / 2],
    ['1', HOUR],
    ['720', LONGEST],
    ['007', 7 * HOUR],
    ['90m', 1.5 * HOUR],
    ['2d', 48 * HOUR],
    ['1h30m', 1.5 * HOUR],
    ['30 days', LONGEST],
    ['1ms', 1],
  ])('takes %j', (text, ms) => {
    expect(parseDelay(text)).toBe(ms)
  })

  it.each([
    ['nothing', ''],
    ['a space', ' '],
    ['zero', '0'],
    ['zero with a fraction', '0.0'],
    ['zero minutes', '0m'],
    ['a negative number', '-5'],
    ['a negative duration', '-5m'],
    ['a word', 'abc'],
    ['a known word of numbers', 'Infinity'],
    ['no number at all', 'NaN'],
    ['an exponent', '1e9'],
    ['a small exponent', '1e1'],
    ['hexadecimal', '0x10'],
    ['a digit separator', '1_000'],
    ['a comma for a point', '1,5'],
    ['a point and nothing', '1.'],
    ['nothing and a point', '.5'],
    ['two points', '1.2.3'],
    ['a number and a word', '24 please'],
    ['a line break behind it', '24\n'],
    ['a NUL', '24\0'],
    ['other digits', '٢٤'],
    ['an hour more than 30 days', '721'],
    ['a hair more than 30 days', '720.000001'],
    ['31 days', '31d'],
    ['a millisecond more than 30 days', '30d1ms'],
    ['seven digits', '1000000'],
    ['as many digits as a message holds', '9'.repeat(4_000)],
    ['a huge duration', `${'9'.repeat(4_000)}d`],
    ['a member of every object', 'constructor'],
    ['a unit that is a member of every object', '5constructor'],
  ])('refuses %s', (_what, text) => {
    expect(parseDelay(text)).toBeUndefined()
  })

  it('answers nothing but a delay in the allowed range, whatever it is given', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^-?[0-9.]{0,12}[a-z ]{0,8}[0-9]{0,3}[mhdw]?$/),
      fc.double().map(String),
    )
    fc.assert(
      fc.property(text, given => {
        const ms = parseDelay(given)
        return ms === undefined || (Number.isFinite(ms) && ms > 0 && ms <= LONGEST)
      }),
      { numRuns: 2_000 },
    )
  })

  it('takes every whole number of hours up to 720 and none above', () => {
    for (let hours = 1; hours <= 1_000; hours += 1) {
      expect(parseDelay(String(hours))).toBe(hours <= 720 ? hours * HOUR : undefined)
    }
  })
})
