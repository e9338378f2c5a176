import { parseRule, previewOccurrences, Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { describe, expect, it } from 'vitest'
import { warningsOf, type HealthFacts } from '../src/stats.ts'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('what will run, and how it stands', engine => {
  const make = async (start?: string) => {
    const clock = new TestClock(start)
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock })
    await scheduler.migrate()
    return { clock, schema, scheduler, admin: scheduler.admin }
  }

  it('forecasts stored jobs by the hour they are due in', async () => {
    const { scheduler, schema, admin } = await make()
    await scheduler.scheduleJobs([
      { job: 'mail' },
      { job: 'mail', delay: '59m' },
      { job: 'mail', delay: '1h' },
      { job: 'mail', delay: '23h' },
      { job: 'mail', delay: '25h' },
      { job: 'mail', delay: '2h', expireAfter: '1h' },
      { job: 'push', delay: '90m', jobId: 'waits' },
    ])
    await engine.database.query(`update ${schema}.scheduled_jobs_live set ready_at = 'infinity' where job_id = 'waits'`)
    const { types, now } = await admin.forecast()
    expect(now).toEqual(new Date('2027-01-01T12:00:00Z'))
    const [mail, push] = types
    expect(mail?.hours).toHaveLength(24)
    expect(mail?.hours.flatMap((hour, index) => (hour.pending > 0 ? [[index, hour.pending]] : []))).toEqual([
      [0, 2],
      [1, 1],
      [2, 1],
      [23, 1],
    ])
    expect(mail).toMatchObject({ jobType: 'mail', handled: false, waiting: 0, leftOver: 0 })
    expect(push).toMatchObject({ jobType: 'push', waiting: 1 })
    expect(push?.hours.every(hour => hour.starts === 0)).toBe(true)
  })

  it('forecasts schedules as they will fire, the day the clocks change too, and leaves paused ones out', async () => {
    // The night in which Berlin goes from 02:00 to 03:00.
    const { scheduler, clock, admin } = await make('2027-03-27T22:00:00Z')
    await scheduler.applySchedule({ scheduleId: 'd', job: 'daily', rule: '30 2 * * *', timeZone: 'Europe/Berlin' })
    await scheduler.applySchedule({ scheduleId: 'q', job: 'quarterly', rule: '*/15 * * * *' })
    await scheduler.applySchedule({ scheduleId: 'p', job: 'paused', rule: '@hourly' })
    await scheduler.pauseSchedule('p')
    const forecast = await admin.forecast({ hours: 6 })
    expect(forecast.paused).toEqual(['p'])
    expect(forecast.types.map(type => [type.jobType, type.hours.map(hour => hour.recurring)])).toEqual([
      ['daily', [0, 0, 0, 1, 0, 0]],
      ['quarterly', [3, 4, 4, 4, 4, 4]],
    ])
    expect(previewOccurrences(parseRule('30 2 * * *', 'Europe/Berlin'), clock.now(), 1)).toEqual([
      new Date('2027-03-28T01:00:00Z'),
    ])
    clock.moveTo('2027-03-28T01:00:00Z')
    await scheduler.runDueJobs()
    expect((await admin.listJobs({ jobType: 'daily' })).jobs).toMatchObject([
      { occurrence: new Date('2027-03-28T01:00:00Z') },
    ])
  })

  it('says when a schedule fires too often to count', async () => {
    const { scheduler, admin } = await make()
    await scheduler.applySchedule({ scheduleId: 'tick', job: 'tick', rule: { every: '1s' } })
    expect((await admin.forecast({ hours: 5 })).cutShort).toEqual([])
    expect((await admin.forecast({ hours: 6 })).cutShort).toEqual(['tick'])
    for (const hours of [0, 169, 1.5, Number.NaN]) await expect(admin.forecast({ hours })).rejects.toThrow(/hours/)
  })

  it('counts every status by type, and how long the oldest of each has been due', async () => {
    const { scheduler, clock, schema } = await make()
    scheduler.registerHandler('done', () => {})
    await scheduler.scheduleJob('done', { payload: {} })
    await scheduler.scheduleJob('mail', { payload: {} })
    clock.advance('10m')
    await scheduler.scheduleJob('push', { payload: {} })
    await scheduler.scheduleJob('push', { delay: '1h' })
    await scheduler.scheduleJob('waits', { jobId: 'waits' })
    await engine.database.query(`update ${schema}.scheduled_jobs_live set ready_at = 'infinity' where job_id = 'waits'`)
    clock.advance('5m')
    await scheduler.runDueJobs()
    const stats = await scheduler.getStats()
    expect(stats).toMatchObject({ exact: true, due: 2, oldestDueMs: 900_000, nextDueMs: 55 * 60_000, executions24h: 1 })
    expect(
      stats.types.map(type => [type.jobType, type.oldestDueMs, type.counts.pending, type.counts.completed]),
    ).toEqual([
      ['done', null, 0, 1],
      ['mail', 900_000, 1, 0],
      ['push', 300_000, 2, 0],
      ['waits', null, 1, 0],
    ])
    expect(stats.tables.map(table => table.name)).toEqual([
      'scheduled_jobs_live',
      'scheduled_jobs_finished',
      'job_attempts',
    ])
    expect(stats.tables.every(table => table.bytes > 0)).toBe(true)
    expect(stats.warnings).toEqual([
      'Jobs of type mail are due and no living process has a handler for them; the oldest has been waiting for 15 min.',
      'Jobs of type push are due and no living process has a handler for them; the oldest has been waiting for 5 min.',
    ])
  })

  it('estimates what is too much to count, and says so; failures are counted still', async () => {
    const { scheduler, schema } = await make()
    await engine.database.query(
      `insert into ${schema}.scheduled_jobs_finished (job_id, job_type, status, scheduled_time, payload, completed_at,
         execution_id, last_outcome, attempt)
       select 'job-' || n, case when n % 4 = 0 then 'rare' else 'common' end,
         case when n % 10000 = 1 then 'failed' else 'completed' end, '2027-01-01', to_jsonb(repeat('x', 200)), '2027-01-01',
         n, case when n % 10000 = 1 then 'failed' else 'completed' end, 1
       from generate_series(1, 150000) n`,
    )
    const { exact, counts, types, executions24h, successRate24h } = await scheduler.getStats()
    expect(exact).toBe(false)
    expect(counts.failed).toBe(15)
    expect(Math.abs(counts.completed / 149_985 - 1)).toBeLessThan(0.1)
    const rare = types.find(type => type.jobType === 'rare')
    expect(Math.abs((rare?.counts.completed ?? 0) / 37_500 - 1)).toBeLessThan(0.15)
    expect(Math.abs(executions24h / 150_000 - 1)).toBeLessThan(0.1)
    expect(successRate24h).toBeGreaterThan(0.99)
  })

  it('sees a transaction that somebody left open', async ({ skip }) => {
    if (engine.database.kind === 'embedded') skip('one connection: nobody else')
    const { scheduler } = await make()
    await engine.database.transaction(async transaction => {
      await transaction.query('select 1')
      expect((await scheduler.getStats()).oldestTransactionMs).toBeGreaterThanOrEqual(0)
    })
  })
})

