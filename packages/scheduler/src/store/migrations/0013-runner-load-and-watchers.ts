import type { Migration } from './migration.ts'

/**
 * What each process costs, in its row of the registry, and who watches events: while this table is empty no process
 * publishes any. Columns without a default, so that processes of the release before go on writing their rows.
 */
export const runnerLoadAndWatchers: Migration = {
  version: 9,
  name: 'runner load and watchers',
  statements: ({ runners, watchers }) => [
    `alter table ${runners}
      add column cpu_share double precision,
      add column memory_bytes bigint,
      add column loop_delay_ms double precision,
      add column loop_blocked_ms double precision`,
    `create table ${watchers} (
      watcher_id uuid primary key,
      watching_until timestamptz not null
    )`,
  ],
}
