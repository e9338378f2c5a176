/** A share of a whole, and where the true one is with 95 % confidence. All three from 0 to 1. */
export interface Share {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** The 97.5 % point of the normal distribution: both tails of a 95 % interval. */
const Z = 1.959963984540054

/**
 * Wilson's score interval for `count` of `of` (no continuity correction), which unlike the textbook one stays between 0
 * and 1 and holds for few and for none. Wilson 1927; numbers in the tests are from Newcombe, Statistics in Medicine 17
 * (1998) 857–872, table I.
 * @throws RangeError unless 0 ≤ count ≤ of and of > 0, whole numbers
 */
export function wilson(count: number, of: number): Share {
  if (!Number.isInteger(count) || !Number.isInteger(of) || count < 0 || of <= 0 || count > of)
    throw new RangeError(`expected a share such as 3 of 10, got ${count} of ${of}`)
  const value = count / of
  const centre = value + (Z * Z) / (2 * of)
  const spread = Z * Math.sqrt((value * (1 - value)) / of + (Z * Z) / (4 * of * of))
  const whole = 1 + (Z * Z) / of
  // The formula's own ends at none and all; what arithmetic adds to them is noise.
  const low = count === 0 ? 0 : (centre - spread) / whole
  const high = count === of ? 1 : (centre + spread) / whole
  return { value, low, high }
}

/**
 * How much larger the first share is than the second, with Newcombe's hybrid score interval: Newcombe, Statistics in
 * Medicine 17 (1998) 873–890, method 10; the examples of its table II are in the tests. From -1 to 1.
 */
export function difference(first: Share, second: Share): Share {
  const value = first.value - second.value
  return {
    value,
    low: value - Math.hypot(first.value - first.low, second.high - second.value),
    high: value + Math.hypot(first.high - first.value, second.value - second.low),
  }
}
