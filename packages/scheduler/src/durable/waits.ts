import { show } from '../errors.ts'
import type { WaitOptions } from '../job/context.ts'
import { requireKey } from '../job/job-id.ts'
import { parseDuration } from '../runtime/duration.ts'
import { endWait, openWait } from '../store/open-wait.ts'
import { againOnConflict } from './again-on-conflict.ts'
import { requireStepName, type Journal } from './journal.ts'

/** Answers the payload of the event, or undefined once the timeout has passed without one; until then it ends attempts. */
export async function waitForEvent(journal: Journal, event: string, options: WaitOptions): Promise<unknown> {
  const key = options?.key === undefined ? '' : requireKey(options.key, 'key')
  const ofTopic = key === '' ? event : `${event} ${key}`
  const name = options?.step === undefined ? ofTopic : requireStepName(options.step, 'wait')
  journal.begin('wait', name)
  requireKey(event, 'name of an event')
  const timeoutMs = parseDuration(options?.timeout, `timeout of ${show(event)}`)
  const reason = `waiting for ${ofTopic}`

  const earlier = await journal.find('wait', name)
  const row = earlier ?? (await open(journal, { event, key, name, timeoutMs }))
  if (row.done) return row.arrived ? row.result : undefined
  const remainingMs = earlier ? journal.remaining(row) : (row.remaining_ms ?? 0)
  await journal.pause(remainingMs, { wakeMs: row.wake_ms ?? 0, reason })

  const { database, tables } = journal.parts
  if (await endWait(database, tables, { ...journal.holder, name })) return undefined
  // Not ended by us: the event came in the last moment, or the lease is gone.
  const late = await journal.reread('wait', name)
  if (!late?.done) throw journal.leaseLost()
  return late.arrived ? late.result : undefined
}

async function open(
  journal: Journal,
  wait: { event: string; key: string; name: string; timeoutMs: number },
): Promise<NonNullable<Awaited<ReturnType<typeof openWait>>>> {
  const { database, tables } = journal.parts
  const request = { ...journal.holder, ...wait, now: journal.now }
  // In turn: waits of one job that begin together must not take the same event.
  const row = await journal.inTurn(() => againOnConflict(() => openWait(database, tables, request)))
  if (!row) throw journal.leaseLost()
  return row
}
