import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { findPostgresBinaries } from './postgres-binaries.ts'

const run = promisify(execFile)

/** A real PostgreSQL server for tests, on loopback, with a folder of its own. */
export interface PostgresServer {
  /** Superuser, database `postgres`. */
  readonly url: string
  /** Folder of its socket, which this user may connect to. */
  readonly socketFolder: string
  /** Starts it again after `stop` or `kill`, on the same port and folder. */
  start(): Promise<void>
  /** Stops it the polite way; data stays until `remove`. */
  stop(): Promise<void>
  /** SIGKILL to the postmaster and its children: a crash. */
  kill(): Promise<void>
  /** Lets its files grow as they like from now on: ends `largestFileKb`. */
  liftFileLimit(): Promise<void>
  /** Stops it and deletes its folder. */
  remove(): Promise<void>
}

const READY_WITHIN_MS = 30_000

/** Where a server's programs and its data are, when not where they are for most tests. */
export interface ServerPlace {
  /** Folder with `initdb` and `postgres`: another major version. Default: what `findPostgresBinaries` finds. */
  readonly bin?: string
  /** Folder to put the server's own folder in: a small or slow disk. Default: the system's temporary folder. */
  readonly within?: string
  /** No file of it may grow beyond this: PostgreSQL meets that as it meets a full disk. Default: no limit. */
  readonly largestFileKb?: number
  /** Further arguments of `initdb`. */
  readonly initdb?: readonly string[]
}

/**
 * Starts a server. It ends with this process, also when this process is killed: a watching shell ends it when its
 * standard input closes.
 */
export async function startPostgresServer(
  settings: Readonly<Record<string, string>> = {},
  place: ServerPlace = {},
): Promise<PostgresServer> {
  const bin = place.bin ?? (await findPostgresBinaries()).bin
  const owner = await ownerOfServer()
  const folder = await mkdtemp(join(place.within ?? tmpdir(), 'belfry-pg-'))
  if (owner) await chown(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const user = { ...owner, cwd: '/' }
  await run(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', ...(place.initdb ?? [])],
    user,
  ).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true })
    throw error
  })
  const port = await freePort()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const all: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    port: String(port),
    fsync: 'off',
    max_connections: '200',
    timezone: 'UTC',
    log_min_messages: 'fatal',
    ...settings,
  }
  const flags = Object.entries(all)
    .map(([name, value]) => `-c ${name}='${value}'`)
    .join(' ')
  // A soft limit, in blocks of 512 bytes: it can be lifted again without being root.
  const limit = place.largestFileKb === undefined ? '' : `ulimit -S -f ${place.largestFileKb * 2}; `
  const watch = `${limit}'${join(bin, 'postgres')}' -D '${data}' ${flags} & server=$!; read line; kill -QUIT $server; wait $server`
  let shell: ChildProcess | undefined

  const start = async () => {
    shell = spawn('sh', ['-c', watch], { ...user, stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    shell.unref()
    await whenReady(url)
  }
  const gone = async () => {
    const ended = shell
    shell = undefined
    if (!ended) return
    const exited = new Promise(resolve => ended.once('exit', resolve))
    // Whoever waits for its end must not end before it.
    ended.ref()
    ended.stdin?.end()
    if (ended.exitCode === null && ended.signalCode === null) await exited
  }
  const postmaster = async () => Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0])
  const kill = async () => {
    process.kill(await postmaster(), 'SIGKILL')
    await gone()
  }
  const liftFileLimit = async () => {
    // As the user it runs as, and the soft limit alone: root in a container may do less with the processes of others.
    const lift = (pid: number) => run('prlimit', ['--pid', String(pid), '--fsize=unlimited:'], user)
    // First the one that all others come from.
    await lift(await postmaster())
    const client = new Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query<{ pid: number }>('select pid from pg_stat_activity')
    await client.end()
    // Some have ended meanwhile.
    for (const { pid } of rows) await lift(pid).catch(() => {})
  }
  await start()
  return {
    url,
    socketFolder: folder,
    start,
    stop: gone,
    kill,
    liftFileLimit,
    remove: async () => {
      await gone()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Whom to run a server as when this is root: PostgreSQL and PgBouncer refuse to be. Undefined: as ourselves. */
export async function ownerOfServer(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map(line => line.split(':'))
  const found = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (!found) throw new Error('running as root and no user postgres or nobody to run PostgreSQL as')
  return { uid: Number(found[2]), gid: Number(found[3]) }
}

/** The URL of another database on the same server. */
export function databaseUrl(server: string, name: string): string {
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

/** Runs one statement with a connection of its own. */
export async function onServer(server: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: server })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

export async function whenReady(url: string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  for (;;) {
    const client = new Client({ connectionString: url })
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      await client.end().catch(() => {})
      if (Date.now() > deadline)
        throw new Error(`PostgreSQL did not become ready within ${READY_WITHIN_MS} ms`, { cause: error })
      await pause(20)
    }
  }
}
