import type { Migration } from './migration.ts'

/** Runners tell how many of their handlers are deaf to their timeouts. */
export const overruns: Migration = {
  version: 11,
  name: 'overruns',
  statements: ({ runners }) => [`alter table ${runners} add column overrun integer not null default 0`],
}
