import { randomUUID } from 'node:crypto'
import { Client, Pool } from 'pg'
import { inject } from 'vitest'

/** A database of a test's own on the shared server. */
export interface TestDatabase {
  readonly url: string
  /** A pool on it, ended by `drop`. */
  readonly pool: Pool
  drop(): Promise<void>
}

export async function createTestDatabase(poolSize = 10): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await onServer(`create database "${name}" template template0`)
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${name}`
  const pool = new Pool({ connectionString: url.href, max: poolSize })
  pool.on('error', () => {})
  return {
    url: url.href,
    pool,
    drop: async () => {
      await pool.end()
      await onServer(`drop database if exists "${name}" with (force)`)
    },
  }
}

async function onServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: inject('postgresUrl') })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
