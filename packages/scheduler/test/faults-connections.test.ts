import { defineJob, Scheduler, type SchedulerOptions } from 'belfry'
import { fromPool, type Database } from 'belfry/database'
import { Pool, type PoolConfig } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startPostgresProxy, type PostgresProxy, type Verdict } from '../../../test-support/postgres-proxy.ts'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { Journal } from './support/journal.ts'

/** A program whose way to its database fails, and an observer whose way does not. */
interface Story {
  readonly proxy: PostgresProxy
  readonly scheduler: Scheduler
  readonly journal: Journal
  readonly schema: string
  close(): Promise<void>
}

describe('a network that fails', () => {
  let database: TestDatabase
  /** Straight to the server. */
  let direct: Database
  let stories: Story[] = []

  beforeEach(async () => {
    database = await createTestDatabase()
    direct = fromPool(database.pool)
  })
  afterEach(async () => {
    await Promise.all(stories.map(story => story.close()))
    stories = []
    await database.drop()
  })

  const begin = async (
    schema: string,
    options: Partial<SchedulerOptions> = {},
    poolOptions: PoolConfig = {},
  ): Promise<Story> => {
    const proxy = await startPostgresProxy(database.url)
    const pool = new Pool({ connectionString: proxy.url, max: 5, ...poolOptions })
    const journal = new Journal()
    const scheduler = new Scheduler({ database: fromPool(pool), schema, lease: '1s', gracePeriod: 0, ...options })
    journal.follow(scheduler)
    scheduler.registerHandler('quick', () => {})
    scheduler.registerHandler('telling', () => 'told')
    scheduler.registerHandler(
      defineJob({ type: 'second try', backoff: { initial: 20, jitter: 0 } }),
      (_payload, { attempt }) => {
        if (attempt === 1) throw new Error('not yet')
      },
    )
    const story = {
      proxy,
      scheduler,
      journal,
      schema,
      close: async () => {
        proxy.heal()
        await scheduler.stop()
        await pool.end()
        await proxy.close()
      },
    }
    stories.push(story)
    return story
  }
  const isTrue = async ({ journal, schema }: Story) => {
    await journal.whenOver(database.pool, schema, 5_000)
    expect(await journal.faults(database.pool, schema)).toEqual([])
  }

  it('connections are reset again and again while jobs are scheduled and run: none is lost, none is done twice', async () => {
    const story = await begin('resets')
    await story.scheduler.start()
    for (let round = 0; round < 8; round += 1) {
      await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          story.journal.schedule(story.scheduler, 'quick', { jobId: `round-${round}-${n}` }),
        ),
      )
      story.proxy.reset()
    }
    await story.journal.schedule(story.scheduler, 'quick', { jobId: 'afterwards' })
    await isTrue(story)
  })

  /** A whole life: starts, is given work of every kind, does it. The request with this number meets its fate. */
  const live = async (at: number, fate: Verdict) => {
    const story = await begin(`${fate.replaceAll(' ', '_')}_${at}`)
    await new Scheduler({ database: direct, schema: story.schema }).migrate()
    const requests: string[] = []
    story.proxy.watch(({ number, text }) => {
      requests.push(text)
      return number === at ? fate : 'pass'
    })
    const { scheduler, journal } = story
    await scheduler.start().catch(() => scheduler.start())
    await journal.schedule(scheduler, 'telling', {})
    await journal.schedule(scheduler, 'second try', {})
    await journal.schedule(scheduler, 'quick', { delay: 150 })
    await journal.schedule(scheduler, 'quick', {})
    return { story, requests }
  }

  it.each<Verdict>(['reset before', 'reset after'])('%s, at each', async fate => {
    const failed: string[] = []
    let next = 1
    const lane = async () => {
      while (next <= 45) {
        const at = next++
        const { story, requests } = await live(at, fate)
        await isTrue(story).catch(e => failed.push(`${at}: ${requests[at - 1]?.slice(1, 100).replaceAll('\n', ' ')} ${e.message}`))
        await story.close()
        stories.splice(stories.indexOf(story), 1)
      }
    }
    await Promise.all([lane(), lane(), lane(), lane(), lane(), lane()])
    expect(failed).toEqual([])
  }, 600_000)
})
