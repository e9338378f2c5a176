import { BelfryError, show } from '../errors.ts'
import { isEncryptedPayload, type PayloadCipher } from './payload-cipher.ts'

/**
 * What a stored value is: bound into its envelope, so that none opens in the place of another, and what errors call it.
 * Names as JSON, so that no two values share their words.
 */
export const sealedAs = {
  /** A schedule's payload is one of its job type too: its jobs get the envelope as it is. */
  payload: (jobType: string) => `payload of ${JSON.stringify(jobType)}`,
  result: (jobId: string) => `result of job ${JSON.stringify(jobId)}`,
  progress: (jobId: string) => `progress of job ${JSON.stringify(jobId)}`,
  step: (jobId: string, name: string) => `step ${JSON.stringify(name)} of job ${JSON.stringify(jobId)}`,
  effect: (jobId: string, key: string) => `effect ${JSON.stringify(key)} of job ${JSON.stringify(jobId)}`,
  /** Jobs that waited for it keep its envelope as it is. */
  event: (name: string, key: string) => `event ${JSON.stringify(name)} with key ${JSON.stringify(key)}`,
}

/**
 * A value's JSON text as it is stored: encrypted where there is a cipher.
 * @throws BelfryError `BELFRY_INVALID_PAYLOAD` for one that looks like an encrypted value itself
 */
export function sealValue(cipher: PayloadCipher | undefined, text: string, of: string): string {
  if (cipher) return cipher.encrypt(text, of)
  // Stored as it is, it would be taken for an envelope when it is read.
  if (text.includes('"$belfry"') && isEncryptedPayload(JSON.parse(text))) {
    throw new BelfryError(
      'BELFRY_INVALID_PAYLOAD',
      `${of}: expected no top-level key $belfry, which marks encrypted payloads; rename it`,
    )
  }
  return text
}

/**
 * What a stored value says.
 * @throws BelfryError `BELFRY_UNKNOWN_PAYLOAD_KEY` when this process has no key for it, `BELFRY_PAYLOAD_UNREADABLE`
 */
export function openValue(cipher: PayloadCipher | undefined, stored: unknown, of: string): unknown {
  if (!isEncryptedPayload(stored)) return stored
  if (!cipher) {
    throw new BelfryError(
      'BELFRY_UNKNOWN_PAYLOAD_KEY',
      `${of}: encrypted with the key ${show(stored.key)}; give this scheduler the payloadCipher option`,
    )
  }
  return JSON.parse(cipher.decrypt(stored, of)) as unknown
}

/** As `openValue`; one that cannot be opened here is answered as it is stored. */
export function openIfPossible(cipher: PayloadCipher | undefined, stored: unknown, of: string): unknown {
  try {
    return openValue(cipher, stored, of)
  } catch {
    return stored
  }
}
