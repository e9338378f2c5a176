import { defineJob, Scheduler } from 'belfry'
import { fromPglite, type Database, type QueryResult } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { describe, expect, it } from 'vitest'
import { createPglite } from '../../../test-support/embedded-database.ts'
import { storySchema } from '../../../test-support/story-schemas.ts'
import { gate } from './support/settled.ts'

/** Knows which timers are set. */
class CountingClock extends TestClock {
  readonly open = new Set<object>()

  override setTimer(delayMs: number, run: () => void) {
    const mark = {}
    this.open.add(mark)
    const timer = super.setTimer(delayMs, () => {
      this.open.delete(mark)
      run()
    })
    const cancel = () => {
      this.open.delete(mark)
      timer.cancel()
    }
    return { cancel }
  }
}

/** A database that is slow to answer statements of one kind, from when it is told to be. */
function slowAt(database: Database, kind: RegExp) {
  const held = gate()
  const sent: string[] = []
  const slow = { on: false, fails: false }
  const query = async <Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> => {
    sent.push(text)
    const isSlow = slow.on && kind.test(text)
    if (isSlow && slow.fails) {
      await held.promise
      throw Object.assign(new Error('the connection broke'), { code: 'ECONNRESET' })
    }
    const answer = await database.query<Row>(text, values)
    if (isSlow) await held.promise
    return answer
  }
  return { database: { ...database, query }, answer: held.open, sent, slow }
}

/** Time goes by until something has happened. */
async function elapseUntil(clock: TestClock, event: Promise<unknown>): Promise<void> {
  let happened = false
  void event.then(() => (happened = true))
  while (!happened) {
    clock.advance('500ms')
    await turns()
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(resolve => setImmediate(resolve))
}

describe('an answer that comes after the stop', () => {
  it('to a call that stored a job for this very process: the job is not begun, nothing keeps the process', async () => {
    const pglite = await createPglite('stories')
    const { database, answer, slow } = slowAt(fromPglite(pglite), /insert into \S*scheduled_jobs_live/)
    const clock = new CountingClock()
    const scheduler = new Scheduler({ database, schema: storySchema(1), clock, gracePeriod: '1s' })
    let runs = 0
    scheduler.registerHandler('work', () => void (runs += 1))
    await scheduler.start()
    await turns()
    slow.on = true
    const call = scheduler.scheduleJob('work', { payload: {} })
    await turns()
    await elapseUntil(clock, scheduler.stop())
    answer()
    const { jobId } = await call
    await turns()
    expect(runs).toBe(0)
    expect(clock.open.size).toBe(0)
    // It was stored as this runner's, whose lease runs out: another one has it then.
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'running' })
    clock.advance('1m')
    const other = new Scheduler({ database: fromPglite(pglite), schema: storySchema(1), clock })
    const begun = gate()
    other.registerHandler('work', () => {
      runs += 1
      begun.open()
    })
    await other.start()
    await elapseUntil(clock, begun.promise)
    await elapseUntil(clock, other.stop())
    expect(runs).toBe(1)
    await pglite.close()
  })

  it('to a claim, while the next one hangs: what it brought is not begun', async () => {
    const pglite = await createPglite('stories')
    const claims = slowAt(fromPglite(pglite), /belfry_claim_/)
    const looks = slowAt(claims.database, /select wanted\.job_type\s+from unnest/)
    const clock = new CountingClock()
    const limited = defineJob({ type: 'limited', limits: { concurrency: 1 }, handler: () => {} })
    const jobs = [limited]
    const { database } = looks
    const scheduler = new Scheduler({ database, schema: storySchema(1), clock, gracePeriod: '1s', jobs })
    let runs = 0
    scheduler.registerHandler('work', () => void (runs += 1))
    await scheduler.start()
    while (!looks.sent.some(text => text.includes('belfry_next_due_'))) await turns()
    claims.slow.on = true
    looks.slow.on = true
    const before = claims.sent.length
    await scheduler.scheduleJob('work', { payload: {}, delay: '90ms' })
    while (!claims.sent.slice(before).some(text => text.includes('belfry_claim_'))) await turns()
    const stopped = scheduler.stop()
    await turns()
    clock.advance('2950ms')
    claims.answer()
    while (!/select wanted\.job_type/.test(looks.sent.at(-1) ?? '')) await turns()
    // The stop's patience ends before the job is due.
    clock.advance('60ms')
    await turns()
    await elapseUntil(clock, stopped)
    expect(runs).toBe(0)
    expect(clock.open.size).toBe(0)
    looks.answer()
    await turns()
    clock.advance('1m')
    await turns()
    expect(runs).toBe(0)
    expect(clock.open.size).toBe(0)
    await pglite.close()
  })

  it('to a statement that settles, and is a failure: it is not tried again', async () => {
    const pglite = await createPglite('stories')
    const { database, answer, sent, slow } = slowAt(fromPglite(pglite), /belfry_settle/)
    const clock = new CountingClock()
    const scheduler = new Scheduler({ database, schema: storySchema(1), clock, gracePeriod: '1s' })
    scheduler.registerHandler('work', () => 'done')
    await scheduler.start()
    Object.assign(slow, { on: true, fails: true })
    await scheduler.scheduleJob('work', { payload: {} })
    await turns()
    await elapseUntil(clock, scheduler.stop())
    const before = sent.length
    answer()
    await turns()
    clock.advance('1m')
    await turns()
    expect(sent.slice(before)).toEqual([])
    expect(clock.open.size).toBe(0)
    await pglite.close()
  })
})
