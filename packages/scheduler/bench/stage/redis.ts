import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../../../test-support/postgres-server.ts'
import { BenchError } from '../bench-error.ts'

const run = promisify(execFile)
const READY_WITHIN_MS = 10_000

/** A Redis server in memory alone, as BullMQ's own benchmarks use it: no fsync, no snapshots. */
export interface Redis {
  readonly version: string
  readonly pid: number
  readonly port: number
  /** Deletes everything it holds. */
  flush(): Promise<void>
  remove(): Promise<void>
}

/** Starts the `redis-server` of the PATH on loopback; undefined when there is none. */
export async function startRedis(): Promise<Redis | undefined> {
  const answer = await run('redis-server', ['--version']).catch(() => undefined)
  if (!answer) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'belfry-bench-redis-'))
  const port = await freePort()
  const flags = `--port ${port} --bind 127.0.0.1 --save '' --appendonly no --logfile /dev/null`
  const watch = `redis-server ${flags} & echo $!; read line; kill $!; wait $!`
  const shell = spawn('sh', ['-c', watch], { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'], detached: true })
  const ended = once(shell, 'exit')
  const remove = async () => {
    shell.stdin.end()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const [line] = (await once(shell.stdout, 'data')) as [Buffer]
    shell.stdout.resume()
    await whenReady(port)
    return {
      version: `Redis ${/v=(\S+)/.exec(answer.stdout)?.[1] ?? ''}`,
      pid: Number.parseInt(line.toString(), 10),
      port,
      flush: async () => void (await command(port, 'FLUSHALL')),
      remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** One command in Redis' inline form; its answer's first line. */
function command(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${text}\r\n`))
    socket.once('data', data => {
      socket.destroy()
      resolve(data.toString().trim())
    })
    socket.once('error', reject)
  })
}

async function whenReady(port: number): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  while ((await command(port, 'PING').catch(() => '')) !== '+PONG') {
    if (Date.now() > deadline) throw new BenchError(`redis-server did not become ready within ${READY_WITHIN_MS} ms`)
    await pause(50)
  }
}
