import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A program under test: its own process, its output by lines. */
export interface Program {
  readonly pid: number
  /** Everything it printed so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves with the match once its standard output shows it; rejects when it ends without. */
  shows(pattern: RegExp): Promise<RegExpMatchArray>
  kill(signal: NodeJS.Signals): void
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

export interface ProgramOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd: string
  /** Written to its standard input, which is closed then; otherwise the input stays open. */
  readonly input?: string
  /** Called with each line of its standard output, which is not kept then: for programs that print for hours. */
  readonly onLine?: (line: string) => void
}

/** Longest wait for a line: far beyond what any story takes, short of the test's own limit. */
const SHOWS_WITHIN_MS = 60_000
const root = fileURLToPath(new URL('..', import.meta.url))

/** Starts a built program (`packages/…/dist/….js`) with nothing of this process's environment but PATH. */
export function startProgram(file: string, options: ProgramOptions): Program {
  const child = spawn(process.execPath, [root + file, ...(options.args ?? [])], {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(resolve => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  if (options.onLine) createInterface({ input: child.stdout }).on('line', options.onLine)
  else child.stdout.setEncoding('utf8').on('data', chunk => (stdout += String(chunk)))
  child.stderr.setEncoding('utf8').on('data', chunk => (stderr += String(chunk)))
  child.stdin.on('error', () => {})
  if (options.input !== undefined) child.stdin.end(options.input)
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    shows: pattern => shows(child, () => stdout, { pattern, exited, stderr: () => stderr }),
    kill: signal => child.kill(signal),
    exited,
  }
}

function shows(
  child: ChildProcess,
  stdout: () => string,
  wait: { pattern: RegExp; exited: Promise<unknown>; stderr: () => string },
): Promise<RegExpMatchArray> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      end()
      reject(new Error(`${why} before showing ${wait.pattern}; it printed:\n${stdout()}\n${wait.stderr()}`))
    }
    const look = () => {
      const found = stdout().match(wait.pattern)
      if (!found) return
      end()
      resolve(found)
    }
    const timer = setTimeout(() => fail('nothing came'), SHOWS_WITHIN_MS)
    const end = () => {
      clearTimeout(timer)
      child.stdout?.off('data', look)
    }
    child.stdout?.on('data', look)
    void wait.exited.then(() => fail('the program ended'))
    look()
  })
}
