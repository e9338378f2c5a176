import { defineJob, type Scheduler } from 'belfry'

/** Builds the search index of the whole catalogue; `build` reads it page by page. */
export function searchIndex(build: (revision: number) => Promise<void>) {
  const rebuild = defineJob<{ revision: number }>({
    type: 'rebuild_search',
    handler: ({ revision }) => build(revision),
  })

  /** The catalogue has changed: never two builds at once, and never a change that no build has seen. */
  const changed = (scheduler: Scheduler, revision: number) =>
    scheduler.scheduleJob(rebuild, { revision }, { uniqueKey: 'catalogue', onConflict: 'rerun' })

  return { rebuild, changed }
}
