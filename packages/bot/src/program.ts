import { BelfryError } from 'belfry'
import { ConfigError } from './config.ts'

/** Wrong usage and wrong settings; everything else that ends a program is 1. */
export const EXIT_USAGE = 2

/** Something wrong with how a program was called. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
}

/** The longest a polite stop may take before the process ends anyway. */
const STOP_WITHIN_MS = 10_000

/**
 * Runs a program to its exit code. Errors become one plain message; their stack is for `LOG_LEVEL=debug`.
 * @param main gets a signal that aborts on the first Ctrl-C or SIGTERM; a second one ends the process at once
 */
export async function runProgram(main: (stop: AbortSignal) => Promise<number>): Promise<void> {
  const stop = new AbortController()
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130)
    stop.abort()
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // Whoever reads our output may go away first (`| head`); that is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  try {
    process.exitCode = await main(stop.signal)
  } catch (error) {
    process.stderr.write(`belfry: ${explain(error)}\n`)
    process.exitCode = error instanceof ConfigError || error instanceof UsageError ? EXIT_USAGE : 1
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const known = error instanceof BelfryError || 'code' in error
  return known ? error.message : `unexpected: ${error.message} (LOG_LEVEL=debug shows more)`
}
