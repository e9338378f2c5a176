import type { WindowOptions } from '../../job/delivery.ts'
import type { DeliveryWindow } from '../../job/delivery-window.ts'
import type { Opens } from './history.ts'
import type { SeededRandom } from './random.ts'

/** Windows are open every second span of this length: jobs wait for an opening, and worlds end in time. */
export const SPAN_MINUTES = 2
/** Spans in which a window is open; one more and a definition would have too many hours. */
const OPENINGS = 25
/** Clocks that show noon and half past five when a world begins. */
const ZONES = { 'first half': 'UTC', 'second half': 'Asia/Kolkata' } as const satisfies Record<string, string>
const SPREAD_MS = 20_000

/**
 * By the clocks of the first zone it is open in the first half of every two spans, by those of the other one in the second:
 * where a window goes by the wrong zone, jobs start when they must not.
 */
export function everySecondSpan(): DeliveryWindow {
  const from = (minutes: number) =>
    Array.from({ length: OPENINGS }, (_, index) => hoursFrom(minutes + 2 * SPAN_MINUTES * index))
  return { hours: [...from(12 * 60), ...from(17 * 60 + 30 + SPAN_MINUTES)], spread: SPREAD_MS }
}

function hoursFrom(minutes: number): { from: string; to: string } {
  const text = (minute: number) =>
    [Math.floor(minute / 60), minute % 60].map(part => String(part).padStart(2, '0')).join(':')
  return { from: text(minutes), to: text(minutes + SPAN_MINUTES) }
}

/** What a call says of the window of one job. */
export function windowOptions(opens: Opens): WindowOptions {
  if (opens === 'always') return { window: false }
  return opens === 'first half' ? {} : { timeZone: ZONES[opens] }
}

/** When a job may start, by what its call says. */
export function opensOf({ job, window, timeZone }: { job: string; window?: unknown; timeZone?: unknown }): Opens {
  if (job !== 'windowed' || window === false) return 'always'
  return timeZone === ZONES['second half'] ? 'second half' : 'first half'
}

/** What tells whose jobs these are: people move from one zone to another, and are paused. */
export const SUBJECTS = ['lodger', 'guest']

/** The zone somebody may move to. */
export function anyZone(random: SeededRandom): string {
  return random.pick(Object.values(ZONES))
}

/** Whether a window is open at an instant, in milliseconds since 1970: spans begin at noon, as worlds do. */
export function isOpen(opens: Opens, at: number): boolean {
  const span = Math.floor(at / (SPAN_MINUTES * 60_000)) % 2
  return opens === 'always' || (span === 0) === (opens === 'first half')
}
