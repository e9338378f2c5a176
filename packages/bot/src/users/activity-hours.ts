/**
 * When somebody writes: how much, by hour of the week. Counts of hours only, no guess of a place or a way of life.
 */
export interface ActivityHours {
  /** 168 weights, Monday 00:00 UTC first. Newer messages weigh more: twice as much as those of 30 days before. */
  readonly weights: readonly number[]
  /** Messages counted, and the days (UTC) on which they were said. */
  readonly messages: number
  readonly days: number
}

/** After this many days a message weighs half as much as a new one. */
export const HALF_LIFE_DAYS = 30

const HOUR_MS = 3_600_000
/** 1970 began on a Thursday: 72 hours into a week. */
const HOURS_BEFORE_EPOCH = 72

/** The hour of the week in UTC, 0 to 167, Monday 00:00 first. */
export function hourOfWeek(instant: Date): number {
  return (Math.floor(instant.getTime() / HOUR_MS) + HOURS_BEFORE_EPOCH) % 168
}
