import { Scheduler } from 'belfry'
import type { Database, QueryResult } from 'belfry/database'
import { expect, it, onTestFinished } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'

/** A database that can be out of reach: for everything, or for statements that settle. */
function outOfReach(database: Database) {
  let out: 'nothing' | 'settling' | 'everything' = 'settling'
  let settlingRefused = 0
  const reach = (text: string) => {
    const settles = text.includes('belfry_settle')
    if (settles && out !== 'nothing') settlingRefused += 1
    if (out === 'everything' || (settles && out === 'settling')) throw new Error('out of reach')
  }
  const query = async <Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> => {
    reach(text)
    return database.query<Row>(text, values)
  }
  const transaction: Database['transaction'] = async work => {
    reach('')
    return database.transaction(work)
  }
  return {
    database: { ...database, query, queryKept: query, transaction },
    settlingRefused: () => settlingRefused,
    set: (what: typeof out) => (out = what),
  }
}

describeOnBothEngines('outcomes that wait until their lease is lost', engine => {
  it('are refused, also when the next attempt of their job is settled along with them', async () => {
    const schema = engine.freshSchema()
    const { database, settlingRefused, set } = outOfReach(engine.database)
    const scheduler = new Scheduler({ database, schema, lease: '1s' })
    const other = new Scheduler({ database: engine.database, schema, lease: '1s' })
    onTestFinished(async () => {
      set('nothing')
      await Promise.all([scheduler.stop(), other.stop()])
    })
    let runs = 0
    scheduler.registerHandler('count', () => {
      runs += 1
    })
    const told: string[] = []
    scheduler.on('job:settled', ({ attempt, outcome }) => told.push(`${attempt} ${outcome}`))
    scheduler.on('job:lease-lost', ({ attempt }) => told.push(`${attempt} refused`))
    const rescued = new Promise(resolve => other.on('job:rescued', resolve))
    await scheduler.start()
    await other.start()
    const { jobId } = await scheduler.scheduleJob('count', { payload: {} })
    await until('its outcome waits', () => Promise.resolve(settlingRefused() > 0))
    set('everything')
    await rescued
    set('settling')
    await until('the same process has run it again', () => Promise.resolve(runs === 2))
    const then = settlingRefused()
    await until('both outcomes wait', () => Promise.resolve(settlingRefused() > then + 1))
    set('nothing')
    await until('both are answered', () => Promise.resolve(told.length === 2))
    expect(told.toSorted()).toEqual(['1 refused', '2 completed'])
    expect((await scheduler.getAttempts(jobId)).map(each => each.outcome)).toEqual(['lost', 'completed'])
  })
})
