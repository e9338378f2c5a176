import type { Queryable } from '../database/database.ts'
import { keepingPlan } from './keeping-plan.ts'
import { plannedOnce } from './planned-once.ts'
import { KEPT_COLUMNS, ORDINARY_COLUMNS, type Tables } from './tables.ts'

/** An attempt after which its job is over. */
export interface FinishedAttempt {
  readonly jobId: string
  readonly leaseToken: string
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
 *
 * The rows travel as one JSON array: from arrays of their own (`unnest`) the planner knows how many there are and then
 * reads the whole live partition to join them, at twice the CPU per job.
 */
export async function settleFinished(
  database: Queryable,
  tables: Tables,
  request: { attempts: readonly FinishedAttempt[]; now: string | null },
): Promise<Settled> {
  const { attempts, now } = request
  const detailed = attempts.some(attempt => attempt.details)
  const ordinary = attempts.every(attempt => attempt.ordinary)
  const tokens = new TokenList()
  const rows = attempts.map(attempt => rowOf(attempt, tokens))
  const answer = await keepingPlan<SettledRow>(
    database,
    `select settled, awaited from ${tables.schema}.${SETTLE}($1::text, $2::text::timestamptz, $3::int, $4::uuid[],
       $5::boolean, $6::boolean)`,
    [JSON.stringify(rows), now, attempts.length, tokens.all, detailed, ordinary],
  )
  return settledOf(
    answer.rows[0],
    attempts.map(attempt => attempt.jobId),
  )
}

function rowOf({ jobId, leaseToken, durationMs, delayMs, details }: FinishedAttempt, tokens: TokenList): unknown[] {
  const row = [jobId, tokens.numberOf(leaseToken), Math.round(durationMs), Math.round(delayMs)]
  if (!details) return row
  const { status, result, errorCode, errorMessage, errorStack, log } = details
  return [...row, status, result, errorCode, errorMessage, errorStack, log]
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

/** The settling as migration 14 makes it. */
export function settleFunction(tables: Tables): string {
  const settle = (how: { detailed: boolean; ordinary: boolean }) => `return query ${statement(tables, how)};`
  return plannedOnce(tables, {
    name: SETTLE,
    takes:
      'ended_rows text, at_time timestamptz, expected integer, lease_tokens uuid[], detailed boolean, ordinary boolean',
    answers: 'settled text[], awaited text[]',
    body: `if detailed and ordinary then ${settle({ detailed: true, ordinary: true })}
      elsif detailed then ${settle({ detailed: true, ordinary: false })}
      elsif ordinary then ${settle({ detailed: false, ordinary: true })}
      else ${settle({ detailed: false, ordinary: false })} end if;`,
  })
}

function statement(
  { live, finished, nextExecution }: Tables,
  { detailed, ordinary }: { detailed: boolean; ordinary: boolean },
): string {
  const columns = ordinary ? ORDINARY_COLUMNS : KEPT_COLUMNS
  const details = `, coalesce(row->>4, 'completed') as outcome, (row->>5)::jsonb as outcome_result, row->>6 as code,
         row->>7 as message, row->>8 as stack, nullif(row->9, 'null') as lines`
  return `with ended as (
       select row->>0 as job_id, lease_tokens[(row->>1)::int] as lease_token, (row->>2)::int as took_ms,
         (row->>3)::int * interval '1 ms' as delay${detailed ? details : ''}
       from jsonb_array_elements(ended_rows::jsonb) as row
     ), gone as (
       delete from ${live} live using ended
       where live.job_id = ended.job_id and live.lease_token = ended.lease_token
       returning ${columns.replaceAll(/\w+/g, 'live.$&')}, took_ms, live.started_at + delay as begun_at
         ${detailed ? ', outcome, outcome_result, code, message, stack, lines' : ''}
     ), kept as (
       insert into ${finished} (${columns}, completed_at, execution_id, duration_ms, wait_ms, status, last_outcome
         ${detailed ? ', result, error_code, error_message, error_stack, log' : ''})
       select ${columns.replace('started_at', 'begun_at')}, coalesce(at_time, clock_timestamp()),
         ${nextExecution}, took_ms, ${WAIT_MS},
         ${detailed ? 'outcome, outcome, outcome_result, code, message, stack, lines' : `'completed', 'completed'`}
       from gone
     )
     ${settledAnswer('gone', 'expected')}`
}

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
