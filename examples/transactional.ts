import type { Scheduler } from 'belfry'
import type { Pool } from 'pg'

/** The welcome mail exists if and only if the account does. */
export async function openAccount(pool: Pool, scheduler: Scheduler, name: string): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query('insert into accounts (name) values ($1)', [name])
    await scheduler.scheduleJob('welcome_mail', { payload: { name }, transaction: client })
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}
