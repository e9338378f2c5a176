import { show } from '../errors.ts'
import type { WaitOptions } from '../job/context.ts'
import { requireKey } from '../job/job-id.ts'
import { sealedAs } from '../job/sealed-value.ts'
import { parseDuration } from '../runtime/duration.ts'
import type { Topic } from '../store/lock-topic.ts'
import { endWait, openWait } from '../store/open-wait.ts'
import { againOnConflict } from './again-on-conflict.ts'
import { effectKey } from './effect-key.ts'
import { requireStepName, type Journal } from './journal.ts'

/** Answers the payload of the event, or undefined once the timeout has passed without one; until then it ends attempts. */
export async function waitForEvent(journal: Journal, event: string, options: WaitOptions): Promise<unknown> {
  const key = options?.key === undefined ? '' : requireKey(options.key, 'key')
  const topic = { event: requireKey(event, 'name of an event'), key }
  const name = options?.step === undefined ? nameOf(topic) : requireStepName(options.step, 'wait')
  journal.begin('wait', name)
  const timeoutMs = parseDuration(options?.timeout, `timeout of ${show(event)}`)
  const reason = `waiting for ${event}`

  const earlier = await journal.find('wait', name)
  const row = earlier ?? (await open(journal, { ...topic, name, timeoutMs }))
  if (row.done) return received(journal, row)
  const remainingMs = earlier ? journal.remaining(row) : (row.remaining_ms ?? 0)
  await journal.pause(remainingMs, { wakeMs: row.wake_ms ?? 0, reason })

  const { database, tables } = journal.parts
  if (await endWait(database, tables, { ...journal.holder, name })) return undefined
  // Not ended by us: the event came in the last moment, or the lease is gone.
  const late = await journal.reread('wait', name)
  if (!late?.done) throw journal.leaseLost()
  return received(journal, late)
}

/** The payload of the event that a wait ended by, which is sealed as that event's. */
function received(journal: Journal, row: WaitRow): unknown {
  return row.arrived ? journal.open(row, sealedAs.event(row.event_name ?? '', row.event_key ?? '')) : undefined
}

type WaitRow = NonNullable<Awaited<ReturnType<Journal['find']>>>

async function open(journal: Journal, wait: Topic & { name: string; timeoutMs: number }): Promise<WaitRow> {
  const { database, tables } = journal.parts
  const request = { ...journal.holder, ...wait, now: journal.now }
  // In turn: waits of one job that begin together must not take the same event.
  const row = await journal.inTurn(() => againOnConflict(() => openWait(database, tables, request)))
  if (!row) throw journal.leaseLost()
  return row
}

/** Job id and name share an index entry, which PostgreSQL holds to 2,704 bytes: 255 characters of 4 bytes each fit. */
const LONGEST_NAME = 255

/** What a wait is called that was given no name. */
function nameOf({ event, key }: Topic): string {
  const name = key === '' ? event : `${event} ${key}`
  return name.length > LONGEST_NAME ? effectKey(event, key) : name
}
