import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  afterFailure,
  IN_FLIGHT_MS,
  lookAgainInMs,
  nextStep,
  nonceOf,
  type FailedTry,
  type FollowUpState,
} from '../../src/followups/delivery-decision.ts'

const HOUR = 3_600_000
const TRIED: FailedTry = {
  failure: 'uncertain',
  retryAfterMs: undefined,
  doubtful: false,
  isPlain: false,
  preparedAgoMs: 1_000,
  attemptedAgoMs: 0,
  longestMs: 12 * HOUR,
}

describe('how a delivery goes on', () => {
  it.each<[FollowUpState, number | undefined, number, object]>([
    ['prepared', undefined, 90_000, { step: 'send' }],
    ['prepared', 5_000, 90_000, { step: 'send' }],
    ['sending', 0, 90_000, { step: 'again' }],
    ['sending', 89_999, 90_000, { step: 'again' }],
    ['uncertain', 89_999, 90_000, { step: 'again' }],
    ['sending', 90_000, 90_000, { step: 'wait', waitMs: 60_000 }],
    ['uncertain', 149_999, 90_000, { step: 'wait', waitMs: 1 }],
    ['sending', 150_000, 90_000, { step: 'look' }],
    ['uncertain', 150_000, 90_000, { step: 'look' }],
    ['sending', 0, 0, { step: 'wait', waitMs: 60_000 }],
    ['sending', 60_000, 0, { step: 'look' }],
    ['uncertain', undefined, 90_000, { step: 'look' }],
    ['sent', 0, 90_000, { step: 'done' }],
    ['withheld', undefined, 90_000, { step: 'done' }],
    ['failed', 0, 90_000, { step: 'done' }],
    ['held_out', undefined, 90_000, { step: 'done' }],
  ])('%s, tried %s ms ago, nonces known for %s ms', (state, attemptedAgoMs, nonceWindowMs, expected) => {
    expect(nextStep({ state, attemptedAgoMs, nonceWindowMs })).toEqual(expected)
  })

  it('nothing is looked up while a try may be under way, and no nonce is relied on after its time', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<FollowUpState>('sending', 'uncertain'),
        fc.nat(10_000_000),
        fc.nat(1_000_000),
        (state, attemptedAgoMs, nonceWindowMs) => {
          const { step } = nextStep({ state, attemptedAgoMs, nonceWindowMs })
          expect(step === 'again').toBe(attemptedAgoMs < nonceWindowMs)
          expect(step === 'look').toBe(attemptedAgoMs >= nonceWindowMs + IN_FLIGHT_MS)
          expect(step).not.toBe('send')
        },
      ),
    )
  })
})

describe('what becomes of a try that failed', () => {
  it.each<[string, Partial<FailedTry>, object]>([
    ['no answer', {}, { state: 'uncertain', next: 'later', waitMs: 5_000 }],
    ['no answer again', { attemptedAgoMs: 20_000 }, { state: 'uncertain', next: 'later', waitMs: 20_000 }],
    ['no answer for ever', { attemptedAgoMs: 12 * HOUR }, { state: 'uncertain', next: 'end' }],
    ['busy', { failure: 'retry' }, { state: 'prepared', next: 'retry' }],
    ['busy until', { failure: 'retry', retryAfterMs: 700 }, { state: 'prepared', next: 'later', waitMs: 700 }],
    [
      'busy until, after a doubt',
      { failure: 'retry', retryAfterMs: 700, doubtful: true },
      { state: 'uncertain', next: 'later', waitMs: 700 },
    ],
    ['busy for ever', { failure: 'retry', preparedAgoMs: 12 * HOUR }, { state: 'failed', next: 'end' }],
    ['refused', { failure: 'refused' }, { state: 'failed', next: 'end' }],
    ['refused after a doubt', { failure: 'refused', doubtful: true }, { state: 'uncertain', next: 'end' }],
    ['a closed door', { failure: 'suppress' }, { state: 'failed', next: 'end' }],
    ['filtered', { failure: 'plain' }, { state: 'prepared', next: 'plain' }],
    ['filtered, though plain', { failure: 'plain', isPlain: true }, { state: 'failed', next: 'end' }],
    ['filtered after a doubt', { failure: 'plain', doubtful: true }, { state: 'uncertain', next: 'end' }],
    ['halted', { failure: 'halt' }, { state: 'prepared', next: 'later', waitMs: HOUR }],
    [
      'halted for a time',
      { failure: 'halt', retryAfterMs: 2 * HOUR },
      { state: 'prepared', next: 'later', waitMs: 2 * HOUR },
    ],
  ])('%s', (_name, change, expected) => {
    expect(afterFailure({ ...TRIED, ...change })).toEqual(expected)
  })

  it('a doubt never becomes "surely not sent", whatever a later try is told', () => {
    const any = fc.record({
      failure: fc.constantFrom(...(['retry', 'uncertain', 'refused', 'suppress', 'plain', 'halt'] as const)),
      retryAfterMs: fc.option(fc.nat(HOUR), { nil: undefined }),
      isPlain: fc.boolean(),
      preparedAgoMs: fc.nat(24 * HOUR),
      attemptedAgoMs: fc.nat(24 * HOUR),
    })
    fc.assert(
      fc.property(any, change => {
        expect(afterFailure({ ...TRIED, ...change, doubtful: true }).state).toBe('uncertain')
      }),
    )
  })

  it('a doubt is looked at ever more seldom, and not for ever', () => {
    const waits: number[] = []
    for (let ageMs = 0; ; ) {
      const waitMs = lookAgainInMs({ ageMs, longestMs: 12 * HOUR })
      if (waitMs === undefined) break
      waits.push(waitMs)
      ageMs += waitMs
    }
    expect(waits.length).toBeLessThan(30)
    expect(Math.max(...waits)).toBe(HOUR)
    expect(waits[0]).toBe(5_000)
  })
})

it('a nonce is the same for every try of a text, fits, and is another one for another text', () => {
  expect(nonceOf('job-1', 'a')).toBe(nonceOf('job-1', 'a'))
  expect(nonceOf('job-1', 'a')).toMatch(/^[\w-]{22}$/)
  expect(new Set([nonceOf('job-1', 'a'), nonceOf('job-1', 'b'), nonceOf('job-2', 'a')]).size).toBe(3)
})
