import type { HostMessage, JobFacts, PlainField, SentThrown, WorkerMessage } from './thread-messages.ts'

/*
 * The program of a worker thread. It is handed over as text, so that there is no file to find beside a bundled
 * application. Each function below is therefore complete in itself: it uses globals and its parameters, never an import
 * or a neighbour.
 */

/** What the program is given by `WORKER_PROGRAM`. */
interface Tools {
  readonly port: {
    on(event: 'message', listener: (message: HostMessage) => void): void
    postMessage(message: WorkerMessage): void
  }
  readonly load: (module: string) => Promise<Readonly<Record<string, unknown>>>
  readonly describe: (thrown: unknown) => SentThrown
  readonly restore: (sent: SentThrown) => unknown
  readonly makeContext: (parts: ContextParts) => object
}

interface ContextParts {
  readonly facts: JobFacts
  readonly signal: AbortSignal
  readonly log: (line: string) => void
  readonly progress: (value: unknown) => Promise<void>
}

/** Describes anything thrown so that it survives the way between threads. Never throws. */
export function describeThrown(thrown: unknown, causes = 3): SentThrown {
  try {
    if (!(thrown instanceof Error)) return { form: 'value', value: structuredClone(thrown) }
    const kinds = [thrown.name]
    for (let type: unknown = Object.getPrototypeOf(thrown); type; type = Object.getPrototypeOf(type)) {
      kinds.push((type as { constructor: { name: string } }).constructor.name)
    }
    const fields = Object.entries(thrown).filter(
      (field): field is [string, PlainField[1]] =>
        field[1] === null || ['string', 'number', 'boolean'].includes(typeof field[1]),
    )
    return {
      form: 'error',
      kinds,
      name: thrown.name,
      message: thrown.message,
      stack: thrown.stack,
      fields,
      wake: 'wake' in thrown ? structuredClone(thrown.wake) : undefined,
      cause: thrown.cause === undefined || causes === 0 ? undefined : describeThrown(thrown.cause, causes - 1),
    }
  } catch {
    return { form: 'value', value: `something of type ${typeof thrown} that cannot be described` }
  }
}

/** Makes an error of no particular class that looks like the one described. */
export function restoreThrown(sent: SentThrown): unknown {
  if (sent.form === 'value') return sent.value
  const error = new Error(sent.message, sent.cause && { cause: restoreThrown(sent.cause) })
  Object.defineProperty(error, 'name', { value: sent.name, configurable: true, writable: true })
  error.stack = sent.stack
  return Object.assign(error, Object.fromEntries(sent.fields))
}

function makeContext({ facts, signal, log, progress }: ContextParts): object {
  return { ...facts, signal, log, progress }
}

/** Serves one job after the other. */
function serve({ port, load, describe, restore, makeContext }: Tools): void {
  type Waiting = { resolve: () => void; reject: (reason: unknown) => void }
  let current: { run: number; controller: AbortController; waiting: Map<number, Waiting> } | undefined
  let progressed = 0

  async function run(message: HostMessage & { kind: 'run' }): Promise<void> {
    const { run, facts } = message
    const controller = new AbortController()
    const waiting = new Map<number, Waiting>()
    current = { run, controller, waiting }
    let handler: unknown
    try {
      handler = (await load(message.module))[message.exportName]
    } catch (error) {
      return port.postMessage({
        kind: 'unusable',
        run,
        found: 'a module that cannot be loaded',
        thrown: describe(error),
      })
    }
    if (typeof handler !== 'function') {
      return port.postMessage({ kind: 'unusable', run, found: typeof handler, thrown: undefined })
    }
    const context = makeContext({
      facts,
      signal: controller.signal,
      log: line => port.postMessage({ kind: 'log', run, line: String(line) }),
      progress: value =>
        new Promise((resolve, reject) => {
          progressed += 1
          const id = progressed
          waiting.set(id, { resolve, reject })
          port.postMessage({ kind: 'progress', run, id, value })
        }),
    })
    try {
      port.postMessage({ kind: 'returned', run, value: await handler(message.payload, context) })
    } catch (error) {
      port.postMessage({ kind: 'threw', run, thrown: describe(error) })
    }
  }

  port.on('message', message => {
    if (message.kind === 'run') return void run(message)
    if (message.run !== current?.run) return
    if (message.kind === 'abort') return current.controller.abort(restore(message.reason))
    const asked = current.waiting.get(message.id)
    current.waiting.delete(message.id)
    if (message.refused) asked?.reject(restore(message.refused))
    else asked?.resolve()
  })
}

/** The program's text. `import()` instead of `require`: it is there whether Node takes the text for CommonJS or ESM. */
export const WORKER_PROGRAM = `import('node:worker_threads').then(threads => (${serve})({
  port: threads.parentPort,
  load: module => import(module),
  describe: thrown => (${describeThrown})(thrown),
  restore: (${restoreThrown}),
  makeContext: (${makeContext}),
}))`
