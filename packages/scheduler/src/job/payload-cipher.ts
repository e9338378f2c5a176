import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { BelfryError, show } from '../errors.ts'
import { requireOptions } from './known-names.ts'

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
/** 96 bits, the length NIST SP 800-38D recommends for GCM (section 8.2). */
const IV_BYTES = 12
const TAG_BYTES = 16
const LONGEST_KEY_ID = 100

/** An encrypted value as it is stored; `iv`, `tag` and `data` are base64. */
export interface PayloadEnvelope {
  readonly $belfry: typeof ALGORITHM
  /** The id of the key it was encrypted with. */
  readonly key: string
  readonly iv: string
  readonly tag: string
  readonly data: string
}

/** The keys payloads are encrypted with, and which of them is in use. */
export interface PayloadCipherOptions {
  /** 32 bytes each, by an id of your choice: a Buffer, or text in base64 or hex. Old ones stay for reading. */
  keys: Readonly<Record<string, Uint8Array | string>>
  /** The id of the key that new payloads are encrypted with. */
  current: string
}

/**
 * Encrypts at rest what is yours: payloads, results, progress. `of` says what a value is, such as `payload of "send_mail"`;
 * what was encrypted as one thing cannot be read as another.
 */
export interface PayloadCipher {
  /** The id of the key that new values are encrypted with, as their envelopes say it. */
  readonly current: string
  /** The envelope's JSON text for a value's JSON text. Each call has an initialisation vector of its own. */
  encrypt(text: string, of: string): string
  /**
   * The value's JSON text of a stored envelope (parsed JSON).
   * @throws BelfryError `BELFRY_UNKNOWN_PAYLOAD_KEY`, `BELFRY_PAYLOAD_UNREADABLE`; never with a key or a value in it
   */
  decrypt(value: unknown, of: string): string
  /** Whether a stored value (parsed JSON) is an envelope of this form; says nothing about whether it can be read. */
  isEncrypted(value: unknown): value is PayloadEnvelope
  /** Whether a stored value is not encrypted with the current key: plain, or under another one. */
  needsRotation(value: unknown): boolean
}

/**
 * Payload encryption with AES-256-GCM.
 * @throws BelfryError `BELFRY_INVALID_OPTION` for keys that are no 32 bytes and a `current` without a key
 */
export function payloadCipher(options: PayloadCipherOptions): PayloadCipher {
  requireOptions(options, 'payloadCipher')
  const keys = new Map(Object.entries(options.keys ?? {}).map(([id, key]) => [requireKeyId(id), readKey(id, key)]))
  const { current } = options
  const currentKey = keys.get(current)
  if (!currentKey) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `current: expected the id of one of the keys (${[...keys.keys()].join(', ') || 'none given'}), got ${show(current)}`,
    )
  }
  return Object.freeze({
    current,

    encrypt(text: string, of: string): string {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv(ALGORITHM, currentKey, iv, { authTagLength: TAG_BYTES }).setAAD(boundTo(of))
      const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      const [ivText, tag, dataText] = [iv, cipher.getAuthTag(), data].map(part => part.toString('base64'))
      return JSON.stringify({ $belfry: ALGORITHM, key: current, iv: ivText, tag, data: dataText })
    },

    decrypt(value: unknown, of: string): string {
      if (!isEncryptedPayload(value)) throw unreadable(of, 'it is no encrypted payload')
      const key = keys.get(value.key)
      if (!key) {
        throw new BelfryError(
          'BELFRY_UNKNOWN_PAYLOAD_KEY',
          `${of}: encrypted with the key ${show(value.key)}, which payloadCipher was not given; ` +
            'add it to keys until nothing stored needs it',
        )
      }
      return open(value, key, of)
    },

    isEncrypted: isEncryptedPayload,
    needsRotation: (value: unknown) => !isEncryptedPayload(value) || value.key !== current,
  })
}

function open(envelope: PayloadEnvelope, key: KeyObject, of: string): string {
  const [iv, tag, data] = [envelope.iv, envelope.tag, envelope.data].map(part => Buffer.from(part, 'base64')) as [
    Buffer,
    Buffer,
    Buffer,
  ]
  const decipher = createDecipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(boundTo(of)).setAuthTag(tag)
  try {
    return Buffer.concat([decipher.update(data), decipher.final()]).toString('utf8')
  } catch {
    throw unreadable(
      of,
      `the key ${show(envelope.key)} does not open it: it was changed, belongs elsewhere, or another key has this id`,
    )
  }
}

/**
 * Whether a value is an envelope to the letter: these five fields, each of its form. Anything else is somebody's own
 * data. For whoever has no cipher and must not take an envelope for a payload.
 */
export function isEncryptedPayload(value: unknown): value is PayloadEnvelope {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 5) return false
  const { $belfry, key, iv, tag, data } = value as Partial<Record<keyof PayloadEnvelope, unknown>>
  return (
    $belfry === ALGORITHM &&
    typeof key === 'string' &&
    bytesIn(iv) === IV_BYTES &&
    bytesIn(tag) === TAG_BYTES &&
    bytesIn(data) !== undefined
  )
}

/** How many bytes a base64 text stands for; undefined when it is none, or not in its one canonical spelling. */
function bytesIn(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes.length : undefined
}

/** The associated data: what the value is. */
function boundTo(of: string): Buffer {
  return Buffer.from(JSON.stringify(['belfry', of]))
}

function unreadable(of: string, why: string): BelfryError {
  return new BelfryError('BELFRY_PAYLOAD_UNREADABLE', `${of}: cannot be decrypted: ${why}`)
}

function requireKeyId(id: string): string {
  if (id === '' || id.length > LONGEST_KEY_ID || /\p{Cc}/u.test(id) || !id.isWellFormed()) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `keys: expected ids of 1 to ${LONGEST_KEY_ID} characters such as '2026-11', got ${show(id)}`,
    )
  }
  return id
}

/** A key as Node keeps it: its bytes show in no log line and no inspection. */
function readKey(id: string, key: unknown): KeyObject {
  const bytes = key instanceof Uint8Array ? key : typeof key === 'string' ? bytesOf(key) : undefined
  if (bytes?.length !== KEY_BYTES) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `keys[${show(id)}]: expected ${KEY_BYTES} bytes as a Buffer, base64 or hex text (openssl rand -base64 32), ` +
        `got ${bytes ? `${bytes.length} bytes` : typeof key === 'string' ? 'text that is neither' : typeof key}`,
    )
  }
  return createSecretKey(bytes)
}

/** 64 hexadecimal digits would be 48 bytes as base64, so the two never mean different keys. */
function bytesOf(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined
}
