import { BelfryError } from 'belfry'
import { ConfigError } from './config.ts'

/** Wrong usage and wrong settings; everything else that ends a program is 1. */
export const EXIT_USAGE = 2

/** Something wrong with how a program was called. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
}

/** Reads options; what is wrong with one is wrong usage, everything else a fault of ours. */
export function usage<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof BelfryError || error instanceof TypeError) throw new UsageError(error.message)
    throw error
  }
}

/** The longest a polite stop may take before the process ends anyway. */
const STOP_WITHIN_MS = 10_000

/** Given by `npm start`: stop cleanly when the shell that started this program is gone. */
const STOP_WITH_PARENT = '--stop-with-parent'
/** How often a program that stops with its parent looks whether it still has one. */
const PARENT_CHECK_MS = 500

/**
 * Calls `onGone` when this process's parent ends. `npm start` passes SIGTERM to a shell that dies of it without a word to
 * the program inside; losing that parent is then the signal.
 */
function watchParent(onGone: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    onGone()
  }, PARENT_CHECK_MS)
  timer.unref()
}

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
  if (process.argv.includes(STOP_WITH_PARENT)) watchParent(onSignal)
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
