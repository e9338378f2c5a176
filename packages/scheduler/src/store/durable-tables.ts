import type { Tables } from './tables.ts'

/** The quoted names of what durable execution keeps. */
export interface DurableTables {
  /** What jobs have done: steps, sleeps, waits and effects, by job. */
  readonly steps: string
  readonly events: string
  /** One row per event name and key that is in use: locked by senders and by jobs that begin to wait. */
  readonly topics: string
}

export function durableTables({ schema }: Pick<Tables, 'schema'>): DurableTables {
  return {
    steps: `${schema}.belfry_steps`,
    events: `${schema}.belfry_events`,
    topics: `${schema}.belfry_event_topics`,
  }
}
