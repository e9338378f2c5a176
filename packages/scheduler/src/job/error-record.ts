/** An error as a history row keeps it. */
export interface ErrorRecord {
  readonly code: string | null
  readonly message: string
  readonly stack: string | null
}

/** Caps: enough to see what happened, small enough that a million failures do not fill the disk. */
const LONGEST_CODE = 100
const LONGEST_MESSAGE = 2_000
const LONGEST_STACK = 8_000

/**
 * Describes anything that was thrown as plain text that PostgreSQL can store. Never throws, whatever somebody made of an
 * error: `Object.assign(new Error(), await response.json())` brings a message that is a number, or a list.
 */
export function recordError(thrown: unknown): ErrorRecord {
  if (!isError(thrown)) return { code: null, message: storable(describe(thrown), LONGEST_MESSAGE), stack: null }
  const message = textOf(thrown, 'message') ?? textOf(thrown, 'name') ?? 'an error without a message'
  const code = read(thrown, 'code')
  const stack = textOf(thrown, 'stack')
  return {
    code: typeof code === 'string' ? storable(code, LONGEST_CODE) : null,
    message: storable(message, LONGEST_MESSAGE),
    stack: stack === undefined ? null : storable(stack, LONGEST_STACK),
  }
}

/** What stands in a field as text; undefined: nothing that could be told. */
function textOf(error: unknown, name: 'message' | 'name' | 'stack'): string | undefined {
  const value = read(error, name)
  if (typeof value === 'string') return value || undefined
  return value === undefined || value === null ? undefined : asText(value)
}

/** A getter may throw, a proxy refuse. */
function read(error: unknown, name: string): unknown {
  try {
    return (error as Record<string, unknown>)[name]
  } catch {
    return undefined
  }
}

/** What was thrown, or an error in its place when it does not even tell what it is (a proxy that refuses to). */
export function tangible(thrown: unknown): unknown {
  return isError(thrown) === undefined ? new Error(`a thrown ${typeof thrown} that cannot be looked at`) : thrown
}

/** Undefined: it does not tell. */
function isError(thrown: unknown): boolean | undefined {
  try {
    return thrown instanceof Error
  } catch {
    return undefined
  }
}

function describe(thrown: unknown): string {
  if (thrown === '') return 'a thrown empty text'
  return typeof thrown === 'string' ? thrown : `a thrown ${typeof thrown}${detail(asText(thrown))}`
}

function detail(text: string | undefined): string {
  return text === undefined ? '' : `: ${text}`
}

function asText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return undefined
  }
}

/** Text without NUL and lone surrogates, cut to a length. */
export function storable(text: string, longest: number): string {
  return text.slice(0, longest).replaceAll('\0', '�').toWellFormed()
}
