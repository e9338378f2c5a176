import type { Migration } from './migration.ts'

/**
 * What each process costs, and how wrong its clock is, in its row of the registry. Columns without a default, so that processes of the release
 * before go on writing their rows.
 */
export const runnerLoad: Migration = {
  version: 12,
  name: 'runner load',
  statements: ({ runners }) => [
    `alter table ${runners}
      add column cpu_share double precision,
      add column memory_bytes bigint,
      add column loop_delay_ms double precision,
      add column loop_blocked_ms double precision,
      add column clock_skew_ms double precision,
      add column clock_error_ms double precision`,
  ],
}
