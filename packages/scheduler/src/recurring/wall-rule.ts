/**
 * A rule as a clock on a wall sees it, knowing nothing of zones. Times are wall times: the milliseconds that the same
 * reading would be in UTC.
 */
export interface WallRule {
  /** As stored; parsing it again gives the same rule. */
  readonly text: string
  /** Comes again within the day by a wildcard or a step: it goes by elapsed time when the clocks change. */
  readonly elapsed: boolean
  /** The first time strictly after another; undefined when there is none within reach. */
  next(wall: number): number | undefined
  /** Steps that its searches have taken so far: days tested, units passed over. */
  readonly steps: number
}

/** Where a search ends: the year 3000, as for jobs. */
export const LATEST_WALL = Date.UTC(3000, 0, 1)
