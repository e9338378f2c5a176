import type { Queryable } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { DatabaseClock } from '../src/store/database-clock.ts'

const START = Date.parse('2027-06-01T10:00:00Z')

/** A database whose time is true, asked by a process that stands still for some while before it hears each answer. */
function begin(pausesMs: number[]) {
  const clock = new TestClock(new Date(START))
  let asked = 0
  const database: Queryable = {
    async query() {
      const ms = clock.now().getTime()
      clock.advance(pausesMs[asked] ?? 0)
      asked += 1
      return { rows: [{ ms }] as never[] }
    },
  }
  // As in production: its own time says nothing of the database's.
  const databaseClock = new DatabaseClock({
    now: () => new Date(0),
    databaseNow: () => null,
    monotonic: () => clock.monotonic(),
    setTimer: (delayMs, run) => clock.setTimer(delayMs, run),
  })
  const read = async () => ({ late: clock.now().getTime() - (await databaseClock.now(database)), asked })
  return { clock, read }
}

it('asks once in five seconds, and counts on by itself', async () => {
  const { clock, read } = begin([])
  expect(await read()).toEqual({ late: 0, asked: 1 })
  clock.advance(4_000)
  expect(await read()).toEqual({ late: 0, asked: 1 })
  clock.advance(1_001)
  expect(await read()).toEqual({ late: 0, asked: 2 })
})

it('is behind by the way of an answer, and never ahead', async () => {
  const { clock, read } = begin([800])
  await read()
  clock.advance(1_000)
  expect(await read()).toEqual({ late: 800, asked: 1 })
})

it('does not go by an answer that was heard an hour after it was given', async () => {
  const { clock, read } = begin([3_600_000])
  await read()
  clock.advance(1_000)
  expect(await read()).toEqual({ late: 0, asked: 2 })
})

it('keeps nothing of answers that all come late', async () => {
  const { read } = begin([2_000, 3_000, 4_000])
  expect((await read()).asked).toBe(3)
  expect(await read()).toEqual({ late: 0, asked: 4 })
})
