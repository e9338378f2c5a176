import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { BelfryError } from 'belfry'
import { describeDatabaseError, fromPglite, fromPool, type Database } from 'belfry/database'
import { Pool } from 'pg'
import { lockFolder } from './folder-lock.ts'

/** An open database and what a person is told of it. */
export interface OpenDatabase {
  readonly database: Database
  /** Where the data is; never holds a password. */
  readonly label: string
  close(): Promise<void>
}

/** One for LISTEN, one that claims, one that settles, and some for people. */
const POOL_SIZE = 10
/** A database that is down is reported within this time, not after the operating system's minutes. */
const CONNECT_TIMEOUT_MS = 10_000

/**
 * Opens the PostgreSQL server of a URL.
 * @throws BelfryError `BELFRY_DATABASE_UNAVAILABLE` and its kind; never with the password in it
 */
export async function openServer(url: string): Promise<OpenDatabase> {
  const pool = new Pool({ connectionString: url, max: POOL_SIZE, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  const database = fromPool(pool)
  const { host, pathname } = new URL(url)
  const label = `PostgreSQL ${host}${pathname}`
  try {
    const answer = await database.query<{ read_only: string; version: number }>(
      `select current_setting('transaction_read_only') as read_only,
         current_setting('server_version_num')::int as version`,
    )
    requireUsable(answer.rows[0], label)
  } catch (error) {
    await pool.end()
    throw withLabel(describeDatabaseError(error), label)
  }
  return { database, label, close: () => pool.end() }
}

const OLDEST_SERVER = 140_000

function requireUsable(server: { read_only: string; version: number } | undefined, label: string): void {
  if (server?.read_only === 'on') {
    throw new BelfryError(
      'BELFRY_DATABASE_READ_ONLY',
      `${label} is read-only. Point DATABASE_URL at the primary server.`,
    )
  }
  if ((server?.version ?? 0) < OLDEST_SERVER) {
    throw new BelfryError(
      'BELFRY_DATABASE_UNAVAILABLE',
      `${label} is older than PostgreSQL 14, the oldest supported one.`,
    )
  }
}

function withLabel(error: unknown, label: string): unknown {
  if (error instanceof BelfryError) {
    return new BelfryError(error.code, `${label}: ${error.message}`, { cause: error.cause })
  }
  const text = error instanceof Error ? error.message : String(error)
  return new BelfryError('BELFRY_DATABASE_UNAVAILABLE', `${label} cannot be used: ${text}`, { cause: error })
}

/**
 * Opens the embedded database in a folder, for this process alone. It survives restarts and kill -9; it never calls
 * fsync, so it does not survive a power cut.
 * @throws FolderInUseError when another process has it open
 */
export async function openEmbedded(dataDir: string): Promise<OpenDatabase> {
  const folder = join(dataDir, 'postgres')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const lock = await lockFolder(dataDir)
  try {
    const pglite = await PGlite.create({ dataDir: folder })
    const close = async () => {
      await pglite.close()
      await lock.release()
    }
    return { database: fromPglite(pglite), label: `embedded PostgreSQL in ${dataDir}`, close }
  } catch (error) {
    await lock.release()
    const text = error instanceof Error ? error.message : String(error)
    throw new BelfryError(
      'BELFRY_DATABASE_UNAVAILABLE',
      `the embedded database in ${folder} cannot be opened: ${text}. Move the folder away to begin anew, or restore a backup.`,
      { cause: error },
    )
  }
}

/** A database that lives as long as the process: for the demo and for trying things out. */
export async function openInMemory(): Promise<OpenDatabase> {
  const pglite = await PGlite.create()
  return { database: fromPglite(pglite), label: 'in memory', close: () => pglite.close() }
}

/**
 * Opens what the settings name: the server of `DATABASE_URL`, else the embedded database in `BELFRY_DATA_DIR`.
 * @throws BelfryError, FolderInUseError
 */
export function openConfigured(settings: { databaseUrl: string | undefined; dataDir: string }): Promise<OpenDatabase> {
  return settings.databaseUrl ? openServer(settings.databaseUrl) : openEmbedded(settings.dataDir)
}
