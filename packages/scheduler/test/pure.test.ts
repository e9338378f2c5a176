import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BelfryError, parseDuration } from '../src/index.ts'
import { backoffDelay } from '../src/job/backoff.ts'
import { CancelError, NonRetryableError, SnoozeError } from '../src/job/control-errors.ts'
import { decideOutcome, type AttemptFacts } from '../src/job/outcome.ts'
import { serializePayload } from '../src/job/payload.ts'

const refused = (work: () => unknown): string => {
  try {
    work()
    return 'taken'
  } catch (error) {
    return error instanceof BelfryError ? error.code : `thrown: ${String(error)}`
  }
}

describe('durations', () => {
  it('mean the same in every spelling', () => {
    const units = fc.constantFrom<[string, number]>(
      ['ms', 1],
      ['s', 1_000],
      [' seconds', 1_000],
      ['m', 60_000],
      ['h', 3_600_000],
      [' days', 86_400_000],
    )
    fc.assert(
      fc.property(fc.nat(1_000), units, (amount, [unit, ms]) => {
        expect(parseDuration(`${amount}${unit}`)).toBe(amount * ms)
        expect(parseDuration(`${amount}${unit} 1s`)).toBe(amount * ms + 1_000)
      }),
    )
  })

  it('are a number of milliseconds or refused with a code, whatever is handed in', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double(), fc.anything()), value => {
        const answer = refused(() => expect(parseDuration(value as string)).toBeGreaterThanOrEqual(0))
        expect(['taken', 'BELFRY_INVALID_DURATION']).toContain(answer)
      }),
    )
  })
})

describe('backoff', () => {
  it('never leaves its bounds, and never shrinks without jitter', () => {
    const rule = fc.record({
      initial: fc.nat(1_000_000),
      factor: fc.double({ min: 1, max: 10, noNaN: true }),
      max: fc.nat(10_000_000),
    })
    fc.assert(
      fc.property(
        rule,
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (backoff, retry, random) => {
          const spread = backoffDelay({ ...backoff, jitter: 0.1 }, { retry, error: undefined, random })
          expect(spread).toBeLessThanOrEqual(Math.ceil(backoff.max * 1.1))
          expect(spread).toBeGreaterThanOrEqual(0)
          const level = (n: number) => backoffDelay({ ...backoff, jitter: 0 }, { retry: n, error: undefined, random })
          expect(level(retry + 1)).toBeGreaterThanOrEqual(level(retry))
        },
      ),
    )
  })
})

describe('what becomes of a job', () => {
  const facts = (retryCount: number, maxRetries: number, abort?: BelfryError): AttemptFacts => ({
    retryCount,
    maxRetries,
    backoff: {},
    abortReason: abort,
    random: () => 0.5,
  })
  const anyEnd = fc.oneof(
    fc.anything().map(returned => ({ returned })),
    fc
      .constantFrom(
        new Error('x'),
        new NonRetryableError('x'),
        new CancelError('x'),
        new SnoozeError('1h'),
        'text',
        undefined,
      )
      .map(threw => ({ threw })),
  )

  it('a lost lease settles nothing, whatever the handler did', () => {
    fc.assert(
      fc.property(
        anyEnd,
        end => decideOutcome(end, facts(0, 3, new BelfryError('BELFRY_LEASE_LOST', ''))).kind === 'lease_lost',
      ),
    )
  })

  it('a retry is spent only while there is one, and never on shutdown, snooze or cancel', () => {
    fc.assert(
      fc.property(anyEnd, fc.nat(10), fc.nat(10), (end, spent, most) => {
        const { kind } = decideOutcome(end, facts(spent, most))
        if ('returned' in end) return kind === 'completed'
        if (end.threw instanceof SnoozeError) return kind === 'snoozed'
        if (end.threw instanceof CancelError) return kind === 'cancelled'
        return kind === (spent < most && !(end.threw instanceof NonRetryableError) ? 'retry' : 'failed')
      }),
    )
    const shutdown = new BelfryError('BELFRY_SHUTDOWN', '')
    expect(decideOutcome({ threw: shutdown }, facts(0, 0, shutdown)).kind).toBe('interrupted')
  })
})

describe('payloads', () => {
  it('any JSON value comes back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'grapheme' }), value => {
        const answer = refused(() =>
          expect(JSON.parse(serializePayload(value, 'any', 65_536))).toEqual(JSON.parse(JSON.stringify(value))),
        )
        return answer === 'taken' || (answer === 'BELFRY_INVALID_PAYLOAD' && /\\u0000|\0/.test(JSON.stringify(value)))
      }),
    )
  })

  it('anything else is stored as JSON or refused with a code', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withSet: true, withNullPrototype: true }), value => {
        const answer = refused(() => JSON.parse(serializePayload(value, 'any', 65_536)))
        return ['taken', 'BELFRY_INVALID_PAYLOAD', 'BELFRY_PAYLOAD_TOO_LARGE'].includes(answer)
      }),
    )
  })
})
