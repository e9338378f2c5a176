import { BelfryError } from '../errors.ts'

/** An error as a history row keeps it. */
export interface ErrorRecord {
  readonly code: string | null
  readonly message: string
  readonly stack: string | null
}

/** Caps: enough to see what happened, small enough that a million failures do not fill the disk. */
const LONGEST_MESSAGE = 2_000
const LONGEST_STACK = 8_000

/** Describes anything that was thrown as plain text that PostgreSQL can store. Never throws. */
export function recordError(thrown: unknown): ErrorRecord {
  if (!(thrown instanceof Error))
    return { code: null, message: storable(describe(thrown), LONGEST_MESSAGE), stack: null }
  const code = thrown instanceof BelfryError ? thrown.code : codeOf(thrown)
  return {
    code,
    message: storable(thrown.message || thrown.name, LONGEST_MESSAGE),
    stack: thrown.stack ? storable(thrown.stack, LONGEST_STACK) : null,
  }
}

function codeOf(error: Error): string | null {
  return 'code' in error && typeof error.code === 'string' ? error.code.slice(0, 100) : null
}

function describe(thrown: unknown): string {
  try {
    return typeof thrown === 'string'
      ? thrown
      : `a thrown ${typeof thrown}: ${JSON.stringify(thrown) ?? String(thrown)}`
  } catch {
    return `a thrown ${typeof thrown}`
  }
}

/** Text without NUL and lone surrogates, cut to a length. */
export function storable(text: string, longest: number): string {
  return text.slice(0, longest).replaceAll('\0', '�').toWellFormed()
}
