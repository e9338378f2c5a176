import type { Scheduler, SchedulerEvents } from 'belfry'

type Settled = SchedulerEvents['job:settled']

/** Resolves with the next settled attempt that fits; subscribe before causing it. */
export function nextSettled(scheduler: Scheduler, fits: (event: Settled) => boolean = () => true): Promise<Settled> {
  return new Promise(resolve => {
    const off = scheduler.on('job:settled', event => {
      if (!fits(event)) return
      off()
      resolve(event)
    })
  })
}

/** A promise and the function that resolves it. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => {}
  const promise = new Promise<T>(resolve => (open = resolve))
  return { promise, open }
}
