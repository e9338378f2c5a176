import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, chown, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { findPostgresBinaries } from '../../../../test-support/postgres-binaries.ts'
import { freePort } from '../../../../test-support/postgres-server.ts'
import { BenchError } from '../bench-error.ts'

const run = promisify(execFile)
const READY_WITHIN_MS = 30_000

/** A PostgreSQL server with its default settings: every commit is on disk before it is answered. */
export interface Postgres {
  /** `PostgreSQL 18.4, …` */
  readonly version: string
  /** The postmaster's process id. */
  readonly pid: number
  url(database: string): string
  query<Row extends pg.QueryResultRow>(sql: string, database?: string): Promise<Row[]>
  /** Stops it and deletes its folder. */
  remove(): Promise<void>
}

/**
 * Starts a server on loopback in a new folder under the system's temporary folder (`TMPDIR`), which should be a disk.
 * A watching shell ends it when this process dies, however it dies.
 * @throws BenchError when there are no programs to start, or it does not get ready in 30 s
 */
export async function startPostgres(server: string): Promise<Postgres> {
  const bin = await programs(server)
  const owner = await ownerOfServer()
  const folder = await mkdtemp(join(tmpdir(), 'belfry-bench-'))
  if (owner) await chown(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const user = { ...owner, cwd: '/' }
  await run(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'], user)
  const port = await freePort()
  const flags = `-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c port=${port} -c timezone=UTC`
  const watch = `'${join(bin, 'postgres')}' -D '${data}' ${flags} & server=$!; read line; kill -INT $server; wait $server`
  const shell = spawn('sh', ['-c', watch], { ...user, stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  const ended = once(shell, 'exit')
  const remove = async () => {
    shell.stdin.end()
    await ended
    await rm(folder, { recursive: true, force: true })
    if (bin.startsWith(join(tmpdir(), 'belfry-postgres-'))) await rm(dirname(dirname(bin)), { recursive: true })
  }
  const url = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`
  try {
    const version = await whenReady(url('postgres'))
    const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0])
    return {
      version,
      pid,
      url,
      query: async (sql, database = 'postgres') => (await withClient(url(database), client => client.query(sql))).rows,
      remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

async function programs(server: string): Promise<string> {
  if (server === 'npm') return (await findPostgresBinaries()).bin
  const bin = server === 'debian' ? await newestOfDebian() : server
  await access(join(bin, 'initdb')).catch((cause: unknown) => {
    throw new BenchError(
      `--server: expected npm, debian or a folder with initdb and postgres, got "${server}" (no ${join(bin, 'initdb')})`,
      { cause },
    )
  })
  return bin
}

async function newestOfDebian(): Promise<string> {
  const root = '/usr/lib/postgresql'
  const [newest] = (await readdir(root).catch(() => [])).toSorted((a, b) => Number(b) - Number(a))
  if (!newest) throw new BenchError(`--server debian: no version below ${root} (apt-get install postgresql)`)
  return join(root, newest, 'bin')
}

/** PostgreSQL refuses to run as root. */
async function ownerOfServer(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map(line => line.split(':'))
  const found = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (!found) throw new BenchError('running as root and no user postgres or nobody to run PostgreSQL as')
  return { uid: Number(found[2]), gid: Number(found[3]) }
}

async function withClient<T>(connectionString: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

async function whenReady(url: string): Promise<string> {
  const deadline = Date.now() + READY_WITHIN_MS
  for (;;) {
    try {
      const { rows } = await withClient(url, client => client.query<{ version: string }>('select version()'))
      return rows[0]?.version.split(' on ')[0] ?? 'PostgreSQL'
    } catch (cause) {
      if (Date.now() > deadline) {
        throw new BenchError(`PostgreSQL did not become ready within ${READY_WITHIN_MS} ms`, { cause })
      }
      await pause(50)
    }
  }
}
