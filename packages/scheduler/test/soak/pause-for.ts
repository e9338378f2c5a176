import { setTimeout as pause } from 'node:timers/promises'

/** Waits; false when the signal cut it short. */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<boolean> {
  await pause(ms, undefined, { signal }).catch(() => {})
  return !signal.aborted
}
