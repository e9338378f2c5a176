import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { BenchError } from '../bench-error.ts'
import type { Answer, Asked, Tasks } from './tasks.ts'

/** Compiled by `main.mjs`: Node.js' own way with TypeScript would add 20 MB to every process whose memory we measure. */
const PROGRAM = fileURLToPath(new URL('../dist/actor/process.js', import.meta.url))

/** Longest time for a task that names none: schema, loading a library. */
const USUAL_LIMIT_MS = 60_000

/** A process of its own with one library in it. */
export class Actor {
  /** Jobs its worker has begun, as last reported (every 20 ms). */
  begun = 0
  readonly #peer: string
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #asked = 0
  #complaints = ''

  constructor(peer: string) {
    this.#peer = peer
    this.#child = fork(PROGRAM, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#child.on('message', message => this.#hear(message as Answer))
    this.#child.stderr?.on('data', (data: Buffer) => (this.#complaints = (this.#complaints + data).slice(-2000)))
    this.#child.on('exit', (code, signal) => {
      const why = `${peer}: its process ended (${signal ?? code})${this.#complaints && `\n${this.#complaints}`}`
      for (const asked of this.#waiting.values()) asked.reject(new BenchError(why))
      this.#waiting.clear()
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** @throws BenchError when the task fails there, the process ends, or no answer comes within `limitMs` */
  ask<Name extends keyof Tasks>(
    task: Name,
    input: Parameters<Tasks[Name]>[0],
    limitMs = USUAL_LIMIT_MS,
  ): Promise<Awaited<ReturnType<Tasks[Name]>>> {
    const id = (this.#asked += 1)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.kill()
        reject(new BenchError(`${this.#peer}: no answer to "${task}" within ${limitMs / 1000} s`))
      }, limitMs)
      const settled = <T>(then: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer)
          this.#waiting.delete(id)
          then(value)
        }
      }
      this.#waiting.set(id, { resolve: settled(resolve as (value: unknown) => void), reject: settled(reject) })
      this.#child.send({ id, task, input } satisfies Asked)
    })
  }

  /** A run leaves nothing worth a farewell: its database is dropped next. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #hear(message: Answer): void {
    if ('begun' in message) this.begun = message.begun
    else if ('error' in message)
      this.#waiting.get(message.id)?.reject(new BenchError(`${this.#peer}: ${message.error}`))
    else this.#waiting.get(message.id)?.resolve(message.value)
  }
}
