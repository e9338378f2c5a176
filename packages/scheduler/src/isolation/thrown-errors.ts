import { BelfryError, type BelfryErrorCode } from '../errors.ts'
import { CancelError, NonRetryableError, RetryAfterError, SnoozeError, type Wake } from '../job/control-errors.ts'
import type { SentReason, SentThrown } from './thread-messages.ts'

type SentError = SentThrown & { form: 'error' }

/** Why a worker's job shall stop or its progress was refused; its error in the worker has the same name and code. */
export function describeReason(reason: unknown): SentReason {
  if (!(reason instanceof Error)) return { name: 'Error', message: String(reason), code: undefined }
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
  if (is('SnoozeError') && isWake(sent.wake)) return new SnoozeError(wakeOf(sent.wake), sent.message)
  if (is('RetryAfterError') && isWake(sent.wake)) return new RetryAfterError(wakeOf(sent.wake), sent.message)
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

/** Checked, since an error of the same name may be somebody else's. */
function isWake(wake: unknown): wake is Wake {
  if (typeof wake !== 'object' || wake === null) return false
  return 'at' in wake
    ? wake.at instanceof Date && !Number.isNaN(wake.at.getTime())
    : 'delayMs' in wake && Number(wake.delayMs) >= 0
}

function wakeOf(wake: Wake): Date | number {
  return 'at' in wake ? wake.at : wake.delayMs
}
