import type { Scheduler } from 'belfry'
import type { Pool } from 'pg'

/** Stop on SIGTERM: finish what runs, give back what does not finish, then close the pool. */
export function stopOnSignal(scheduler: Scheduler, pool: Pool): void {
  process.once('SIGTERM', () => {
    void scheduler.stop().then(() => pool.end())
  })
}
