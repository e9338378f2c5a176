import type { Queryable } from 'belfry/database'
import { findProfiles } from '../users/profile-store.ts'
import { personFactsOf, type FactsContext, type ReadFacts } from './facts-store.ts'
import type { GateReport } from './gates.ts'

const WEEK_MS = 168 * 3_600_000

/** Where a look over all people stands: the last one seen, in the order of when they last spoke. */
export interface Cursor {
  readonly lastActive: string
  readonly userId: string
}

/** People who went quiet, a page of them. */
export interface InactivePage {
  readonly userIds: readonly string[]
  /** Undefined: this was the last page. */
  readonly next: Cursor | undefined
}

/**
 * People who last spoke within a span, for whom no follow-up is planned, was sent, or was decided against since: those
 * for whom nobody has planned one yet, and those who got none only because it came too late.
 */
export async function findInactivePage(
  database: Queryable,
  request: { silentMs: number; maxAgeMs: number; after: Cursor | undefined; limit: number; now: string | null },
): Promise<InactivePage> {
  const found = await database.query<{ user_id: string; last_active: string }>(
    `with moment as materialized (select coalesce($1::text::timestamptz, now()) as now)
     select user_id, last_active_at::text as last_active from user_profiles person, moment
     where last_active_at > moment.now - $2::float8 * interval '1 millisecond'
       and last_active_at <= moment.now - $3::float8 * interval '1 millisecond'
       and ($4::text is null or (last_active_at, user_id) > ($4::text::timestamptz, $5::text))
       and (follow_up_considered_at is null or follow_up_considered_at < last_active_at)
       and not exists (select from scheduled_jobs_live job where job.job_type = 'follow_up_message'
         and job.unique_key = 'automatic:' || person.user_id)
       and not exists (select from follow_up_history sent where sent.user_id = person.user_id
         and (sent.automatic or sent.state in ('sending', 'sent', 'uncertain')) and sent.prepared_at >= last_active_at
         and (sent.state, sent.reason) is distinct from ('withheld', 'expired'))
     order by last_active_at, user_id limit $6::int`,
    [
      request.now,
      request.maxAgeMs,
      request.silentMs,
      request.after?.lastActive ?? null,
      request.after?.userId ?? null,
      request.limit,
    ],
  )
  const last = found.rows.at(-1)
  const isFull = found.rows.length === request.limit
  return {
    userIds: found.rows.map(row => row.user_id),
    next: isFull && last ? { lastActive: last.last_active, userId: last.user_id } : undefined,
  }
}

interface CountedRow {
  user_id: string
  now_ms: number
  consent: 'granted' | 'revoked' | null
  messages: number
  sent_ms: number[]
  tried_ms: number | null
  in_doubt: number
}

/** What the gates need to know of many people, as `readFacts` reads it of one; for planning, so no pace is read. */
export async function readFactsOfMany(
  database: Queryable,
  userIds: readonly string[],
  { now, suppressedPeople }: FactsContext,
): Promise<ReadonlyMap<string, ReadFacts>> {
  const keptNos = await suppressedPeople.reasonsFor(database, userIds)
  const profiles = new Map((await findProfiles(database, userIds)).map(profile => [profile.userId, profile]))
  const counted = await database.query<CountedRow>(
    `with moment as materialized (select coalesce($2::text::timestamptz, clock_timestamp()) as now)
     select user_id, (extract(epoch from moment.now) * 1000)::float8 as now_ms,
       (select kind from consent_events said where said.user_id = person.user_id and kind in ('granted', 'revoked')
         order by event_id desc limit 1) as consent,
       (select count(*)::int from conversation_turns turn where turn.conversation_id = person.last_conversation_id
         and turn.user_id = person.user_id and author = 'user' and kind = 'chat'
         and turn.sent_at > person.last_active_at - interval '24 hours') as messages,
       array(select (extract(epoch from coalesce(sent_at, attempted_at)) * 1000)::float8 from follow_up_history sent
         where sent.user_id = person.user_id and state in ('sent', 'sending', 'uncertain')
           and coalesce(sent_at, attempted_at) > moment.now - $3::float8 * interval '1 millisecond'
         order by coalesce(sent_at, attempted_at) desc) as sent_ms,
       (select (extract(epoch from max(attempted_at)) * 1000)::float8 from follow_up_history tried
         where tried.user_id = person.user_id and state in ('sending', 'uncertain')) as tried_ms,
       (select count(*)::int from follow_up_history tried where tried.user_id = person.user_id
         and state in ('sending', 'uncertain') and attempted_at > person.last_active_at) as in_doubt
     from user_profiles person, moment where user_id = any($1::text[])`,
    [userIds, now, WEEK_MS],
  )
  return new Map(
    counted.rows.flatMap(row => {
      const profile = profiles.get(row.user_id)
      if (!profile) return []
      const person = personFactsOf(profile, {
        keptNo: keptNos.get(row.user_id),
        consent: row.consent ?? undefined,
        messagesInLastTalk: row.messages,
        sentThisWeek: row.sent_ms.map(ms => new Date(ms)),
        inDoubt: {
          lastAt: row.tried_ms === null ? undefined : new Date(row.tried_ms),
          unanswered: row.in_doubt,
        },
      })
      return [[row.user_id, { now: new Date(row.now_ms), profile, person, controls: [], sentInLastMinute: 0 }]]
    }),
  )
}

/** What was decided about somebody. */
export interface PlannedAdvice {
  readonly userId: string
  /** Undefined: none was planned. */
  readonly jobId: string | undefined
  readonly advice: GateReport
}

/**
 * Keeps what was decided about many people, and that it was: each is looked at once per silence. Of the gates only those
 * that stood in the way are kept; a thousand times "pass" says nothing.
 */
export async function storeConsidered(
  database: Queryable,
  considered: readonly PlannedAdvice[],
  now: string | null,
): Promise<void> {
  const rows = considered.map(({ userId, jobId, advice }) => ({
    user_id: userId,
    job_id: jobId,
    verdict: advice.verdict,
    reason: advice.reason,
    rule: advice.rule,
    until: advice.until?.toISOString(),
    gates: advice.gates.filter(gate => gate.outcome !== 'pass'),
  }))
  await database.query(
    `with decided as (
       select * from jsonb_to_recordset($1::text::jsonb) as row(user_id text, job_id text, verdict text, reason text,
         rule int, until timestamptz, gates jsonb)
     ), kept as (
       insert into follow_up_decisions (user_id, job_id, stage, verdict, reason, rule, until, gates, decided_at)
       select user_id, job_id, 'plan', verdict, reason, rule, until, gates, coalesce($2::text::timestamptz, now())
       from decided
     )
     update user_profiles set follow_up_considered_at = coalesce($2::text::timestamptz, now())
     from decided where user_profiles.user_id = decided.user_id`,
    [JSON.stringify(rows), now],
  )
}

/**
 * Ends follow-ups whose job is gone: cancelled, failed for good, erased. A text that was never tried is withheld; one
 * that may have gone out stays in doubt, which counts as sent.
 */
export async function endOrphans(database: Queryable): Promise<number> {
  const ended = await database.query<{ id: number }>(
    `update follow_up_history orphan
     set state = case when state = 'prepared' then 'withheld' else 'uncertain' end,
       reason = 'job_' || coalesce((select status from scheduled_jobs where job_id = orphan.job_id limit 1), 'gone')
     where state in ('prepared', 'sending') and not exists (select from scheduled_jobs_live job
       where job.job_id = orphan.job_id)
     returning id::float8 as id`,
  )
  return ended.rows.length
}
