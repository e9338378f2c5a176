import type { Clock, Logger } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { lockControls } from './controls-store.ts'
import { readLastSends, raiseGuardrail, type LastSends } from './guardrail-store.ts'

/** How many of the last follow-ups are looked at. */
export const GUARDRAIL_SENDS = 50
/** More than a tenth of them is too many. */
const MOST_SHARE = 0.1

/**
 * Why follow-ups must stop: among the last 50 sends more than five people said no, or took no direct messages. While
 * there were fewer than 50, five is still the most: a bad beginning stops as early as a bad end. Undefined: they may go on.
 */
export function guardrailFault({ sends, optOuts, dmClosed }: LastSends): string | undefined {
  const most = GUARDRAIL_SENDS * MOST_SHARE
  if (optOuts > most) return `${optOuts} opt-outs after the last ${sends} follow-ups, more than ${most}`
  if (dmClosed > most) return `${dmClosed} of the last ${sends} people take no direct messages, more than ${most}`
  return undefined
}

export interface GuardrailParts {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  /** Milliseconds in which an opt-out counts towards the follow-up before it. */
  readonly windowMs: number
}

/**
 * Pauses everybody's follow-ups when too many people say no. Asked before each one, so that no process sends past it. Only
 * a person ends it; what was sent before they did is forgiven.
 */
export async function checkGuardrail({ database, clock, logger, windowMs }: GuardrailParts): Promise<void> {
  const now = databaseNow(clock)
  const look = { limit: GUARDRAIL_SENDS, windowMs, now }
  if (guardrailFault(await readLastSends(database, look)) === undefined) return
  const raised = await database.transaction(async transaction => {
    // Against an owner who resumes this very moment: what they have forgiven must not pause again.
    await lockControls(transaction)
    const reason = guardrailFault(await readLastSends(transaction, look))
    // Many processes may see it at once; the one that stores it tells.
    return reason !== undefined && (await raiseGuardrail(transaction, { reason, now })) ? reason : undefined
  })
  if (raised === undefined) return
  logger.warn(
    { event: 'follow_ups_paused', control: 'guardrail', reason: raised },
    'too many people said no: follow-ups are paused until an owner says !followup_resume',
  )
}
