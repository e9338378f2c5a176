import fc from 'fast-check'
import { Scheduler, type EventStream, type SchedulerOptions, type WatchedEvent } from 'belfry'
import { fromPglite, fromPool, type Database } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { describe, expect, it, type TestContext } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { packEvents, unpackEvents } from '../src/watching/watched-event.ts'
import { createPglite } from '../../../test-support/embedded-database.ts'

type Kind = 'PGlite' | 'PostgreSQL'

/** Handles of processes that share one database; every statement they send is kept. */
async function begin(context: TestContext, kind: Kind) {
  const statements: string[] = []
  const counted = (database: Database): Database => ({
    ...database,
    query: (text, values) => {
      statements.push(text)
      return database.query(text, values)
    },
  })
  let connect: () => Database
  if (kind === 'PGlite') {
    const pglite = await createPglite()
    context.onTestFinished(() => pglite.close())
    connect = () => counted(fromPglite(pglite))
  } else {
    const test = await createTestDatabase(20)
    context.onTestFinished(() => test.drop())
    connect = () => counted(fromPool(test.pool))
  }
  const make = (options: Partial<SchedulerOptions> = {}) => {
    const scheduler = new Scheduler({ database: connect(), ...options })
    context.onTestFinished(() => scheduler.stop())
    return scheduler
  }
  return { make, statements, connect }
}

/** Runs jobs until one of them is heard of: the word that somebody watches arrives when it arrives. */
async function untilHeard(scheduler: Scheduler, stream: EventStream): Promise<void> {
  let heard = false
  const first = stream.next().then(() => (heard = true))
  await until('a first event', async () => {
    await scheduler.scheduleJob('warm-up', { payload: {} })
    return heard
  })
  await first
}

async function take(stream: EventStream, enough: (events: readonly WatchedEvent[]) => boolean) {
  const events: WatchedEvent[] = []
  for await (const event of stream) {
    if (event.jobType !== 'warm-up') events.push(event)
    if (enough(events)) break
  }
  return events
}

describe.each<Kind>(['PGlite', 'PostgreSQL'])('whoever watches, on %s', kind => {
  it('is told what happens to jobs in every process', async context => {
    const { make } = await begin(context, kind)
    const runner = make()
    runner.registerHandler('warm-up', () => {})
    runner.registerHandler('mail', (_payload, { attempt }) => {
      if (attempt === 1) throw new Error('the mail server is away')
    })
    await runner.start()
    const dashboard = make()
    const stream = await dashboard.watch()
    await untilHeard(runner, stream)
    const { jobId } = await runner.scheduleJob('mail', { payload: {}, maxRetries: 0 })
    const events = await take(stream, seen => seen.some(each => each.event === 'job:settled'))
    // A runner with a free slot starts its own job in the moment that stores it: either may be told first.
    const told = (name: WatchedEvent['event']) => events.filter(each => each.event === name)
    expect(told('job:scheduled')).toMatchObject([{ jobId, jobType: 'mail', conflict: false, processId: process.pid }])
    expect(told('job:started')).toMatchObject([{ jobId, attempt: 1 }])
    expect(events.at(-1)).toMatchObject({
      event: 'job:settled',
      jobId,
      outcome: 'failed',
      willRetry: false,
      error: 'the mail server is away',
    })
    expect(events[0]?.at).toBeInstanceOf(Date)
    expect(stream.dropped).toBe(0)
  })

  it('is told what it asked for alone, and the stream ends with its scheduler', async context => {
    const { make } = await begin(context, kind)
    const scheduler = make()
    for (const type of ['warm-up', 'mail', 'other']) scheduler.registerHandler(type, () => {})
    await scheduler.start()
    const everything = await scheduler.watch()
    await untilHeard(scheduler, everything)
    const mails = await scheduler.watch({ jobType: 'mail', events: ['job:settled'] })
    await scheduler.scheduleJob('other', { payload: {} })
    const { jobId } = await scheduler.scheduleJob('mail', { payload: {} })
    expect(await mails.next()).toMatchObject({ value: { event: 'job:settled', jobType: 'mail', jobId } })
    const waiting = mails.next()
    await scheduler.stop()
    expect(await waiting).toEqual({ done: true, value: undefined })
    await expect(scheduler.watch({ events: ['nonsense' as 'job:settled'] })).rejects.toMatchObject({
      code: 'BELFRY_INVALID_OPTION',
    })
  })

  it('costs nothing while there is nobody: not one statement', async context => {
    const { make, statements } = await begin(context, kind)
    const scheduler = make()
    scheduler.registerHandler('mail', () => {})
    await scheduler.start()
    const settled = new Promise<void>(resolve => scheduler.on('job:settled', () => resolve()))
    await scheduler.scheduleJob('mail', { payload: {} })
    await settled
    await scheduler.stop()
    expect(statements.filter(text => text.includes('pg_notify($1::text, message)'))).toEqual([])
  })
})

