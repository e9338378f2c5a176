import { sleep, type Clock, type Logger } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import { estimateTokens, LlmError, type LlmClient, type LlmFailure } from './llm-client.ts'
import { correctUse, reserveUse, type TokenUse } from './usage-store.ts'

/** Failures that one prompt or its caller may cause; they say nothing of the endpoint. */
const UNDECIDED: ReadonlySet<LlmFailure> = new Set(['aborted', 'budget_spent', 'empty_answer', 'bad_request'])

/** Asks nobody while the breaker is open. */
export function withCircuitBreaker(
  client: LlmClient,
  { breaker, logger }: { breaker: CircuitBreaker; logger: Logger | undefined },
): LlmClient {
  return {
    label: client.label,
    async complete(request) {
      if (!breaker.tryEnter()) {
        const seconds = Math.ceil(breaker.waitMs / 1_000)
        throw new LlmError('breaker_open', `the language model keeps failing; it is asked again in ${seconds} s`)
      }
      try {
        const completion = await client.complete(request)
        breaker.succeeded()
        return completion
      } catch (error) {
        if (error instanceof LlmError && UNDECIDED.has(error.failure)) breaker.leftUndecided()
        else if (breaker.failed()) {
          const seconds = Math.ceil(breaker.waitMs / 1_000)
          const reason = error instanceof LlmError ? error.message : 'it failed in an unknown way'
          logger?.warn({ event: 'llm_breaker_open', seconds, reason }, 'the language model is left alone for a while')
        }
        throw error
      }
    },
  }
}

/** The first try and one more. */
const TRIES = 2
/** A longer pause than this is not waited for: somebody is waiting for an answer. */
const LONGEST_PAUSE_MS = 10_000
/** What is left must be worth a try. */
const SHORTEST_TRY_MS = 1_000

/**
 * Tries again once, after the pause the error asks for plus up to a quarter of it, so that many callers do not come back
 * at the same instant. All of it stays within `withinMs`, the request's own bound if that is smaller.
 */
export function withRetries(
  client: LlmClient,
  { clock, withinMs, random }: { clock: Clock; withinMs: number; random: () => number },
): LlmClient {
  return {
    label: client.label,
    async complete(request) {
      const deadline = clock.monotonic() + Math.min(withinMs, request.withinMs ?? withinMs)
      for (let left = TRIES - 1; ; left -= 1) {
        try {
          return await client.complete({ ...request, withinMs: deadline - clock.monotonic() })
        } catch (error) {
          if (left === 0 || !(error instanceof LlmError) || error.retryAfterMs === undefined) throw error
          const pauseMs = Math.ceil(error.retryAfterMs * (1 + random() / 4))
          const isWorthIt = deadline - clock.monotonic() - pauseMs >= SHORTEST_TRY_MS
          if (error.retryAfterMs > LONGEST_PAUSE_MS || !isWorthIt) throw error
          await sleep(clock, pauseMs, request.signal)
        }
      }
    },
  }
}

/** The endpoint never worked on these, so they cost nothing. */
const UNPAID: ReadonlySet<LlmFailure> = new Set(['unreachable', 'unauthorized', 'rate_limited', 'bad_request'])

/**
 * Counts tokens per day over all processes and asks nobody beyond the budget: counted before the call at the most it can
 * cost, corrected afterwards to what it did cost.
 */
export function withDailyBudget(
  client: LlmClient,
  {
    database,
    budget,
    clock,
    logger,
  }: {
    database: Database
    /** Tokens a day; undefined: counted, not limited. */
    budget: number | undefined
    clock: Clock
    logger: Logger | undefined
  },
): LlmClient {
  return {
    label: client.label,
    async complete(request) {
      if (request.signal?.aborted) throw new LlmError('aborted', 'the request was given up')
      const prompt = request.messages.reduce((sum, each) => sum + estimateTokens(each.content), 0)
      const use = { prompt, completion: request.maxTokens }
      const day = await reserve(use)
      try {
        const completion = await client.complete(request)
        await correct(day, use, { prompt: completion.promptTokens, completion: completion.completionTokens })
        return completion
      } catch (error) {
        if (error instanceof LlmError && UNPAID.has(error.failure))
          await correct(day, use, { prompt: 0, completion: 0 })
        throw error
      }
    },
  }

  /** With a budget, what cannot be counted is not asked; without one, counting must not stand in the way. */
  async function reserve(use: TokenUse): Promise<string | undefined> {
    const day = await reserveUse(database, { use, budget, now: databaseNow(clock) }).catch(uncounted)
    if (day === undefined && budget !== undefined) {
      throw new LlmError('budget_spent', `LLM_DAILY_TOKEN_BUDGET: the ${budget} tokens of this day (UTC) are used up`)
    }
    return day
  }

  async function correct(day: string | undefined, from: TokenUse, to: TokenUse): Promise<void> {
    const by = { prompt: to.prompt - from.prompt, completion: to.completion - from.completion }
    if (day !== undefined) await correctUse(database, { day, by }).catch(uncounted)
  }

  function uncounted(error: unknown): undefined {
    const reason = error instanceof Error ? error.message : String(error)
    logger?.warn({ event: 'llm_usage_uncounted', reason }, 'tokens of the language model could not be counted')
  }
}
