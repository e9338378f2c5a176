import type { SchedulerEvents } from 'belfry'
import { describe, expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { QueueWatch } from '../src/maintenance/pool-watch.ts'
import { beginPoolStory, SCHEMA, type PoolStory } from './support/pool-story.ts'

describe.concurrent('statements that the server gives up', () => {
  it.for([
    ['lock_timeout', '55P03'],
    ['statement_timeout', '57014'],
  ] as const)(
    'by %s while somebody locks the tables: told, tried again, nothing lost',
    async ([setting, sqlState], context) => {
      const { test, journal, start, faults } = await beginPoolStory(context)
      const scheduler = await start({ options: `-c ${setting}=100` })
      await journal.schedule(scheduler, 'with result', { jobId: 'due meanwhile', delay: 200 })
      const locker = await test.pool.connect()
      await locker.query(`begin; lock table ${SCHEMA}.scheduled_jobs_live in access exclusive mode`)
      expect(await journal.schedule(scheduler, 'quick', { jobId: 'refused' })).toBe(false)
      await until('claims are given up', () =>
        Promise.resolve(journal.errors.filter(({ error }) => hasState(error, sqlState)).length >= 2),
      )
      await locker.query('commit')
      locker.release()
      await journal.schedule(scheduler, 'with result', { jobId: 'afterwards' })
      expect(await faults()).toEqual([])
    },
  )

  it('as victims of a deadlock: the outcomes are written once the way is free', async context => {
    const story = await beginPoolStory(context)
    await rival(story, {
      options: '-c deadlock_timeout=300',
      before: `select from ${SCHEMA}.scheduled_jobs_live where job_id = 'together-10' for update`,
      next: `select from ${SCHEMA}.scheduled_jobs_live for update`,
    })
    expect(await story.faults()).toEqual([])
    expect(story.journal.errors.some(({ error }) => hasState(error, '40P01'))).toBe(true)
  })

  it.for(['serializable', 'repeatable\\ read'])(
    'because transactions are %s: tried again, nothing lost',
    async (level, context) => {
      const story = await beginPoolStory(context)
      await rival(story, {
        options: `-c default_transaction_isolation=${level}`,
        before: `update ${SCHEMA}.scheduled_jobs_live set progress = '1' where job_id = 'together-10'`,
        next: 'select 1',
      })
      expect(await story.faults()).toEqual([])
      expect(story.journal.errors.some(({ error }) => hasState(error, '40001'))).toBe(true)
    },
  )
})

/** Twenty jobs end at the same moment, while somebody else's transaction is in the way of their outcomes. */
async function rival(
  { test, journal, start }: PoolStory,
  way: { options: string; before: string; next: string },
): Promise<void> {
  const scheduler = await start({ options: way.options })
  let finish = () => {}
  const finished = new Promise<void>(resolve => (finish = resolve))
  let running = 0
  scheduler.registerHandler('together', async () => {
    running += 1
    await finished
  })
  const ids = Array.from({ length: 20 }, (_, n) => `together-${String(n).padStart(2, '0')}`)
  for (const jobId of ids) await journal.schedule(scheduler, 'together', { jobId })
  await until('all are running', () => Promise.resolve(running === ids.length))
  const client = await test.pool.connect()
  // Never the victim itself.
  await client.query(`set deadlock_timeout = '1h'`)
  await client.query('begin')
  await client.query(way.before)
  finish()
  await until('settling waits', async () => {
    const { rows } = await test.pool.query(
      `select 1 from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`,
    )
    return rows.length > 0
  })
  await client.query(way.next)
  await client.query('commit')
  client.release(true)
}

function hasState(error: unknown, state: string): boolean {
  return error instanceof Error && 'code' in error && error.code === state
}

describe('how long calls wait, as a pool shows it', () => {
  const looks = (states: readonly { waiting: number; handedOut: number }[]) => {
    const queue = new QueueWatch()
    return states.map((state, second) => queue.look(state, second * 1_000))
  }

  it('is nothing while nobody waits, and grows while nobody is served', () => {
    const nobody = { waiting: 0, handedOut: 9 }
    const stuck = { waiting: 2, handedOut: 9 }
    expect(looks([nobody, stuck, stuck, { ...stuck, waiting: 5 }, nobody, stuck])).toEqual([0, 0, 1_000, 2_000, 0, 0])
  })

  it('is short in a queue that is long and moves: whoever waited at the last look has been served', () => {
    const moving = Array.from({ length: 20 }, (_, n) => ({ waiting: 100, handedOut: n * 100 }))
    expect(Math.max(...looks(moving))).toBe(0)
    const slow = Array.from({ length: 20 }, (_, n) => ({ waiting: 100, handedOut: n * 10 }))
    expect(Math.max(...looks(slow))).toBe(9_000)
  })
})

describe.concurrent('a pool whose connections are all taken by the program itself', () => {
  it('holds work up and nothing else: it goes on when they are given back, also after more than a lease', async context => {
    const { journal, make, start, faults } = await beginPoolStory(context)
    const { scheduler, pool } = make({ max: 3 })
    const warnings: SchedulerEvents['pool:exhausted'][] = []
    scheduler.on('pool:exhausted', warning => warnings.push(warning))
    await scheduler.start()
    const taken = await Promise.all([pool.connect(), pool.connect()])
    const calls = Array.from({ length: 10 }, (_, n) => journal.schedule(scheduler, 'quick', { jobId: `held-up-${n}` }))
    // Another process takes back what this one seems to have abandoned.
    const other = await start()
    await new Promise(resolve => setTimeout(resolve, 1_500))
    await journal.schedule(other, 'with result', { jobId: 'from elsewhere' })
    await until('it is told', () => Promise.resolve(warnings.length > 0))
    for (const client of taken) client.release()
    expect(await Promise.all(calls)).not.toContain(false)
    expect(await faults()).toEqual([])
    expect((await scheduler.getStats()).runners.filter(each => each.alive)).toHaveLength(2)
    // Once, though it lasted for seconds.
    expect(warnings).toEqual([{ size: 3, waiting: expect.any(Number), waitedMs: expect.any(Number) }])
    expect(warnings[0]?.waiting).toBeGreaterThan(0)
    // A third of the lease of a second: a heartbeat is that late.
    expect(warnings[0]?.waitedMs).toBeGreaterThanOrEqual(333)
  })

  it('by handlers that each hold one: as many jobs as slots, all done', async context => {
    const { journal, make, faults } = await beginPoolStory(context)
    const { scheduler, pool } = make({ max: 3 })
    scheduler.registerHandler('greedy', async () => {
      const client = await pool.connect()
      await client.query('select pg_sleep(0.01)')
      client.release()
    })
    await scheduler.start()
    await Promise.all(
      Array.from({ length: 60 }, (_, n) => journal.schedule(scheduler, 'greedy', { jobId: `greedy-${n}` })),
    )
    expect(await faults()).toEqual([])
  })
})
