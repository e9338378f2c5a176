import { BelfryError, show, type BelfryErrorCode } from '../errors.ts'
import { CancelError, NonRetryableError, RetryAfterError, SnoozeError } from '../job/control-errors.ts'
import type { SentReason, SentThrown } from './thread-messages.ts'

type SentError = SentThrown & { form: 'error' }

/** Why a worker's job shall stop or its progress was refused; its error in the worker has the same name and code. */
export function describeReason(reason: unknown): SentReason {
  if (!(reason instanceof Error)) {
    return { name: 'Error', message: typeof reason === 'string' ? reason : show(reason), code: undefined }
  }
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : undefined
  return { name: reason.name, message: reason.message, code }
}

/**
 * What a handler in a worker threw, as the engine understands it: the errors that steer a job are of this thread's
 * classes again. They are known by name, since a worker has its own copy of every class.
 */
export function reviveThrown(sent: SentThrown): unknown {
  if (sent.form === 'value') return sent.value
  const error = steeringError(sent) ?? plainError(sent)
  Object.assign(error, Object.fromEntries(sent.fields))
  Object.defineProperty(error, 'stack', { value: sent.stack, configurable: true, writable: true })
  return error
}

function steeringError(sent: SentError): Error | undefined {
  const options = causeOf(sent)
  const is = (kind: string) => sent.kinds.includes(kind)
  if (is('NonRetryableError')) return new NonRetryableError(sent.message, options)
  if (is('CancelError')) return new CancelError(sent.message, options)
  if (is('SnoozeError')) return wakingError(SnoozeError, sent)
  if (is('RetryAfterError')) return wakingError(RetryAfterError, sent)
  if (!is('BelfryError')) return undefined
  const code = sent.fields.find(([name]) => name === 'code')?.[1]
  return new BelfryError(code as BelfryErrorCode, sent.message, options)
}

function plainError(sent: SentError): Error {
  const error = new Error(sent.message, causeOf(sent))
  return Object.defineProperty(error, 'name', { value: sent.name, configurable: true, writable: true })
}

function causeOf(sent: SentError): ErrorOptions | undefined {
  return sent.cause && { cause: reviveThrown(sent.cause) }
}

/** Undefined when the class itself refuses the wake: an error of the same name may be somebody else's. */
function wakingError(type: typeof SnoozeError | typeof RetryAfterError, sent: SentError): Error | undefined {
  const wake = wakeOf(sent.wake)
  if (wake === undefined) return undefined
  try {
    return new type(wake, sent.message)
  } catch {
    return undefined
  }
}

function wakeOf(wake: unknown): Date | number | undefined {
  if (typeof wake !== 'object' || wake === null) return undefined
  if ('at' in wake) return wake.at instanceof Date ? wake.at : undefined
  return 'delayMs' in wake && typeof wake.delayMs === 'number' ? wake.delayMs : undefined
}
