/** How wrong a process's clock is, by the database's. */
export interface ClockSkew {
  /** Milliseconds by which it is ahead; negative: behind. */
  readonly skewMs: number
  /** By how much that may be off: half the time that asking the database took. */
  readonly errorMs: number
}

/** Clocks that somebody keeps right differ by milliseconds; a second is common without. */
const MOST_SKEW_MS = 5_000

/**
 * The database told its time at some moment between question and answer. Pure.
 * @param asked this process's own time at the question, and how long the answer took, in ms
 */
export function skewOf(databaseMs: number, asked: { readonly at: number; readonly tookMs: number }): ClockSkew {
  const errorMs = asked.tookMs / 2
  return { skewMs: asked.at + errorMs - databaseMs, errorMs }
}

/** Whether a clock is surely wrong by more than five seconds. Pure. */
export function isSkewed(skew: ClockSkew | null): boolean {
  return skew !== null && Math.abs(skew.skewMs) - skew.errorMs > MOST_SKEW_MS
}

/** `5.0 h ahead of`, `12.3 s behind`. Pure. */
export function describeSkew({ skewMs }: ClockSkew): string {
  const seconds = Math.abs(skewMs) / 1_000
  const amount = seconds < 600 ? `${seconds.toFixed(1)} s` : `${(seconds / 3_600).toFixed(1)} h`
  return `${amount} ${skewMs > 0 ? 'ahead of' : 'behind'}`
}
