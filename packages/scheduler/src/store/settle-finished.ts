import type { Queryable } from '../database/database.ts'
import { arrayText, numbersText } from './array-text.ts'
import { keepingPlan } from './keeping-plan.ts'
import { plannedOnce } from './planned-once.ts'
import { KEPT_COLUMNS, ORDINARY_COLUMNS, type Tables } from './tables.ts'

/** An attempt after which its job is over. */
export interface FinishedAttempt {
  readonly jobId: string
  readonly leaseToken: string
  /** Where its row lay when it was claimed; null when that is not known. */
  readonly rowAt: string | null
  readonly durationMs: number
  /** From claimed to started, in ms. */
  readonly delayMs: number
  /** An ordinary job (it was claimed without uncommon fields and stored no progress): few columns move with it. */
  readonly ordinary: boolean
  /** Undefined: completed, with nothing to tell. Most attempts are such, and their statement is shorter. */
  readonly details: AttemptDetails | undefined
}

export interface AttemptDetails {
  readonly status: 'completed' | 'failed' | 'cancelled'
  /** JSON text. */
  readonly result: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly errorStack: string | null
  readonly log: readonly string[] | null
}

/** What a settling statement took in. */
export interface Settled {
  /** Ids that were not settled, because their lease was lost. */
  readonly refused: ReadonlySet<string>
  /** Settled jobs that somebody waits for: another job, or a caller. */
  readonly awaited: readonly string[]
}

/**
 * Settles attempts in one statement: out of the live partition, into the finished one, where the row carries the attempt
 * too. Fenced: a row whose lease token changed is left alone.
 */
export async function settleFinished(
  database: Queryable,
  tables: Tables,
  request: { attempts: readonly FinishedAttempt[]; now: string | null },
): Promise<Settled> {
  const { attempts, now } = request
  const ids = attempts.map(attempt => attempt.jobId)
  const tokens = new TokenList()
  const answer = await keepingPlan<SettledRow>(
    database,
    `select settled, awaited from ${tables.schema}.${SETTLE}($1::text::text[], $2::uuid[], $3::text::int[],
       $4::text::int[], $5::text::int[], $6::text::tid[], $7::text::jsonb, $8::boolean, $9::text::timestamptz)`,
    [
      arrayText(ids),
      tokens.all,
      numbersText(attempts.map(attempt => tokens.numberOf(attempt.leaseToken))),
      numbersText(attempts.map(attempt => Math.round(attempt.durationMs))),
      numbersText(attempts.map(attempt => Math.round(attempt.delayMs))),
      attempts.every(attempt => attempt.rowAt !== null)
        ? arrayText(attempts.map(attempt => attempt.rowAt ?? ''))
        : null,
      attempts.some(attempt => attempt.details) ? JSON.stringify(attempts.map(detailOf)) : null,
      attempts.every(attempt => attempt.ordinary),
      now,
    ],
  )
  return settledOf(answer.rows[0], ids)
}

function detailOf({ details }: FinishedAttempt): unknown[] {
  if (!details) return []
  const { status, result, errorCode, errorMessage, errorStack, log } = details
  return [status, result, errorCode, errorMessage, errorStack, log]
}

/** The lease tokens of a batch, each sent once: a claim's jobs share theirs. */
export class TokenList {
  readonly all: string[] = []
  #last: string | undefined

