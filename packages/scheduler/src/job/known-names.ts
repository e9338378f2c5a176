import { BelfryError, show } from '../errors.ts'

type NamesOf<Options> = Options extends unknown ? keyof Options & string : never

/** The names options may have, of each of their alternatives: the compiler refuses a list that lacks one or has one too many. */
export type KnownNames<Options> = Readonly<Record<NamesOf<Options>, true>>

/**
 * Refuses options that nobody reads: a slip such as `concurency`, or a name from another library, would be left out in
 * silence, where the compiler does not look.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function refuseUnknown(options: object, known: Readonly<Record<string, true>>, what: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(known, name) || value === undefined) continue
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `${what}: expected ${Object.keys(known).join(', ')}, got ${show(name)}; nothing was done`,
    )
  }
}

/**
 * Refuses names that are there without a value: what narrows an act would not, as if it had been left out.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function refuseUndefined(options: object, what: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) continue
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `${what}.${name}: expected a value, got undefined, which would widen the act; leave it out to mean any; nothing was done`,
    )
  }
}

/**
 * Options that are an object: null, or what belongs beside them, is a slip that would show as a TypeError of ours.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function requireOptions<Options extends object>(options: Options, what: string): Options {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options
  throw new BelfryError('BELFRY_INVALID_OPTION', `${what}: expected an object, got ${show(options)}; nothing was done`)
}
