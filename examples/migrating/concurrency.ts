import { defineJob, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'

const makeThumbnail = defineJob({ type: 'make_thumbnail', concurrency: 2, handler: () => 'small' })
const fetchFeed = defineJob({ type: 'fetch_feed', handler: () => 'read' })

/** In this process at most 20 jobs at once, and at most 2 of them thumbnails. */
export function limited(database: Database): Scheduler {
  return new Scheduler({ database, jobs: [makeThumbnail, fetchFeed], concurrency: 20 })
}
