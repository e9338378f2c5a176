import { BelfryError, show } from '../errors.ts'

/** Largest value of the integer columns such numbers are stored in. */
const LARGEST_WHOLE = 2_147_483_647

/**
 * A whole number within bounds, or undefined when it was not given.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function requireWhole(value: unknown, rule: { name: string; least: number }): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < rule.least || value > LARGEST_WHOLE) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `${rule.name}: expected a whole number from ${rule.least} up, got ${show(value)}`,
    )
  }
  return value
}

const HIGHEST_PRIORITY = 100

/**
 * A priority, or undefined when it was not given.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function requirePriority(value: unknown, name: string): number | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) > HIGHEST_PRIORITY) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `${name}: expected a whole number from -${HIGHEST_PRIORITY} to ${HIGHEST_PRIORITY}, got ${show(value)}`,
    )
  }
  return value
}
