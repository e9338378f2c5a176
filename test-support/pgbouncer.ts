import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, ownerOfServer, whenReady } from './postgres-server.ts'

/** A real PgBouncer before a server, on loopback, with a folder of its own. */
export interface PgBouncer {
  /** The URL of the database that was asked for, through the pooler. */
  readonly url: string
  readonly version: string
  /** Ends it and deletes its folder. */
  remove(): Promise<void>
}

/** Debian puts it where only root's PATH leads. */
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']

/** The program, or undefined where it is not installed. */
export function findPgBouncer(): string | undefined {
  return FOLDERS.map(folder => join(folder, 'pgbouncer')).find(each => existsSync(each))
}

/**
 * Starts one in transaction mode. It ends with this process, also when this process is killed: a watching shell ends it
 * when its standard input closes.
 * @param target URL of the database behind it
 * @param poolSize connections it keeps to the server
 */
export async function startPgBouncer(program: string, target: string, poolSize: number): Promise<PgBouncer> {
  const { stdout } = await promisify(execFile)(program, ['--version'])
  // It refuses to run as root, as PostgreSQL does.
  const owner = await ownerOfServer()
  const folder = await mkdtemp(join(tmpdir(), 'belfry-bouncer-'))
  const file = join(folder, 'pgbouncer.ini')
  const port = await freePort()
  await writeFile(file, configuration(new URL(target), { port, poolSize }))
  if (owner) await Promise.all([folder, file].map(each => chown(each, owner.uid, owner.gid)))
  const watch = `'${program}' -q '${file}' & pooler=$!; read line; kill -INT $pooler; wait $pooler`
  const shell = spawn('sh', ['-c', watch], { ...owner, cwd: '/', stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  const exited = new Promise(resolve => shell.once('exit', resolve))
  shell.unref()
  const url = new URL(target)
  url.host = `127.0.0.1:${port}`
  await whenReady(url.href)
  return {
    url: url.href,
    version: stdout.match(/PgBouncer (\S+)/)?.[1] ?? 'unknown',
    remove: async () => {
      shell.stdin?.end()
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function configuration(target: URL, { port, poolSize }: { port: number; poolSize: number }): string {
  const password = target.password === '' ? '' : ` password=${decodeURIComponent(target.password)}`
  return `[databases]
* = host=${target.hostname} port=${target.port || '5432'} user=${target.username}${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${poolSize}
`
}
