import { createHash } from 'node:crypto'
import { mkdir, realpath, rm, rmdir, stat } from 'node:fs/promises'
import { createConnection, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Two processes on one embedded database corrupt it without an error, so the second one is refused. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError'
  readonly code = 'DATA_DIR_IN_USE'
  readonly holderPid: number | undefined

  constructor(folder: string, holderPid: number | undefined) {
    super(
      `${folder} is in use by another process${holderPid === undefined ? '' : ` (pid ${holderPid})`}. ` +
        'Stop that one, choose another folder with BELFRY_DATA_DIR, or share a PostgreSQL server with DATABASE_URL.',
    )
    this.holderPid = holderPid
  }
}

export interface FolderLock {
  release(): Promise<void>
}

/** A unix socket's address holds 107 bytes (sockaddr_un); longer folders have theirs in the temporary folder. */
const LONGEST_SOCKET_PATH = 100
/** A process that died while taking over a stale lock does not block the next one for longer. */
const STALE_TAKEOVER_MS = 10_000

/**
 * Locks a folder for as long as this process lives: it listens on a socket in the folder, and the operating system lets
 * go of it even after kill -9. Whoever connects is told the holder's pid. A socket nobody answers on is left over and is
 * taken away. Unlike a pid file this holds across containers that share the folder, and needs no guess about old pids.
 * @throws FolderInUseError
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = socketPath(await realpath(folder))
  for (;;) {
    const server = await listen(path)
    if (server) return { release: () => release(server) }
    const holder = await askHolder(path)
    if (holder !== 'nobody') throw new FolderInUseError(folder, holder.pid)
    await removeStale(path)
  }
}

function socketPath(folder: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\belfry-${hashOf(folder)}`
  const path = join(folder, 'lock')
  return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH ? path : join(tmpdir(), `belfry-${hashOf(folder)}.lock`)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24)
}

/** The server that holds the lock, or undefined when the path is taken. */
function listen(path: string): Promise<Server | undefined> {
  const server = createServer(socket => {
    socket.on('error', () => socket.destroy())
    socket.end(String(process.pid))
  })
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}

function askHolder(path: string): Promise<'nobody' | { pid: number | undefined }> {
  return new Promise(resolve => {
    const socket = createConnection(path)
    let answer = ''
    socket.setEncoding('utf8')
    // A holder whose event loop is busy accepts (the kernel does) and answers late: in use, its pid unknown.
    socket.setTimeout(2_000, () => {
      socket.destroy()
      resolve({ pid: undefined })
    })
    socket.on('data', chunk => (answer += String(chunk)))
    socket.on('end', () => resolve({ pid: Number(answer) || undefined }))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'nobody' : { pid: undefined }),
    )
  })
}

/** One process at a time removes a stale socket, and looks again first: another may have taken the lock meanwhile. */
async function removeStale(path: string): Promise<void> {
  const guard = `${path}.takeover`
  try {
    await mkdir(guard)
  } catch {
    const age = await stat(guard).then(
      found => Date.now() - found.mtimeMs,
      () => 0,
    )
    if (age > STALE_TAKEOVER_MS) await rmdir(guard).catch(() => {})
    await new Promise(resolve => setTimeout(resolve, 20))
    return
  }
  try {
    if ((await askHolder(path)) === 'nobody') await rm(path, { force: true })
  } finally {
    await rmdir(guard)
  }
}

function release(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}
