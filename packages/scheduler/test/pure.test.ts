import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BelfryError, parseDuration } from '../src/index.ts'
import { backoffDelay } from '../src/job/backoff.ts'
import { CancelError, NonRetryableError, SnoozeError } from '../src/job/control-errors.ts'
import { jobIdSource } from '../src/job/job-id.ts'
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

describe('ids of jobs', () => {
  it('are UUIDs version 7, each its own, that sort as they were made, also when the clock is set back', () => {
    const moves = fc.array(fc.integer({ min: -5_000, max: 50 }), { minLength: 2, maxLength: 200 })
    fc.assert(
      fc.property(moves, fc.integer({ min: 1, max: 3 }), (steps, each) => {
        const newJobId = jobIdSource()
        let now = Date.UTC(2027, 0, 1)
        const ids = steps.flatMap(step => {
          now += step
          return Array.from({ length: each }, () => newJobId(new Date(now)))
        })
        for (const id of ids)
          expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
        expect(ids.toSorted()).toEqual(ids)
        expect(new Set(ids).size).toBe(ids.length)
      }),
    )
  })

  it('say when they were made, and stay in order beyond 4,096 in a millisecond', () => {
    const newJobId = jobIdSource()
    const now = new Date('2027-01-01T00:00:00Z')
    const ids = Array.from({ length: 10_000 }, () => newJobId(now))
    expect(Number.parseInt((ids[0] ?? '').replaceAll('-', '').slice(0, 12), 16)).toBe(now.getTime())
    expect(ids.toSorted()).toEqual(ids)
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

  it('are refused where JSON would keep nothing of them, a forgotten await above all', () => {
    class Registry extends Map {
      readonly name = 'r'
    }
    const lossy: Readonly<Record<string, unknown>> = {
      'a promise': Promise.resolve(1),
      'a promise of some library': Object.assign(Object.create(Promise.prototype), { query: 'select 1' }),
      'an Error': Object.assign(new Error('down'), { code: 'E17' }),
      'a DOMException': new DOMException('late', 'AbortError'),
      'a RegExp': /a/,
      'a Map with properties': new Registry(),
      'a WeakMap': new WeakMap(),
      'an ArrayBuffer': new ArrayBuffer(8),
      'a DataView': new DataView(new ArrayBuffer(8)),
      'form data': new URLSearchParams('a=1'),
      'an iterator': [1].values(),
      'a boxed BigInt': Object(1n),
      'a boxed Symbol': Object(Symbol('s')),
      'a boxed NaN': Object(Number.NaN),
      'a boxed NUL': Object('a\0'),
    }
    const taken = Object.entries(lossy).filter(([, value]) =>
      [value, { deep: [value] }].some(
        payload => refused(() => serializePayload(payload, 'any', 65_536)) !== 'BELFRY_INVALID_PAYLOAD',
      ),
    )
    expect(taken).toEqual([])
    expect(() => serializePayload({ user: Promise.resolve(1) }, 'mail', 65_536)).toThrow(
      'payload of "mail" at user: expected plain JSON data, got a promise; await it first',
    )
  })

  it('are refused with a code when reading them fails, however that may be', () => {
    const fails = () => {
      throw new TypeError('not today')
    }
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const unreadable = [
      { toJSON: fails },
      Object.defineProperty({}, 'a', { get: fails, enumerable: true }),
      new Proxy({}, { ownKeys: fails }),
      new Proxy({}, { getPrototypeOf: fails }),
      proxy,
      Object.assign(Object(1), { valueOf: fails }),
    ]
    for (const payload of unreadable) {
      expect(refused(() => serializePayload({ payload }, 'any', 65_536))).toBe('BELFRY_INVALID_PAYLOAD')
    }
    expect(() => serializePayload({ a: { toJSON: fails } }, 'any', 65_536)).toThrow(
      /at a: .* cannot be read: TypeError: not today/,
    )
  })

  it('are stored as JSON.stringify has it, also of classes, boxes and objects that answer for themselves', () => {
    class Money {
      readonly amount = 5
      readonly currency?: string
      get [Symbol.toStringTag]() {
        return 'Money'
      }
    }
    class Row {
      readonly a = 1
      toJSON() {
        return this
      }
    }
    const self = new Row()
    const keyed = { toJSON: (key: string) => `at ${key}` }
    const values = [new Money(), self, { self }, [self, keyed], { keyed }, Object('text'), Object(false), [Object(2)]]
    const others = [new Date(0), Buffer.from('a'), new URL('http://a/'), new Uint8Array(2), new Uint8Array()]
    for (const value of [...values, ...others]) {
      expect(serializePayload(value, 'any', 65_536)).toBe(JSON.stringify(value))
    }
    const endless = { toJSON: () => ({ endless }) }
    expect(refused(() => serializePayload(endless, 'any', 65_536))).toBe('BELFRY_INVALID_PAYLOAD')
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
