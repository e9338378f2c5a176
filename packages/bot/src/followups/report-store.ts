import type { Queryable } from 'belfry/database'
import type { ReasonCount, ReportFacts, ReportGroup, ReturnTally, Tally } from './report.ts'

/** When a follow-up went out, or would have. */
const HAPPENED = 'coalesce(sent_at, attempted_at, prepared_at)'

/**
 * Notes that somebody is back: of what they were sent and of what was held back from them alike, whether that was within
 * seven days. What stays NULL after seven days has not brought anybody back.
 */
export async function recordReturn(
  database: Queryable,
  request: { userId: string; now: string | null },
): Promise<void> {
  await database.query(
    `update follow_up_history set returned_within_7d =
       coalesce(sent_at, prepared_at) > coalesce($2::text::timestamptz, now()) - interval '7 days'
     where user_id = $1::text and returned_within_7d is null and state in ('sent', 'held_out')
       and coalesce(sent_at, prepared_at) <= coalesce($2::text::timestamptz, now())`,
    [request.userId, request.now],
  )
}

export interface ReportQuery {
  readonly sinceMs: number
  /** Milliseconds in which an answer or an opt-out counts towards a follow-up. */
  readonly windowMs: number
  readonly now: string | null
}

/** Everything that happened to follow-ups within a span before now. */
export async function readReportFacts(database: Queryable, query: ReportQuery): Promise<ReportFacts> {
  const span = await readSpan(database, query)
  const bounds = [span.since.toISOString(), span.until.toISOString()] as const
  const planned = await database.query<{ planned: number; held_out: number }>(
    `select (select count(distinct job_id)::int from follow_up_decisions
        where stage = 'plan' and decided_at >= $1::text::timestamptz and decided_at <= $2::text::timestamptz) as planned,
       (select count(*)::int from follow_up_history where state = 'held_out'
         and prepared_at >= $1::text::timestamptz and prepared_at <= $2::text::timestamptz) as held_out`,
    bounds,
  )
  return {
    ...span,
    planned: planned.rows[0]?.planned ?? 0,
    heldOut: planned.rows[0]?.held_out ?? 0,
    gated: await readGated(database, bounds),
    failed: await readFailed(database, bounds),
    tallies: await readTallies(database, bounds, query.windowMs),
    returns: await readReturns(database, bounds),
  }
}

type Bounds = readonly [since: string, until: string]

async function readSpan(database: Queryable, query: ReportQuery): Promise<{ since: Date; until: Date }> {
  const read = await database.query<{ now_ms: number }>(
    'select (extract(epoch from coalesce($1::text::timestamptz, now())) * 1000)::float8 as now_ms',
    [query.now],
  )
  const until = read.rows[0]?.now_ms ?? 0
  return { since: new Date(until - query.sinceMs), until: new Date(until) }
}

/** Jobs that the gates ended, by reason; one that was only put off is not among them. */
async function readGated(database: Queryable, bounds: Bounds): Promise<ReasonCount[]> {
  const found = await database.query<{ reason: string; count: number }>(
    `select coalesce(reason, 'unknown') as reason, count(distinct coalesce(job_id, decision_id::text))::int as count
     from follow_up_decisions where stage <> 'plan' and verdict = 'deny'
       and decided_at >= $1::text::timestamptz and decided_at <= $2::text::timestamptz
     group by 1 order by 2 desc, 1`,
    bounds,
  )
  return found.rows
}

async function readFailed(database: Queryable, bounds: Bounds): Promise<ReasonCount[]> {
  const found = await database.query<{ reason: string; count: number }>(
    `select failure_code as reason, count(*)::int as count from follow_up_history
     where failure_code is not null and state <> 'sent'
       and ${HAPPENED} >= $1::text::timestamptz and ${HAPPENED} <= $2::text::timestamptz
     group by 1 order by 2 desc, 1`,
    bounds,
  )
  return found.rows
}

interface TallyRow {
  by: ReportGroup
  key: string
  sent: number
  pending: number
  replied: number
  median_ms: number | null
  opt_outs: number
  dm_closed: number
}

