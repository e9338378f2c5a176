import { randomUUID } from 'node:crypto'
import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { describe, expect, it, type TestContext } from 'vitest'
import type { Verdict } from '../../../test-support/postgres-proxy.ts'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { statementsOfEarlierRelease } from './support/earlier-release.ts'
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
  it('the runner gives up on its statements and goes on with new connections', async context => {
    const story = await beginNetworkStory(context)
    const { scheduler, journal, proxy, database, schema } = story
    await scheduler.start()
    const observer = new Scheduler({ database, schema })
    const alive = async () => (await observer.getStats()).runners.filter(each => each.alive).length
    proxy.swallow()
    await until('its lease has run out', async () => (await alive()) === 0)
    proxy.heal()
    await journal.schedule(observer, 'quick', { jobId: 'afterwards' })
    await until('it holds a lease again', async () => (await alive()) === 1, 10_000)
    expect(await story.faults(5_000)).toEqual([])
  })

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
    await test.pool.query(old.settleFinished, [
      ...[['over'], [token], ['completed'], [5], ['"done"'], [null], [null], [null], [null]],
      null,
    ])
    await test.pool.query(old.settlePending, [
      ...[['again'], [token], ['failed'], [5], [60_000], [null], [null], ['not yet'], [null], [null]],
      null,
    ])
    expect(await scheduler.getJob('over')).toMatchObject({ status: 'completed', result: 'done' })
    expect(await scheduler.getAttempts('over')).toMatchObject([{ attempt: 1, outcome: 'completed' }])
    expect(await scheduler.getJob('again')).toMatchObject({ status: 'pending', retryCount: 1 })
    expect(await scheduler.getAttempts('again')).toMatchObject([{ attempt: 1, outcome: 'failed' }])
  })
})
