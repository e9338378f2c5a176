import { show } from '../errors.ts'
import type { ConfirmedEffect, EffectAttempt } from '../job/context.ts'
import { requireKey } from '../job/job-id.ts'
import { sealedAs } from '../job/sealed-value.ts'
import { beginEffect, confirmEffect as storeConfirmation } from '../store/store-effect.ts'
import { effectKey } from './effect-key.ts'
import { requireStepName, type Journal } from './journal.ts'
import { readBack, serializeResult } from './stored-value.ts'

/**
 * Notes that an effect has happened, even when the attempt is over by now: it has happened all the same. Answers the first
 * word about it: an attempt that was taken for dead must not go on with another answer than the one that took over.
 */
export async function confirmEffect(journal: Journal, key: string, result: unknown): Promise<unknown> {
  requireKey(key, 'effect key')
  const { database, tables, options } = journal.parts
  const { jobId } = journal.attempt
  const text = serializeResult(result, `effect ${show(key)}`, options.maxPayloadBytes)
  const sealed = journal.seal(text, sealedAs.effect(jobId, key))
  const isFirst = await storeConfirmation(database, tables, { jobId, key, result: sealed })
  const earlier = isFirst ? undefined : await journal.reread('effect', key)
  if (earlier) journal.heard(key, earlier)
  else journal.confirmed(key, sealed)
  journal.requireOpen()
  return earlier ? journal.open(earlier, sealedAs.effect(jobId, key)) : readBack(text)
}

/** What is known to have happened. */
export async function confirmedEffect(journal: Journal, key: string): Promise<ConfirmedEffect | undefined> {
  journal.requireOpen()
  const row = await journal.find('effect', requireKey(key, 'effect key'))
  return row?.done ? { result: journal.open(row, sealedAs.effect(journal.attempt.jobId, key)) } : undefined
}

/** Answers what `send` answered, in this attempt or an earlier one; tells it when an earlier one ended without a word. */
export async function sendOnce(
  journal: Journal,
  name: string,
  send: (effect: EffectAttempt) => unknown,
): Promise<unknown> {
  journal.begin('effect', requireStepName(name, 'effect'))
  const key = effectKey(journal.attempt.jobId, name)
  const earlier = await journal.find('effect', key)
  if (earlier?.done) return journal.open(earlier, sealedAs.effect(journal.attempt.jobId, key))
  const { database, tables } = journal.parts
  // In every attempt: it is also the proof that the job is still ours.
  if (!(await beginEffect(database, tables, { ...journal.holder, key }))) throw journal.leaseLost()
  journal.requireOpen()
  const result = await send({ key, doubtful: earlier !== undefined })
  return confirmEffect(journal, key, result)
}
