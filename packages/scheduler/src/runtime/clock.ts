/** A timer that was set; `cancel()` is safe to call more than once and after it fired. */
export interface Timer {
  cancel(): void
}

/**
 * Where time comes from. Injected everywhere, so that a test or a simulation can move it.
 *
 * The database decides what is due: `databaseNow()` is what statements use for "now". A real clock answers
 * `null` there, which makes every statement use the database server's own `now()`; a virtual clock answers its time.
 */
export interface Clock {
  /** This process's idea of the present; for measuring and display, never compared with a stored time. */
  now(): Date
  /** What statements shall take for now; `null` means the database's own clock. */
  databaseNow(): Date | null
  /** Milliseconds that only ever grow, for durations and local lease deadlines. */
  monotonic(): number
  /** Calls `run` once after `delayMs` milliseconds (0 and negative: as soon as possible). */
  setTimer(delayMs: number, run: () => void): Timer
}

/** The longest delay Node's timers take (2^31 - 1 ms); longer ones would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647

/** Real time. Its timers keep the process alive, as a running scheduler should; stopping one cancels them all. */
export const systemClock: Clock = {
  now: () => new Date(),
  databaseNow: () => null,
  monotonic: () => performance.now(),
  setTimer: (delayMs, run) => cancelling(startTimer(delayMs, run)),
}

/** Real time, by timers that are no reason for a process to stay. */
export const backgroundTimers: Pick<Clock, 'setTimer'> = {
  setTimer: (delayMs, run) => cancelling(startTimer(delayMs, run).unref()),
}

function startTimer(delayMs: number, run: () => void): NodeJS.Timeout {
  return setTimeout(run, Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS))
}

function cancelling(timer: NodeJS.Timeout): Timer {
  return { cancel: () => clearTimeout(timer) }
}

/** Resolves after `delayMs` milliseconds of the clock's time, or at once when `signal` aborts. Never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const finish = () => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = clock.setTimer(delayMs, finish)
    signal?.addEventListener('abort', finish, { once: true })
  })
}

/**
 * Resolves when `work` has ended, however it ended, or after `withinMs` milliseconds, and says whether it had; leaves no
 * timer behind.
 */
export function endedWithin(clock: Clock, work: Promise<unknown>, withinMs: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = clock.setTimer(withinMs, () => resolve(false))
    const ended = () => {
      timer.cancel()
      resolve(true)
    }
    work.then(ended, ended)
  })
}
