import { BelfryError, show } from '../errors.ts'

/** @throws BelfryError `BELFRY_INVALID_OPTION` when the value is none of those there are */
export function requireChoice<T extends string>(
  value: unknown,
  rule: { readonly name: string; readonly of: readonly T[] },
): T {
  const choice = rule.of.find(each => each === value)
  if (choice !== undefined) return choice
  throw new BelfryError('BELFRY_INVALID_OPTION', `${rule.name}: expected ${rule.of.join(', ')}, got ${show(value)}`)
}
