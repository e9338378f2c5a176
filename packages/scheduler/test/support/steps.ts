/** Thrown out of work that takes more steps than it may: it ends there, however long it would have gone on. */
export class TooManySteps extends Error {}

/**
 * Runs work and counts its steps: how often it makes a `Date`, or asks one to be worked out. Every search in a calendar,
 * ours and croner's, does that at each step, and the count is the same on any machine.
 */
export function countSteps<T>(work: () => T, limit: number): { result: T; steps: number } {
  const real = globalThis.Date
  let steps = 0
  const step = () => {
    steps += 1
    if (steps > limit) throw new TooManySteps(`more than ${limit} steps`)
  }
  const utc: typeof Date.UTC = (...parts) => {
    step()
    return real.UTC(...parts)
  }
  globalThis.Date = new Proxy(real, {
    construct(target, parts: unknown[]) {
      step()
      return Reflect.construct(target, parts) as Date
    },
    get: (target, name) => (name === 'UTC' ? utc : (Reflect.get(target, name) as unknown)),
  })
  try {
    const result = work()
    // What was worked on may have taken the error for one of its own.
    if (steps > limit) throw new TooManySteps(`more than ${limit} steps`)
    return { result, steps }
  } finally {
    globalThis.Date = real
  }
}
