import { Scheduler } from 'belfry'
import { describe, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { beginNetworkStory } from './support/network-story.ts'

/** So long that nothing in these stories can be found by polling. */
const NEVER_POLLS = { pollInterval: '1h' } as const
/** What a program sets that cannot wait for a network that swallows: pg itself waits for ever. */
const IMPATIENT = { query_timeout: 700, connectionTimeoutMillis: 700 } as const

describe.concurrent('a network that fails', () => {
  it('resets connections again and again while jobs are scheduled and run: none is lost or done twice', async context => {
    const story = await beginNetworkStory(context)
    const { scheduler, journal, proxy } = story
    await scheduler.start()
    for (let round = 0; round < 8; round += 1) {
      const calls = Array.from({ length: 20 }, (_, n) =>
        journal.schedule(scheduler, 'quick', { jobId: `round-${round}-${n}` }),
      )
      await Promise.all(calls)
      proxy.reset()
    }
    await journal.schedule(scheduler, 'second try', { jobId: 'afterwards' })
    context.expect(await story.faults()).toEqual([])
  })

  it('is slow: leases are kept and every job is done once', async context => {
    const story = await beginNetworkStory(context)
    const { scheduler, journal, proxy } = story
    proxy.delay(80)
    await scheduler.start()
    await Promise.all(
      Array.from({ length: 30 }, (_, n) => journal.schedule(scheduler, 'second try', { jobId: `slow-${n}` })),
    )
    context.expect(await story.faults()).toEqual([])
    context.expect(journal.errors).toEqual([])
    context.expect(journal.entries.filter(entry => entry.what === 'lease-lost')).toEqual([])
  })

  it('is cut off and comes back: nobody spins meanwhile, what was under way is settled afterwards', async context => {
    const story = await beginNetworkStory(context)
    const { scheduler, journal, proxy } = story
    let finish = () => {}
    const finished = new Promise<void>(resolve => (finish = resolve))
    let begun = () => {}
    const running = new Promise<void>(resolve => (begun = resolve))
    scheduler.registerHandler('across the cut', async () => {
      begun()
      await finished
    })
    await scheduler.start()
    await journal.schedule(scheduler, 'across the cut', { jobId: 'across' })
    await running
    proxy.refuse(true)
    proxy.reset()
    const before = proxy.opened
    finish()
    await until('four statements failed', () => Promise.resolve(journal.errors.length >= 4))
    await new Promise(resolve => setTimeout(resolve, 1_000))
    // Claiming, settling, renewing and listening each try again, after pauses that grow.
    context.expect(proxy.opened - before).toBeLessThan(40)
    proxy.refuse(false)
    await journal.schedule(scheduler, 'quick', { jobId: 'afterwards' })
    context.expect(await story.faults()).toEqual([])
  })

  it('swallows everything for a while: a program whose pool has time limits goes on by itself', async context => {
    const story = await beginNetworkStory(context, { pool: IMPATIENT })
    const { scheduler, journal, proxy } = story
    await scheduler.start()
    await journal.schedule(scheduler, 'quick', { jobId: 'before' })
    proxy.swallow()
    context.expect(await journal.schedule(scheduler, 'quick', { jobId: 'into the void' })).toBe(false)
    await until('the runner notices', () => Promise.resolve(journal.errors.some(each => each.during === 'heartbeat')))
    proxy.heal()
    await journal.schedule(scheduler, 'second try', { jobId: 'afterwards' })
    context.expect(await story.faults()).toEqual([])
  })

  it('lets the listening connection die in silence: noticed within 15 seconds, hints are heard again', async context => {
    const story = await beginNetworkStory(context, { options: NEVER_POLLS })
    const { scheduler, journal, proxy, database, direct, schema } = story
    await scheduler.start()
    const elsewhere = new Scheduler({ database, schema })
    await journal.schedule(elsewhere, 'quick', { jobId: 'heard before' })
    context.expect(await story.faults(2_000)).toEqual([])
    proxy.swallowListeners()
    // The runner may be about to look once more after the last job; one of the next it does not hear of.
    let longestMs = 0
    for (let tries = 0; longestMs < 1_000 && tries < 5; tries += 1) {
      const scheduledAt = performance.now()
      await journal.schedule(elsewhere, 'quick', { jobId: `unheard ${tries}` })
      context.expect(await story.faults(15_000)).toEqual([])
      longestMs = performance.now() - scheduledAt
    }
    context.expect(longestMs).toBeGreaterThan(1_000)
    const { rows } = await direct.query(LISTENERS)
    // The dead one too: its server does not know yet.
    context.expect(rows[0].n).toBeGreaterThanOrEqual(1)
    await journal.schedule(elsewhere, 'quick', { jobId: 'heard' })
    context.expect(await story.faults(2_000)).toEqual([])
    await elsewhere.stop()
  })

  it('lets the listening connection die in silence: polling finds what is due meanwhile', async context => {
    const story = await beginNetworkStory(context, { options: { pollInterval: '300ms' } })
    const { scheduler, journal, proxy, database, schema } = story
    await scheduler.start()
    const elsewhere = new Scheduler({ database, schema })
    proxy.swallowListeners()
    await journal.schedule(elsewhere, 'second try', { jobId: 'polled' })
    // The first ping is five seconds away: this was not heard.
    context.expect(await story.faults(4_000)).toEqual([])
    await elsewhere.stop()
  })

  it('is cut while a scheduler stops: it stops all the same, and what it held is done by the next', async context => {
    const story = await beginNetworkStory(context)
    const { scheduler, journal, proxy, database, schema } = story
    let begun = () => {}
    const running = new Promise<void>(resolve => (begun = resolve))
    scheduler.registerHandler('held', (_payload, { signal }) => {
      begun()
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    await scheduler.start()
    await journal.schedule(scheduler, 'held', { jobId: 'held' })
    await running
    proxy.refuse(true)
    proxy.reset()
    await scheduler.stop()
    const next = new Scheduler({ database, schema, lease: '1s' })
    journal.follow(next)
    next.registerHandler('held', () => {})
    await next.start()
    context.expect(await story.faults(10_000)).toEqual([])
    await next.stop()
  })

  it('has an operator who ends every session, the listening one too, five times over', async context => {
    const story = await beginNetworkStory(context, { options: NEVER_POLLS })
    const { scheduler, journal, direct, database, schema } = story
    await scheduler.start()
    for (let round = 0; round < 5; round += 1) {
      const calls = Array.from({ length: 10 }, (_, n) =>
        journal.schedule(scheduler, 'quick', { jobId: `round-${round}-${n}` }),
      )
      await direct.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()`,
      )
      await Promise.all(calls)
    }
    await until('somebody listens again', async () => (await direct.query(LISTENERS)).rows[0].n === 1)
    const elsewhere = new Scheduler({ database, schema })
    await journal.schedule(elsewhere, 'second try', { jobId: 'heard' })
    context.expect(await story.faults()).toEqual([])
    await elsewhere.stop()
  })
})

/** Sessions whose last statement was LISTEN, or the sign of life that a listening connection is asked for. */
const LISTENERS = `select count(*)::int as n from pg_stat_activity
  where datname = current_database() and (query ilike 'listen%' or query = 'select 1')`
