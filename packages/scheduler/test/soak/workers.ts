import { startProgram, type Program } from '../../../../test-support/child-process.ts'
import { until } from '../../../../test-support/until.ts'

/** Longest time a process may take to start, to end when told to: an hour of a busy machine, not a promise of ours. */
const PATIENCE_MS = 60_000

/** What all processes of a soak share. */
export interface WorkerSetting {
  readonly serverUrl: string
  readonly schema: string
  /** Jobs of the governed type that may run at the same time, in all processes. */
  readonly governedLimit: number
  /** Each line that a process prints, with the process's name. */
  readonly onLine: (line: string, worker: string) => void
  /** What no process should have done. */
  readonly onTrouble: (trouble: string) => void
}

/** One process that runs jobs, started again and again under one name. */
export class Worker {
  readonly name: string
  readonly #setting: WorkerSetting
  #program: Program | undefined
  #ready = false
  #left: readonly string[] | undefined
  /** Whether the end of the present program is ours. */
  #ending = false

  constructor(name: string, setting: WorkerSetting) {
    this.name = name
    this.#setting = setting
  }

  /** Resolves when it runs jobs. */
  async start(): Promise<void> {
    const { serverUrl, schema, governedLimit, onLine, onTrouble } = this.#setting
    const url = new URL(serverUrl)
    url.searchParams.set('application_name', this.name)
    this.#ready = false
    this.#ending = false
    this.#left = undefined
    const program = startProgram('packages/scheduler/test/soak/worker.mjs', {
      args: [schema, String(governedLimit)],
      cwd: '/',
      env: { DATABASE_URL: url.href },
      onLine: line => {
        if (line.includes('"event":"ready"')) this.#ready = true
        if (line.includes('"event":"stopped"')) this.#left = (JSON.parse(line) as { left: string[] }).left
        onLine(line, this.name)
      },
    })
    this.#program = program
    void program.exited.then(({ code, signal }) => {
      if (!this.#ending) onTrouble(`${this.name} ended by itself: ${signal ?? `code ${code}`} ${program.stderr()}`)
      this.#ending = true
    })
    await until(`${this.name} runs jobs`, () => Promise.resolve(this.#ready || this.#ending), PATIENCE_MS)
  }

  /** SIGSTOP; `thaw` wakes it. */
  freeze(): void {
    this.#program?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#program?.kill('SIGCONT')
  }

  /** SIGKILL, whatever it does just now. */
  async kill(): Promise<void> {
    this.#ending = true
    this.#program?.kill('SIGKILL')
    await this.#program?.exited
  }

  /** Tells it to stop in good order; what is wrong with the way it did is trouble. */
  async stop(): Promise<void> {
    const program = this.#program
    if (!program || this.#ending) return
    this.#ending = true
    program.kill('SIGTERM')
    let exit: Awaited<Program['exited']> | undefined
    void program.exited.then(end => (exit = end))
    await until('it has ended', () => Promise.resolve(exit), PATIENCE_MS).catch(() => {})
    const tell = (trouble: string) => this.#setting.onTrouble(`${this.name}, stopped, ${trouble}`)
    if (this.#left === undefined) tell(`did not finish stopping; ${program.stderr()}`)
    else if (this.#left.length > 0) tell(`left behind ${this.#left.join(', ')}`)
    if (!exit) tell('did not end')
    else if (exit.code !== 0) tell(`ended with ${exit.signal ?? `code ${exit.code}`}; ${program.stderr()}`)
  }
}