  /** The token's place in the list, counted from 1 as PostgreSQL does. */
  numberOf(token: string): number {
    if (token === this.#last) return this.all.length
    const known = this.all.indexOf(token)
    if (known >= 0) return known + 1
    this.#last = token
    return this.all.push(token)
  }
}

const SETTLE = 'belfry_settle_1'

/**
 * The settling as migration 14 makes it. Rows are looked up where they lay when they were claimed, which spares a descent
 * of the index for each (11 % of the statement's instructions). That is a hint: the id and the token decide, and rows that
 * have moved since are found by their ids.
 */
export function settleFunction(tables: Tables): string {
  const settle = (how: Settling) => `${statement(tables, how)} into settled, awaited;`
  const byId = { detailed: false, ordinary: false, byPlace: false }
  return plannedOnce(tables, {
    name: SETTLE,
    takes: `ids text[], lease_tokens uuid[], leases int[], durations int[], delays int[], places tid[], details jsonb,
      ordinary boolean, at_time timestamptz`,
    answers: 'settled text[], awaited text[]',
    declares: `expected integer := cardinality(ids); ended_at timestamptz := coalesce(at_time, clock_timestamp());
      settled_by_place text[]; awaited_by_place text[];`,
    body: `if ordinary and details is null and places is not null then
        ${settle({ detailed: false, ordinary: true, byPlace: true })}
        if settled is null then return next; return; end if;
        settled_by_place := settled; awaited_by_place := awaited;
      end if;
      if ordinary and details is null then ${settle({ ...byId, ordinary: true })}
      elsif ordinary then ${settle({ ...byId, detailed: true, ordinary: true })}
      elsif details is null then ${settle(byId)}
      else ${settle({ ...byId, detailed: true })} end if;
      if settled is not null then settled := settled_by_place || settled; end if;
      awaited := awaited_by_place || awaited;
      return next;`,
  })
}

interface Settling {
  readonly detailed: boolean
  readonly ordinary: boolean
  readonly byPlace: boolean
}

function statement({ live, finished, nextExecution }: Tables, { detailed, ordinary, byPlace }: Settling): string {
  const columns = ordinary ? ORDINARY_COLUMNS : KEPT_COLUMNS
  const details = `, coalesce(detail->>0, 'completed') as outcome, (detail->>1)::jsonb as outcome_result,
         detail->>2 as code, detail->>3 as message, detail->>4 as stack, nullif(detail->5, 'null') as lines`
  return `with ended as (
       select id, lease_tokens[lease] as lease, took_ms, delay_ms * interval '1 ms' as delay
         ${byPlace ? ', place' : ''}${detailed ? details : ''}
       from rows from (unnest(ids, leases, durations, delays${byPlace ? ', places' : ''})
         ${detailed ? ', jsonb_array_elements(details)' : ''}) as each(id, lease, took_ms, delay_ms
         ${byPlace ? ', place' : ''}${detailed ? ', detail' : ''})
     ), gone as (
       delete from ${live} live using ended
       where ${byPlace ? 'live.ctid = ended.place and' : ''} live.job_id = ended.id and live.lease_token = ended.lease
       returning ${columns.replaceAll(/\w+/g, 'live.$&')}, took_ms, live.started_at + delay as begun_at
         ${detailed ? `, outcome, outcome_result, code, ${TOLD} as message, stack, lines` : ''}
     ), kept as (
       insert into ${finished} (${columns}, completed_at, execution_id, duration_ms, wait_ms, status, last_outcome
         ${detailed ? ', result, error_code, error_message, error_stack, log' : ''})
       select ${columns.replace('started_at', 'begun_at')}, ended_at,
         ${nextExecution}, took_ms, ${WAIT_MS},
         ${detailed ? 'outcome, outcome, outcome_result, code, message, stack, lines' : `'completed', 'completed'`}
       from gone
     )
     ${settledAnswer('gone', 'expected')}`
}

/** Who cancels a running job leaves the reason in its row: the handler may learn of the wish alone. */
const TOLD = `case when outcome = 'cancelled' and live.cancel_requested then coalesce(live.error_message, message) else message end`

/** From due to begun, never negative: a job may be taken a moment early and a clock may be set. */
export const WAIT_MS = `case when isfinite(scheduled_time)
         then greatest(0, date_part('epoch', begun_at - scheduled_time) * 1000)::bigint end`

export interface SettledRow {
  readonly settled: string[] | null
  readonly awaited: string[] | null
}

/** The end of a settling statement. All settled is the common case and answers no ids at all. */
export function settledAnswer(rows: string, expected: string): string {
  return `select case when count < ${expected} then array(select job_id::text from ${rows}) end as settled, awaited
     from (select count(*) as count, array_agg(job_id::text) filter (where awaited) as awaited from ${rows}) sum`
}

const NOTHING_REFUSED: ReadonlySet<string> = new Set()

export function settledOf(row: SettledRow | undefined, ids: readonly string[]): Settled {
  const settled = row?.settled && new Set(row.settled)
  const refused = settled ? new Set(ids.filter(id => !settled.has(id))) : NOTHING_REFUSED
  return { refused, awaited: row?.awaited ?? [] }
}
