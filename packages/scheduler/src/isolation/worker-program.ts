/**
 * The program of a worker thread: serves one job after the other, speaking `HostMessage` and `WorkerMessage`.
 *
 * It is text, so that there is no file to find beside a bundled application, and plain JavaScript that nothing compiles:
 * a function's own text would be what a bundler made of it, helpers included that the worker does not have. `import()`
 * instead of `require` works whether Node takes the text for CommonJS or for a module.
 */
export const WORKER_PROGRAM = String.raw`
import('node:worker_threads').then(({ parentPort: port }) => {
  let current
  let asked = 0

  // An error as data: a structured clone would keep neither its class nor its fields.
  function describe(thrown, causes = 3) {
    try {
      if (!(thrown instanceof Error)) return { form: 'value', value: structuredClone(thrown) }
      const kinds = [thrown.name]
      for (let type = Object.getPrototypeOf(thrown); type; type = Object.getPrototypeOf(type)) {
        kinds.push(type.constructor.name)
      }
      const { name, message, stack, wake, cause } = thrown
      const isPlain = value => value === null || ['string', 'number', 'boolean'].includes(typeof value)
      return structuredClone({
        form: 'error',
        kinds,
        name,
        message,
        stack,
        wake,
        fields: Object.entries(thrown).filter(([, value]) => isPlain(value)),
        cause: cause === undefined || causes === 0 ? undefined : describe(cause, causes - 1),
      })
    } catch {
      return { form: 'value', value: 'something of type ' + typeof thrown + ' that cannot be described' }
    }
  }

  function restore({ name, message, code }) {
    const error = new Error(message)
    Object.defineProperty(error, 'name', { value: name })
    return code === undefined ? error : Object.assign(error, { code })
  }

  async function run({ run, module, exportName, payload, facts }) {
    const controller = new AbortController()
    const waiting = new Map()
    current = { run, controller, waiting }
    const say = message => port.postMessage({ ...message, run })
    let handler
    try {
      handler = (await import(module))[exportName]
    } catch (error) {
      return say({ kind: 'unusable', found: 'a module that cannot be loaded', thrown: describe(error) })
    }
    if (typeof handler !== 'function') return say({ kind: 'unusable', found: typeof handler })
    const context = {
      ...facts,
      signal: controller.signal,
      log: line => say({ kind: 'log', line: String(line) }),
      spend: amount => {
        if (!(Number.isFinite(amount) && amount >= 0)) throw new RangeError('spend: amount: expected a number from 0 up, got ' + amount)
        say({ kind: 'spend', amount })
      },
      progress: value =>
        new Promise((resolve, reject) => {
          asked += 1
          say({ kind: 'progress', id: asked, value })
          waiting.set(asked, { resolve, reject })
        }),
    }
    try {
      say({ kind: 'returned', value: await handler(payload, context) })
    } catch (error) {
      say({ kind: 'threw', thrown: describe(error) })
    }
  }

  port.on('message', message => {
    if (message.kind === 'run') return void run(message)
    if (message.run !== current?.run) return
    if (message.kind === 'abort') return current.controller.abort(restore(message.reason))
    const answered = current.waiting.get(message.id)
    current.waiting.delete(message.id)
    if (message.refused) answered.reject(restore(message.refused))
    else answered.resolve()
  })
})
`
