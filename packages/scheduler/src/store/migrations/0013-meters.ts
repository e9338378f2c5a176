import type { Migration } from './migration.ts'

/** What a lane remembers beside single starts: its token bucket, its budget, and whose turn it is among its keys. */
export const meters: Migration = {
  version: 13,
  name: 'meters of token buckets and budgets',
  statements: ({ lanes }) => [`alter table ${lanes} add column memory jsonb`],
}
