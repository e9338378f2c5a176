import type { Queryable } from '../database/database.ts'
import { durableTables } from './durable-tables.ts'
import type { Tables } from './tables.ts'

/** An event as senders and waiting jobs name it. */
export interface Topic {
  readonly event: string
  readonly key: string
}

/**
 * Takes turns with everybody who sends this event or begins to wait for it, until the transaction ends. The next
 * statement of the transaction then sees what those before have done; under a stricter isolation than READ COMMITTED
 * this fails with SQLSTATE 40001 where it could not.
 */
export async function lockTopic(
  transaction: Queryable,
  tables: Tables,
  { event, key, now }: Topic & { now: string | null },
): Promise<void> {
  await transaction.query(
    `insert into ${durableTables(tables).topics} (name, key, used_at)
     values ($1::text, $2::text, coalesce($3::text::timestamptz, clock_timestamp()))
     on conflict (name, key) do update set used_at = excluded.used_at`,
    [event, key, now],
  )
}