it('publishing ends by itself when no watcher says any more that it is there', async () => {
  const { EventPublisher } = await import('../src/watching/event-publisher.ts')
  const { EventHub } = await import('../src/events.ts')
  const { tablesIn } = await import('../src/store/tables.ts')
  const clock = new TestClock()
  const events = new EventHub(() => {})
  const sent: unknown[][] = []
  const query = (_text: string, values: readonly unknown[] = []) => {
    sent.push([...values])
    return Promise.resolve({ rows: [] })
  }
  const core = { clock, events, tables: tablesIn('belfry'), database: { query } }
  const publisher = new EventPublisher(core as never)
  const turn = () => new Promise<void>(resolve => setImmediate(resolve))
  const tell = (jobId: string) => events.emit('job:scheduled', { jobId, jobType: 'mail', conflict: false })
  tell('before')
  expect(events.has('job:scheduled')).toBe(false)
  publisher.watched()
  tell('one')
  clock.advance('20s')
  await turn()
  publisher.watched()
  clock.advance('20s')
  // More than a flush holds: counted.
  for (let n = 0; n < 1_500; n += 1) tell(`flood ${n}`)
  clock.advance('9s')
  await turn()
  tell('last')
  clock.advance('2s')
  expect(events.has('job:scheduled')).toBe(false)
  await publisher.stop()
  const messages = sent.flatMap(values => values[1] as string[]).map(text => unpackEvents(text))
  const told = messages.flatMap(each => each?.events ?? []).map(each => each.jobId)
  const dropped = messages.reduce((sum, each) => sum + (each?.dropped ?? 0), 0)
  expect(told[0]).toBe('one')
  expect(told.at(-1)).toBe('last')
  expect(told.length + dropped).toBe(1_502)
  expect(sent.length).toBe(3)
})

it('messages fit into NOTIFY, keep the order, and every event is told or counted', () => {
  const event = fc.record({
    event: fc.constant('job:started' as const),
    jobId: fc.string({ minLength: 1, maxLength: 255, unit: 'binary' }),
    jobType: fc.string({ minLength: 1, maxLength: 100, unit: 'binary' }),
    attempt: fc.nat(),
    at: fc.constant(new Date(0)),
    host: fc.constant('box'),
    processId: fc.constant(1),
  })
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 120 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(5),
      (events, most, dropped) => {
        const messages = packEvents(events, most, events.length > 0 ? dropped : 0)
        expect(messages.length).toBeLessThanOrEqual(most)
        for (const message of messages) expect(Buffer.byteLength(message)).toBeLessThan(8_000)
        const read = messages.map(message => unpackEvents(message))
        const told = read.flatMap(each => each?.events ?? [])
        expect(told).toEqual(events.slice(0, told.length))
        const lost = read.reduce((sum, each) => sum + (each?.dropped ?? 0), 0)
        expect(told.length + lost).toBe(events.length + (events.length > 0 ? dropped : 0))
      },
    ),
  )
  expect(unpackEvents('due')).toBeUndefined()
})