async function readTallies(database: Queryable, bounds: Bounds, windowMs: number): Promise<Tally[]> {
  const found = await database.query<TallyRow>(
    `with span as (
       select $1::text::timestamptz as since, $2::text::timestamptz as until,
         $3::float8 * interval '1 millisecond' as reply_window
     ), sends as (
       select history.*, state = 'sent' as was_sent, sent_at > until - reply_window as is_pending,
         extract(epoch from response_time - sent_at) * 1000 as latency_ms,
         state = 'sent' and ${optedOutAfter('history', 'reply_window')} as opted_out
       from follow_up_history history, span
       where (state = 'sent' or failure_code = 'dm_closed') and ${HAPPENED} >= since and ${HAPPENED} <= until
     )
     select of.by, of.key, count(*) filter (where was_sent)::int as sent,
       count(*) filter (where was_sent and is_pending)::int as pending,
       count(*) filter (where was_sent and not is_pending and response_received)::int as replied,
       percentile_cont(0.5) within group (order by latency_ms)
         filter (where was_sent and not is_pending and response_received) as median_ms,
       count(*) filter (where opted_out)::int as opt_outs, count(*) filter (where not was_sent)::int as dm_closed
     from sends cross join lateral (values
       (0, 'all', ''),
       (1, 'variant', coalesce(variant, 'none')),
       (2, 'source', coalesce(source, 'unknown')),
       (3, 'template', coalesce(template, 'none')),
       (4, 'hour', to_char(${HAPPENED} at time zone 'UTC', 'HH24:00')),
       (5, 'delay', case when delay_hours is null then 'unknown'
         else lpad((floor(delay_hours / 24) * 24)::text, 3, '0') || ' to ' || (floor(delay_hours / 24) * 24 + 24)::text || ' h' end),
       (6, 'language', coalesce(language, 'unknown'))
     ) as of(place, by, key)
     group by of.place, of.by, of.key order by of.place, of.key`,
    [...bounds, windowMs],
  )
  return found.rows.map(row => ({
    by: row.by,
    key: row.key,
    sent: row.sent,
    pending: row.pending,
    replied: row.replied,
    medianLatencyMs: row.median_ms ?? undefined,
    optOuts: row.opt_outs,
    dmClosed: row.dm_closed,
  }))
}

/**
 * SQL condition: the person said no within an interval after this follow-up, and had been sent no later one by then. A no
 * counts once, towards the last thing they were sent.
 */
export function optedOutAfter(followUp: string, within: string): string {
  return `exists (
    select from consent_events said
    where said.user_id = ${followUp}.user_id and said.kind = 'revoked'
      and said.at >= ${followUp}.sent_at and said.at < ${followUp}.sent_at + ${within}
      and not exists (select from follow_up_history later where later.user_id = ${followUp}.user_id
        and later.state = 'sent' and later.sent_at > ${followUp}.sent_at and later.sent_at <= said.at))`
}

/**
 * Each person's first automatic follow-up of the span, sent or held out, whose seven days are over: the draw is by
 * person, and an interval wants observations that are independent of each other.
 */
async function readReturns(database: Queryable, bounds: Bounds): Promise<{ sent: ReturnTally; heldOut: ReturnTally }> {
  const found = await database.query<{ state: string; people: number; returned: number }>(
    `with firsts as (
       select distinct on (user_id) state, returned_within_7d, coalesce(sent_at, prepared_at) as at
       from follow_up_history
       where state in ('sent', 'held_out') and automatic and job_id is not null
         and coalesce(sent_at, prepared_at) >= $1::text::timestamptz
       order by user_id, coalesce(sent_at, prepared_at)
     )
     select state, count(*)::int as people, (count(*) filter (where returned_within_7d))::int as returned
     from firsts where at <= $2::text::timestamptz - interval '7 days' group by state`,
    bounds,
  )
  const of = (state: string) => found.rows.find(row => row.state === state) ?? { people: 0, returned: 0 }
  const tally = ({ people, returned }: ReturnTally) => ({ people, returned })
  return { sent: tally(of('sent')), heldOut: tally(of('held_out')) }
}
