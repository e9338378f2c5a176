import { BelfryError } from '../errors.ts'
import { serializePayload } from '../job/payload.ts'

/**
 * The text a step's result is stored as; null for undefined.
 * @throws BelfryError `BELFRY_STEP_RESULT`, after which the job fails: doing the step again would repeat its effects
 */
export function serializeResult(result: unknown, what: string, maxBytes: number): string | null {
  if (result === undefined) return null
  try {
    return serializePayload(result, what, maxBytes)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'it is not plain JSON'
    throw new BelfryError(
      'BELFRY_STEP_RESULT',
      `the result of ${what} cannot be stored, although its work is done: ${why} Answer plain JSON from it, or nothing.`,
      { cause },
    )
  }
}

/** The value as it will be read back. The first run gets this too, so that a replay can bring no surprise. */
export function readBack(text: string | null): unknown {
  return text === null ? undefined : JSON.parse(text)
}
