import { BelfryError, show } from '../errors.ts'
import { sealedAs } from '../job/sealed-value.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import { storeSleep, storeStep } from '../store/store-step.ts'
import { requireStepName, type Journal } from './journal.ts'
import { readBack, serializeResult } from './stored-value.ts'

/** Later than this is a slip of the unit, as it is for a job's due time. */
const LATEST = Date.UTC(3000, 0, 1)

/** Runs `work` unless the job has its result already, and stores that. */
export async function runStep(journal: Journal, name: string, work: () => unknown): Promise<unknown> {
  journal.begin('step', requireStepName(name, 'step'))
  const earlier = await journal.find('step', name)
  const of = sealedAs.step(journal.attempt.jobId, name)
  if (earlier?.done) return journal.open(earlier, of)
  const returned = await work()
  journal.requireOpen()
  const { database, tables, options } = journal.parts
  const text = serializeResult(returned, `step ${show(name)}`, options.maxPayloadBytes)
  const result = journal.seal(text, of)
  if (!(await storeStep(database, tables, { ...journal.holder, name, result }))) throw journal.leaseLost()
  return readBack(text)
}

/** Passes once its instant, fixed when it is first reached, has come; until then it ends attempts. */
export async function sleepThrough(journal: Journal, name: string, wake: Duration | Date): Promise<void> {
  journal.begin('sleep', requireStepName(name, 'sleep'))
  const wakeAt = wake instanceof Date ? instantOf(wake, name) : null
  const delayMs = wake instanceof Date ? 0 : parseDuration(wake, `sleep ${show(name)}`)
  const reason = `sleeping: ${name}`
  const earlier = await journal.find('sleep', name)
  if (earlier) return journal.pause(journal.remaining(earlier), { wakeMs: earlier.wake_ms ?? 0, reason })
  const { database, tables } = journal.parts
  const row = await storeSleep(database, tables, { ...journal.holder, name, wakeAt, delayMs, now: journal.now })
  if (!row) throw journal.leaseLost()
  await journal.pause(row.remaining_ms ?? 0, { wakeMs: row.wake_ms ?? 0, reason })
}

function instantOf(wake: Date, name: string): string {
  if (!(wake.getTime() >= 0 && wake.getTime() < LATEST)) {
    throw new BelfryError(
      'BELFRY_INVALID_TIME',
      `sleep ${show(name)}: expected a Date between 1970 and 3000, got ${show(wake)}`,
    )
  }
  return wake.toISOString()
}
