import type { Queryable } from 'belfry/database'

/** Tokens of one call. */
export interface TokenUse {
  readonly prompt: number
  readonly completion: number
}

/**
 * Counts a call before it is made, on the database's day (UTC), over all processes. Answers the day it was counted on, or
 * undefined when it would go beyond `budget` tokens: then nothing is counted.
 */
export async function reserveUse(
  database: Queryable,
  request: { use: TokenUse; budget: number | undefined; now: string | null },
): Promise<string | undefined> {
  const { use, budget, now } = request
  const reserved = await database.query<{ day: string }>(
    `insert into llm_usage as used (day, requests, prompt_tokens, completion_tokens)
     select (coalesce($4::text::timestamptz, now()) at time zone 'UTC')::date, 1, $1::bigint, $2::bigint
     where $3::bigint is null or $1::bigint + $2::bigint <= $3::bigint
     on conflict (day) do update set requests = used.requests + 1,
       prompt_tokens = used.prompt_tokens + $1::bigint, completion_tokens = used.completion_tokens + $2::bigint
     where $3::bigint is null
       or used.prompt_tokens + used.completion_tokens + $1::bigint + $2::bigint <= $3::bigint
     returning day::text as day`,
    [use.prompt, use.completion, budget ?? null, now],
  )
  return reserved.rows[0]?.day
}

/** Corrects what was counted beforehand to what it turned out to be. */
export async function correctUse(database: Queryable, request: { day: string; by: TokenUse }): Promise<void> {
  await database.query(
    `update llm_usage set prompt_tokens = greatest(0, prompt_tokens + $2::bigint),
       completion_tokens = greatest(0, completion_tokens + $3::bigint) where day = $1::text::date`,
    [request.day, request.by.prompt, request.by.completion],
  )
}
