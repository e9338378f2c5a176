import type { PGlite } from '@electric-sql/pglite'
import { fromDrizzle, fromKnex, fromKysely, fromPostgresJs, fromPrisma, type Queryable } from 'belfry/database'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle as drizzleOnPg } from 'drizzle-orm/node-postgres'
import { drizzle as drizzleOnPglite } from 'drizzle-orm/pglite'
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js'
import knex from 'knex'
import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import postgres from 'postgres'
import { StrictPrisma } from './strict-prisma.ts'
import { createPglite } from '../../../../test-support/embedded-database.ts'

/** A library with transactions of its own, opened on a database. */
export interface Door {
  /** Runs `work` in a transaction of the library's own, with the adapter's handle and a way to run plain SQL in it. */
  transaction(work: (handle: Queryable, run: (text: string) => Promise<unknown>) => Promise<void>): Promise<void>
  /** The adapter over the instance, outside any transaction. */
  readonly instance: Queryable
  close(): Promise<unknown>
}

/** Every library an adapter exists for, on a real server, with the settings that make life hard for an adapter. */
export const doors: Readonly<Record<string, (url: string) => Door>> = {
  'Drizzle on node-postgres': url => {
    const pool = new Pool({ connectionString: url, max: 2 })
    const db = drizzleOnPg(pool)
    return {
      transaction: work => db.transaction(tx => work(fromDrizzle(tx, drizzleSql), text => tx.execute(text))),
      instance: fromDrizzle(db, drizzleSql),
      close: () => pool.end(),
    }
  },
  'Drizzle on postgres.js': url => {
    const sql = postgres(url, { max: 2 })
    const db = drizzleOnPostgresJs(sql)
    return {
      transaction: work => db.transaction(tx => work(fromDrizzle(tx, drizzleSql), async text => tx.execute(text))),
      instance: fromDrizzle(db, drizzleSql),
      close: () => sql.end(),
    }
  },
  'Kysely with CamelCasePlugin': url => {
    const db = new Kysely<Record<string, never>>({
      dialect: new PostgresDialect({ pool: new Pool({ connectionString: url, max: 2 }) }),
      plugins: [new CamelCasePlugin()],
    })
    const run = (trx: typeof db) => (text: string) => fromKysely(trx).query(text)
    return {
      transaction: work => db.transaction().execute(trx => work(fromKysely(trx), run(trx))),
      instance: fromKysely(db),
      close: () => db.destroy(),
    }
  },
  Knex: url => {
    const db = knex({ client: 'pg', connection: url, pool: { min: 0, max: 2 } })
    return {
      transaction: work => db.transaction(trx => work(fromKnex(trx), async text => trx.raw(text))),
      instance: fromKnex(db),
      close: () => db.destroy(),
    }
  },
  'postgres.js': url => {
    const sql = postgres(url, { max: 2 })
    return {
      transaction: async work => {
        await sql.begin(tx => work(fromPostgresJs(tx), async text => tx.unsafe(text)))
      },
      instance: fromPostgresJs(sql),
      close: () => sql.end(),
    }
  },
  'a stand-in for Prisma': url => {
    const prisma = new StrictPrisma(url)
    return {
      transaction: work => prisma.$transaction(tx => work(fromPrisma(tx), text => tx.$queryRawUnsafe(text))),
      instance: fromPrisma(prisma),
      close: () => prisma.$disconnect(),
    }
  },
}

/** Drizzle over an embedded database: one connection, transactions of PGlite's own. */
export async function drizzleOnEmbedded(): Promise<Door & { readonly pglite: PGlite }> {
  const pglite = await createPglite()
  const db = drizzleOnPglite(pglite)
  return {
    pglite,
    transaction: work => db.transaction(tx => work(fromDrizzle(tx, drizzleSql), text => tx.execute(text))),
    instance: fromDrizzle(db, drizzleSql),
    close: () => pglite.close(),
  }
}
