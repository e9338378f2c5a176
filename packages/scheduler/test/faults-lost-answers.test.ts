import { randomUUID } from 'node:crypto'
import { Scheduler, SnoozeError } from 'belfry'
import { fromPool } from 'belfry/database'
import { describe, expect, it, type TestContext } from 'vitest'
import type { Verdict } from '../../../test-support/postgres-proxy.ts'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { statementsOfEarlierRelease } from './support/earlier-release.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { beginNetworkStory, joinNetworkStory } from './support/network-story.ts'

/** More requests than the life below needs: past its end nothing is cut, and nothing may be wrong either. */
const REQUESTS = 45
/** Lives that are lived at the same time. */
const LANES = 6

/** Lives one whole life for each request in it, in which that request meets its fate; answers what went wrong. */
async function liveThroughEach(context: TestContext, fate: Verdict): Promise<string[]> {
  const test = await createTestDatabase(8)
  context.onTestFinished(() => test.drop())
  const database = fromPool(test.pool)
  const wrong: string[] = []
  let next = 1
  const live = async (at: number) => {
    const schema = `cut_${at}`
    const story = await joinNetworkStory(context, { url: test.url, direct: test.pool, database, schema })
    const { scheduler, journal, proxy } = story
    let text = ''
    proxy.watch(request => {
      if (request.number !== at) return 'pass'
      text = request.text
      return fate
    })
    await scheduler.start().catch(() => scheduler.start())
    await journal.schedule(scheduler, 'telling', {})
    await journal.schedule(scheduler, 'second try', {})
    await journal.schedule(scheduler, 'quick', { delay: 150 })
    await journal.schedule(scheduler, 'quick', {})
    const faults = await story.faults(5_000).catch((error: unknown) => [String(error)])
    for (const fault of faults) wrong.push(`${fault} (request ${at}: ${text.replaceAll(/\s+/g, ' ').slice(0, 90)})`)
    await story.end()
  }
  const lane = async () => {
    while (next <= REQUESTS) await live(next++)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return wrong
}

describe('a connection that is reset at any one request of a life', () => {
  it('before the server hears of it: no job is lost, done twice, or kept by nobody', async context => {
    expect(await liveThroughEach(context, 'reset before')).toEqual([])
  })

  it('after the server has carried it out: no job is lost, done twice, or kept by nobody', async context => {
    expect(await liveThroughEach(context, 'reset after')).toEqual([])
  })
})

describe('a network that swallows everything, and a pool without time limits', () => {
  it('a handler is aborted when its lease cannot be renewed', async context => {
    const story = await beginNetworkStory(context)
    const { scheduler, journal, proxy } = story
    const seen: { signal?: AbortSignal } = {}
    scheduler.registerHandler('held', (_payload, { signal }) => {
      seen.signal = signal
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    await scheduler.start()
    await journal.schedule(scheduler, 'held', { jobId: 'held' })
    await until('it runs', () => Promise.resolve(seen.signal !== undefined))
    proxy.swallow()
    await until('it is aborted', () => Promise.resolve(seen.signal?.aborted), 6_000)
  })

  it('a scheduler stops all the same', async context => {
    const story = await beginNetworkStory(context)
    const { scheduler, proxy } = story
    await scheduler.start()
    proxy.swallow()
    const stopped = await Promise.race([
      scheduler.stop().then(() => 'stopped'),
      new Promise(resolve => setTimeout(resolve, 15_000, 'still stopping')),
    ])
    expect(stopped).toBe('stopped')
  })
})

describe('a process of the release before, on the schema of this one', () => {
  it('settles what it holds: completed, and to be tried again', async context => {
    const test = await createTestDatabase()
    context.onTestFinished(() => test.drop())
    const scheduler = new Scheduler({ database: fromPool(test.pool), schema: 'story' })
    await scheduler.migrate()
    const old = statementsOfEarlierRelease('story')
    const [runner, token] = [randomUUID(), randomUUID()]
    await test.pool.query(old.register, [runner, 'host', 1, '0.1.0', ['quick'], 30_000, null])
    for (const jobId of ['over', 'again']) await scheduler.scheduleJob('quick', { payload: {}, jobId })
    await test.pool.query(old.claim, [runner, token, ['quick'], 10, null])
    const noText = [null]
    const over = [['over'], [token], ['completed'], [5], ['"done"'], noText, noText, noText, noText, null]
    await test.pool.query(old.settleFinished, over)
    const again = [['again'], [token], ['failed'], [5], [60_000], noText, noText, ['not yet'], noText, noText, null]
    await test.pool.query(old.settlePending, again)
    expect(await scheduler.getJob('over')).toMatchObject({ status: 'completed', result: 'done' })
    expect(await scheduler.getAttempts('over')).toMatchObject([{ attempt: 1, outcome: 'completed' }])
    expect(await scheduler.getJob('again')).toMatchObject({ status: 'pending', retryCount: 1 })
    expect(await scheduler.getAttempts('again')).toMatchObject([{ attempt: 1, outcome: 'failed' }])
  })
})

describeOnBothEngines('rows spoiled by hand', engine => {
  it.each([
    ['begun more often than can be counted', 'attempt = 2147483647'],
    ['due since ever', `scheduled_time = '-infinity'`],
    ['put off more often than can be counted', `snooze_count = 2147483647, job_type = 'sleepy'`],
    [
      'lost more often than can be counted',
      `lost_count = 2147483647, status = 'running', lease_token = gen_random_uuid()`,
    ],
  ])('%s: the neighbours are done', async (_story, set) => {
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, lease: '1s', pollInterval: '100ms' })
    scheduler.registerHandler('quick', () => {})
    scheduler.registerHandler('sleepy', () => {
      throw new SnoozeError('1h')
    })
    await scheduler.migrate()
    await scheduler.scheduleJob('quick', { payload: {}, jobId: 'spoiled' })
    await engine.database.query(`update ${schema}.scheduled_jobs_live set ${set} where job_id = 'spoiled'`)
    try {
      await scheduler.start()
      // Several at once: these are claimed, not handed over by the call that stores them.
      for (let n = 0; n < 5; n += 1) await scheduler.scheduleJobs([{ job: 'quick' }, { job: 'sleepy' }])
      await until('the neighbours are done', async () => (await scheduler.getStats()).counts.completed >= 5, 3_000)
      await until(
        'those that sleep are asleep',
        async () => {
          const asleep = await engine.database.query(
            `select from ${schema}.scheduled_jobs_live where job_type = 'sleepy' and snooze_count = 1`,
          )
          return asleep.rows.length === 5
        },
        3_000,
      )
    } finally {
      await scheduler.stop()
    }
  })
})

describeOnBothEngines('a flood of due jobs of one type', engine => {
  it('does not hold up a job of another type until its end', async () => {
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, concurrency: 10 })
    let done = 0
    let doneBefore: number | undefined
    scheduler.registerHandler('drop', async () => {
      await new Promise(resolve => setImmediate(resolve))
      done += 1
    })
    scheduler.registerHandler('late', () => {
      doneBefore = done
    })
    await scheduler.migrate()
    await scheduler.scheduleJob('late', { payload: {} })
    await engine.database.query(
      `insert into ${schema}.scheduled_jobs_live (job_id, job_type, scheduled_time)
       select 'drop-' || n, 'drop', now() - interval '1 hour' from generate_series(1, 5000) n`,
    )
    await scheduler.start()
    await until('all are done', async () => (await scheduler.getStats()).counts.completed === 5_001)
    await scheduler.stop()
    expect(doneBefore).toBeLessThan(2_500)
  })
})

describe('a pool', () => {
  it('of a single connection is enough: due jobs are found by polling', async context => {
    const test = await createTestDatabase(1)
    // While this fails, the pool has nothing left to end with.
    context.onTestFinished(() => Promise.race([test.drop(), new Promise<void>(resolve => setTimeout(resolve, 1_000))]))
    const scheduler = new Scheduler({ database: fromPool(test.pool), schema: 'story', pollInterval: '100ms' })
    let runs = 0
    scheduler.registerHandler('quick', () => {
      runs += 1
    })
    const started = await Promise.race([
      scheduler.start().then(() => 'started'),
      new Promise(resolve => setTimeout(resolve, 5_000, 'still starting')),
    ])
    expect(started).toBe('started')
    await scheduler.scheduleJob('quick', { payload: {} })
    await until('it is done', () => Promise.resolve(runs === 1))
    await scheduler.stop()
  })

  it('gets one listener, however many handles are made of it', async context => {
    const test = await createTestDatabase(1)
    context.onTestFinished(() => test.drop())
    const before = test.pool.listenerCount('error')
    for (let n = 0; n < 20; n += 1) fromPool(test.pool)
    expect(test.pool.listenerCount('error')).toBe(before + 1)
  })
})
