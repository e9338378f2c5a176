import type { Logger } from 'belfry'
import type { Database } from 'belfry/database'
import { CircuitBreaker } from './circuit-breaker.ts'
import { createEndpoint, type EndpointOptions } from './endpoint.ts'
import { withCircuitBreaker, withDailyBudget, withRetries } from './guarded-client.ts'
import type { LlmClient } from './llm-client.ts'

/**
 * Longest time for one call, all tries and pauses in it, in milliseconds: under half of the two minutes that the job of a
 * follow-up may take, so that a template can still be sent.
 */
export const LONGEST_CALL_MS = 55_000

export interface OpenAiCompatibleOptions extends EndpointOptions {
  /** Where tokens are counted, for all processes. Unset: not counted. */
  readonly database?: Database
  /** Tokens a day (UTC), over all processes. Default: no limit. */
  readonly dailyTokenBudget?: number | undefined
  readonly logger?: Logger
  /** 0 up to 1, for the jitter of pauses. Default `Math.random`. */
  readonly random?: () => number
}

/**
 * A client for any OpenAI-compatible endpoint that a caller can rely on not to wait for long: tries twice, counts what it
 * uses, and leaves an endpoint alone that failed five times in a row.
 */
export function createOpenAiCompatibleClient(options: OpenAiCompatibleOptions): LlmClient {
  const { clock, database, dailyTokenBudget: budget, logger, random = Math.random } = options
  const endpoint = createEndpoint(options)
  const counted = database ? withDailyBudget(endpoint, { database, budget, clock, logger }) : endpoint
  const retried = withRetries(counted, { clock, withinMs: LONGEST_CALL_MS, random })
  return withCircuitBreaker(retried, { breaker: new CircuitBreaker(clock), logger })
}
