import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { difference, wilson } from '../../src/followups/intervals.ts'

const to4 = ({ low, high }: { low: number; high: number }) => [Number(low.toFixed(4)), Number(high.toFixed(4))]

describe("Wilson's interval", () => {
  // R. G. Newcombe, Statistics in Medicine 17 (1998) 857–872, table I, method 3.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %i of %i is the published one', (count, of, low, high) => {
    expect(to4(wilson(count, of))).toEqual([low, high])
  })

  it('holds the share, stays between 0 and 1, is the same from the other side, and narrows with more', () => {
    const share = fc
      .integer({ min: 1, max: 5_000 })
      .chain(of => fc.tuple(fc.integer({ min: 0, max: of }), fc.constant(of)))
    fc.assert(
      fc.property(share, ([count, of]) => {
        const { value, low, high } = wilson(count, of)
        const other = wilson(of - count, of)
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
        expect(value).toBeGreaterThanOrEqual(low)
        expect(value).toBeLessThanOrEqual(high)
        expect(other.low).toBeCloseTo(1 - high, 9)
        const ten = wilson(count * 10, of * 10)
        expect(ten.high - ten.low).toBeLessThan(high - low)
      }),
    )
  })

  it.each([
    [1, 0],
    [-1, 5],
    [6, 5],
    [0.5, 5],
    [Number.NaN, 5],
  ])('of %d of %d is refused', (count, of) => {
    expect(() => wilson(count, of)).toThrow(RangeError)
  })
})

describe("Newcombe's interval of a difference", () => {
  // R. G. Newcombe, Statistics in Medicine 17 (1998) 873–890, table II, method 10.
  it.each([
    [56, 70, 48, 80, 0.0524, 0.3339],
    [9, 10, 3, 10, 0.1705, 0.809],
    [6, 7, 2, 7, 0.0582, 0.8062],
    [5, 56, 0, 29, -0.0381, 0.1926],
    [0, 10, 0, 20, -0.1611, 0.2775],
    [0, 10, 0, 10, -0.2775, 0.2775],
    [10, 10, 0, 20, 0.6791, 1],
    [10, 10, 0, 10, 0.6075, 1],
  ])('of %i of %i and %i of %i is the published one', (a, m, b, n, low, high) => {
    expect(to4(difference(wilson(a, m), wilson(b, n)))).toEqual([low, high])
  })

  it('turns its sign with its arms', () => {
    const there = difference(wilson(30, 100), wilson(20, 100))
    const back = difference(wilson(20, 100), wilson(30, 100))
    expect(back.low).toBeCloseTo(-there.high, 12)
    expect(back.high).toBeCloseTo(-there.low, 12)
  })
})
