import type { Queryable } from 'belfry/database'
import { RESUMED } from './controls-store.ts'
import { optedOutAfter } from './report-store.ts'

/** How the last follow-ups were taken. */
export interface LastSends {
  readonly sends: number
  readonly optOuts: number
  readonly dmClosed: number
}

/** The last sends since follow-ups were resumed last: those that went out, and those the person's platform refused. */
export async function readLastSends(
  database: Queryable,
  request: { limit: number; windowMs: number; now: string | null },
): Promise<LastSends> {
  const found = await database.query<{ sends: number; opt_outs: number; dm_closed: number }>(
    `with last as (
       select id, user_id, state, sent_at from follow_up_history
       where (state = 'sent' or failure_code = 'dm_closed')
         and coalesce(sent_at, attempted_at, prepared_at) <= coalesce($3::text::timestamptz, clock_timestamp())
         and coalesce(sent_at, attempted_at, prepared_at)
           > coalesce((select max(at) from bot_audit where act = '${RESUMED}'), '-infinity')
       order by coalesce(sent_at, attempted_at, prepared_at) desc, id desc limit $1::int
     )
     select count(*)::int as sends, count(*) filter (where state <> 'sent')::int as dm_closed,
       count(*) filter (where state = 'sent' and ${optedOutAfter('last', "$2::float8 * interval '1 millisecond'")})::int
         as opt_outs
     from last`,
    [request.limit, request.windowMs, request.now],
  )
  const { sends = 0, opt_outs: optOuts = 0, dm_closed: dmClosed = 0 } = found.rows[0] ?? {}
  return { sends, optOuts, dmClosed }
}

/** Sets the guardrail; one that holds already is left as it is. True when this call set it. */
export async function raiseGuardrail(
  database: Queryable,
  request: { reason: string; now: string | null },
): Promise<boolean> {
  const raised = await database.query<{ name: string }>(
    `insert into follow_up_controls (name, reason, set_by, set_at)
     values ('guardrail', $1::text, 'guardrail', coalesce($2::text::timestamptz, now()))
     on conflict (name) do nothing returning name`,
    [request.reason, request.now],
  )
  return raised.rows.length > 0
}
