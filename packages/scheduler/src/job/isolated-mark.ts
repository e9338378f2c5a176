import { BelfryError, show } from '../errors.ts'

/** What an isolated handler carries, so that it is known where it cannot work. */
export const ISOLATED = Symbol('isolated handler')

/** @throws BelfryError `BELFRY_INVALID_OPTION` for a handler that runs in worker threads */
export function refuseIsolated(handler: unknown, why: string): void {
  if (typeof handler !== 'function' || !(ISOLATED in handler)) return
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `handler: expected a function of this thread, got ${show('isolated(…)')}: ${why}, and a thread is given one ` +
      'payload and no transaction',
  )
}
