import { defineJob, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'

/** The world outside, as far as this example needs it. */
export interface Shop {
  reserve(order: string): Promise<{ parcel: string }>
  /** Charges once per key, however often it is asked. */
  charge(order: string, idempotencyKey: string): Promise<{ receipt: string }>
  thank(order: string, receipt: string): Promise<void>
}

/** An order takes two days. Processes come and go meanwhile; nothing of it is done twice. */
export function orders(database: Database, shop: Shop): Scheduler {
  const order = defineJob<{ id: string }>({
    type: 'order',
    handler: async ({ id }, { step, once, sleep, waitForEvent }) => {
      const { parcel } = await step('reserve', () => shop.reserve(id))
      const handed = await waitForEvent('parcel handed over', { key: parcel, timeout: '14d' })
      if (handed === undefined) return { lost: parcel }
      const { receipt } = await once('charge', ({ key }) => shop.charge(id, key))
      await sleep('let it arrive', '2d')
      await step('thank', () => shop.thank(id, receipt))
      return { receipt }
    },
  })
  return new Scheduler({ database, jobs: [order] })
}
