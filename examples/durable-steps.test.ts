import { fromPglite } from 'belfry/database'
import { expect, it } from 'vitest'
import { orders, type Shop } from './durable-steps.ts'
import { createPglite } from '../test-support/embedded-database.ts'

it('durable steps: an order goes on where it was, and is charged once', async () => {
  const pglite = await createPglite()
  const database = fromPglite(pglite)
  const calls: string[] = []
  const shop: Shop = {
    reserve: order => Promise.resolve(calls.push(`reserve ${order}`)).then(() => ({ parcel: 'P-1' })),
    charge: (order, key) => Promise.resolve(calls.push(`charge ${order}`)).then(() => ({ receipt: `R ${key.length}` })),
    thank: (order, receipt) => Promise.resolve(calls.push(`thank ${order} ${receipt}`)).then(() => {}),
  }
  const first = orders(database, shop)
  await first.migrate()
  const job = await first.scheduleJob('order', { payload: { id: '7' } })
  await first.runDueJobs()
  const second = orders(database, shop)
  await second.sendEvent('parcel handed over', { key: 'P-1', payload: { at: '10:15' } })
  await second.runDueJobs()
  expect(calls).toEqual(['reserve 7', 'charge 7'])
  const sleeping = await second.getJob(job)
  expect((sleeping?.scheduledTime.getTime() ?? 0) - Date.now()).toBeGreaterThan(47 * 3_600_000)
  // Two days later, as far as the database is concerned.
  await database.query(`update belfry.belfry_steps set wake_at = now() where kind = 'sleep'`)
  await second.changeJob(job, { delay: 0 })
  await second.runDueJobs()
  expect(calls).toEqual(['reserve 7', 'charge 7', 'thank 7 R 25'])
  expect(await second.getJob(job)).toMatchObject({ status: 'completed', result: { receipt: 'R 25' } })
  await pglite.close()
})