describe('warnings follow from the figures alone', () => {
  const healthy: HealthFacts = {
    tables: [{ name: 'scheduled_jobs_live', liveRows: 1_000, deadRows: 0, bytes: 1e6, vacuumedMsAgo: null }],
    oldestTransactionMs: null,
    types: [],
    runners: [],
    blocked: [],
    autovacuum: true,
  }
  const dirty = (deadRows: number, vacuumedMsAgo: number | null, autovacuum = true): HealthFacts => ({
    ...healthy,
    autovacuum,
    tables: [{ name: 'scheduled_jobs_live', liveRows: 1_000, deadRows, bytes: 1e6, vacuumedMsAgo }],
  })

  it('a table with many dead rows that nobody vacuums is named; one that was vacuumed just now is not', () => {
    expect(warningsOf(healthy)).toEqual([])
    expect(warningsOf(dirty(10_000, null))).toEqual([])
    expect(warningsOf(dirty(50_000, 60_000))).toEqual([])
    expect(warningsOf(dirty(50_000, 700_000))).toEqual([
      'scheduled_jobs_live holds 50000 dead rows beside 1000 living ones and was vacuumed 12 min ago: claims get slow. ' +
        'Look whether autovacuum is on, or run: vacuum scheduled_jobs_live',
    ])
    expect(warningsOf(dirty(50_000, null))[0]).toContain('never vacuumed')
    expect(warningsOf(dirty(50_000, 700_000, false))).toEqual([])
  })

  it('a transaction open for more than five minutes is', () => {
    expect(warningsOf({ ...healthy, oldestTransactionMs: 299_000 })).toEqual([])
    expect(warningsOf({ ...healthy, oldestTransactionMs: 3_600_000 })[0]).toMatch(/open for 60 min/)
  })
})
