import type { Database } from './database/database.ts'
import type { EventHub } from './events.ts'
import type { Hints } from './hints.ts'
import type { JobRegistry } from './job/registry.ts'
import type { ResolvedOptions } from './options.ts'
import type { Clock } from './runtime/clock.ts'
import type { Tables } from './store/tables.ts'

/** What every part of one scheduler shares. */
export interface Core {
  readonly options: ResolvedOptions
  readonly database: Database
  readonly tables: Tables
  readonly registry: JobRegistry
  readonly events: EventHub
  readonly hints: Hints
  readonly clock: Clock
}

/** What statements take for now: ISO text under a virtual clock, null for the database's own clock. */
export function databaseNow(core: Core): string | null {
  return core.clock.databaseNow()?.toISOString() ?? null
}
