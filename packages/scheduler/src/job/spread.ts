import { createHash } from 'node:crypto'

/**
 * How long after an instant a job starts, in milliseconds: anything from 0 up to the window, always the same for the
 * same instant and key (a schedule, a person), and evenly spread over many.
 */
export function spreadDelay(key: string, instant: Date, windowMs: number): number {
  if (windowMs === 0) return 0
  const digest = createHash('sha256').update(`${key}\0${instant.toISOString()}`).digest()
  // 48 bits: exact in a double, and far finer than a window of a hundred years in milliseconds.
  return digest.readUIntBE(0, 6) % windowMs
}
