import type { Scheduler } from 'belfry'
import { fromDrizzle, fromKnex, fromKysely, fromPostgresJs } from 'belfry/database'
import { sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { Knex } from 'knex'
import type { Kysely } from 'kysely'
import type postgres from 'postgres'

/** Your own tables. */
export interface Shop {
  orders: { item: string }
}

export async function orderWithDrizzle(db: NodePgDatabase, scheduler: Scheduler, item: string): Promise<void> {
  await db.transaction(async tx => {
    await tx.execute(sql`insert into orders (item) values (${item})`)
    await scheduler.scheduleJob('pack', { payload: { item }, transaction: fromDrizzle(tx, sql) })
  })
}

export async function orderWithKysely(db: Kysely<Shop>, scheduler: Scheduler, item: string): Promise<void> {
  await db.transaction().execute(async trx => {
    await trx.insertInto('orders').values({ item }).execute()
    await scheduler.scheduleJob('pack', { payload: { item }, transaction: fromKysely(trx) })
  })
}

export async function orderWithKnex(db: Knex, scheduler: Scheduler, item: string): Promise<void> {
  await db.transaction(async trx => {
    await trx('orders').insert({ item })
    await scheduler.scheduleJob('pack', { payload: { item }, transaction: fromKnex(trx) })
  })
}

export async function orderWithPostgresJs(db: postgres.Sql, scheduler: Scheduler, item: string): Promise<void> {
  await db.begin(async tx => {
    await tx`insert into orders (item) values (${item})`
    await scheduler.scheduleJob('pack', { payload: { item }, transaction: fromPostgresJs(tx) })
  })
}
