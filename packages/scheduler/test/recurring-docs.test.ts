import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { deploy, repair } from '../../../examples/recurring-by-hand.ts'
import { calendar, nightsOfChange } from '../../../examples/recurring-rules.ts'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(() => database.drop())

it('the nights of change: after the gap in spring, the first of two in autumn', () => {
  expect(nightsOfChange()).toEqual(['2027-03-28T01:00:00.000Z', '2027-10-31T00:30:00.000Z'])
})

it('the calendar is stored once, and a backfill pays January', async () => {
  const clock = new TestClock('2027-02-10T12:00:00Z')
  const scheduler = new Scheduler({ database: fromPool(database.pool), clock })
  await scheduler.migrate()
  expect(await deploy(scheduler)).toBe('added 3, changed 0, removed 0')
  expect(await deploy(scheduler)).toBe('added 0, changed 0, removed 0')
  expect((await scheduler.getSchedules()).map(each => [each.scheduleId, each.nextOccurrence?.toISOString()])).toEqual([
    ['course', '2027-03-01T21:00:00.000Z'],
    ['payday', '2027-02-26T08:00:00.000Z'],
    ['weekend', '2027-02-12T22:00:00.000Z'],
  ])
  await repair(scheduler, database.pool)
  expect(await scheduler.getJob('payday@2027-01-29T08:00:00.000Z')).toMatchObject({ jobType: 'pay', status: 'pending' })
  expect(await scheduler.getSchedules()).toMatchObject([{}, { scheduleId: 'payday', paused: true }, {}])
  expect(calendar).toHaveLength(3)
})
