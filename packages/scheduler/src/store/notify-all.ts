import type { Queryable } from '../database/database.ts'

/** Sends messages to whoever listens on a channel. */
export async function notifyAll(database: Queryable, channel: string, messages: readonly string[]): Promise<void> {
  await database.query('select pg_notify($1::text, message) from unnest($2::text[]) as message', [channel, messages])
}
