import { BelfryError, parseDuration } from 'belfry'

const HOUR_MS = 3_600_000
/** 30 days: further ahead nobody remembers what it was about. */
const LONGEST_MS = 720 * HOUR_MS

/**
 * The delay of `!schedule_followup`: hours (`24`, `0.5`) or a duration (`90m`, `2d`, `1h30m`); more than 0, at most 720 h.
 * Answers milliseconds, or undefined for anything else.
 */
export function parseDelay(text: string): number | undefined {
  const ms = /^\d{1,6}(\.\d{1,6})?$/.test(text) ? Number(text) * HOUR_MS : durationOf(text)
  return ms !== undefined && ms > 0 && ms <= LONGEST_MS ? ms : undefined
}

/** What is allowed, for the reply to anything else. */
export const DELAY_EXPECTS = 'hours such as 24 or 0.5, or a duration such as 90m or 2d: more than 0, at most 720 hours'

function durationOf(text: string): number | undefined {
  try {
    return parseDuration(text)
  } catch (error) {
    if (error instanceof BelfryError) return undefined
    throw error
  }
}
