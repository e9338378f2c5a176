import type { Queryable } from 'belfry/database'

/** One decision at a time about opening a channel to somebody, over all processes, until the transaction ends. */
export async function lockOpenings(transaction: Queryable): Promise<void> {
  await transaction.query("select pg_advisory_xact_lock(hashtextextended('belfry:openings', 0))")
}

/** How many channels follow-ups have begun to open lately. One that was refused counts too: it was asked for. */
export async function countOpenings(
  database: Queryable,
  request: { exceptJob: string | undefined; now: string | null },
): Promise<{ openedLastHour: number; openedLastDay: number }> {
  const counted = await database.query<{ hour: number; day: number }>(
    `select count(*)::int as day,
       (count(*) filter (where channel_opened_at > coalesce($2::text::timestamptz, now()) - interval '1 hour'))::int as hour
     from follow_up_history
     where channel_opened_at > coalesce($2::text::timestamptz, now()) - interval '24 hours'
       and job_id is distinct from $1::text`,
    [request.exceptJob ?? null, request.now],
  )
  const row = counted.rows[0]
  return { openedLastHour: row?.hour ?? Number.NaN, openedLastDay: row?.day ?? Number.NaN }
}
