import { BelfryError, type BelfryErrorCode } from '../errors.ts'
import { CancelError, NonRetryableError, RetryAfterError, SnoozeError, type Wake } from '../job/control-errors.ts'
import type { SentThrown } from './thread-messages.ts'
import { restoreThrown } from './worker-program.ts'

type SentError = SentThrown & { form: 'error' }

/**
 * What a handler in a worker threw, as the engine understands it: the errors that steer a job are of this thread's
 * classes again. They are known by name, since a worker has its own copy of every class.
 */
export function reviveThrown(sent: SentThrown): unknown {
  if (sent.form === 'value') return sent.value
  const error = steeringError(sent)
  if (!error) return restoreThrown(sent)
  Object.assign(error, Object.fromEntries(sent.fields))
  Object.defineProperty(error, 'stack', { value: sent.stack, configurable: true, writable: true })
  return error
}

function steeringError(sent: SentError): Error | undefined {
  const options = sent.cause && { cause: reviveThrown(sent.cause) }
  const is = (kind: string) => sent.kinds.includes(kind)
  if (is('NonRetryableError')) return new NonRetryableError(sent.message, options)
  if (is('CancelError')) return new CancelError(sent.message, options)
  if (is('SnoozeError')) return new SnoozeError(wakeOf(sent.wake), sent.message)
  if (is('RetryAfterError')) return new RetryAfterError(wakeOf(sent.wake), sent.message)
  if (!is('BelfryError')) return undefined
  const code = sent.fields.find(([name]) => name === 'code')?.[1]
  return new BelfryError(code as BelfryErrorCode, sent.message, options)
}

function wakeOf(wake: unknown): Date | number {
  const known = wake as Wake
  return 'at' in known ? known.at : known.delayMs
}
