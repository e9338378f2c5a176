import { accessSync, constants, statSync } from 'node:fs'

/** One environment variable: what `.env.example`, the docs and the checks agree on. */
export interface Variable {
  readonly name: string
  /** Used when it is unset or empty; undefined: none. */
  readonly fallback: string | undefined
  /** Completes "expected …" in an error. */
  readonly expects: string
  /** One line for `.env.example` and the docs. */
  readonly about: string
  /** Never shown. */
  readonly secret?: boolean
  accepts(text: string): boolean
  /** What exactly is wrong with a value that is refused, where `expects` alone would leave one guessing. */
  readonly fault?: (text: string) => string | undefined
}

type VariableOptions = Pick<Variable, 'name' | 'about'> & { fallback?: string }

export const text = (
  options: VariableOptions & Pick<Variable, 'expects' | 'secret' | 'fault'> & { accepts?: (value: string) => boolean },
): Variable => ({
  fallback: undefined,
  accepts: () => true,
  ...options,
})

export const flag = (options: VariableOptions): Variable => ({
  fallback: undefined,
  ...options,
  expects: 'true or false',
  accepts: value => /^(true|false|1|0|yes|no|on|off)$/i.test(value),
})

export const number = (
  options: VariableOptions & { least: number; most: number; whole?: boolean; unit?: string },
): Variable => ({
  fallback: undefined,
  ...options,
  expects: `a ${options.whole ? 'whole ' : ''}number${options.unit ? ` of ${options.unit}` : ''} from ${options.least} to ${options.most}`,
  accepts: value =>
    /^\d{1,9}(\.\d{1,9})?$/.test(value) &&
    Number(value) >= options.least &&
    Number(value) <= options.most &&
    (!options.whole || Number.isInteger(Number(value))),
})

export const choice = (options: VariableOptions & { of: readonly string[] }): Variable => ({
  fallback: undefined,
  ...options,
  expects: `one of ${options.of.join(', ')}`,
  accepts: value => options.of.includes(value),
})

export function isReadableFile(value: string): boolean {
  try {
    accessSync(value, constants.R_OK)
    return statSync(value).isFile()
  } catch {
    return false
  }
}

export function isPostgresUrl(value: string): boolean {
  return URL.canParse(value) && /^postgres(ql)?:$/.test(new URL(value).protocol) && new URL(value).hostname !== ''
}

export function isHttpUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, username, password } = new URL(value)
  return /^https?:$/.test(protocol) && username === '' && password === ''
}

export function isTimeZone(value: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).format() !== ''
  } catch {
    return false
  }
}
