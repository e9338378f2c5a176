import { BelfryError, show } from '../errors.ts'
import { isEncryptedPayload, type PayloadCipher } from './payload-cipher.ts'

/**
 * A payload's JSON text as it is stored: encrypted where there is a cipher.
 * @throws BelfryError `BELFRY_INVALID_PAYLOAD` for one that looks like an encrypted payload itself
 */
export function sealPayload(cipher: PayloadCipher | undefined, text: string, jobType: string): string {
  if (cipher) return cipher.encrypt(text, jobType)
  // Stored as it is, it would be taken for an envelope when it is read.
  if (text.includes('"$belfry"') && isEncryptedPayload(JSON.parse(text))) {
    throw new BelfryError(
      'BELFRY_INVALID_PAYLOAD',
      `payload of ${show(jobType)}: expected no top-level key $belfry, which marks encrypted payloads; rename it`,
    )
  }
  return text
}

/**
 * What a stored payload says.
 * @throws BelfryError `BELFRY_UNKNOWN_PAYLOAD_KEY` when this process has no key for it, `BELFRY_PAYLOAD_UNREADABLE`
 */
export function openPayload(cipher: PayloadCipher | undefined, stored: unknown, jobType: string): unknown {
  if (!isEncryptedPayload(stored)) return stored
  if (!cipher) {
    throw new BelfryError(
      'BELFRY_UNKNOWN_PAYLOAD_KEY',
      `payload of ${show(jobType)} is encrypted with key ${show(stored.key)}; give this scheduler the payloadCipher option`,
    )
  }
  return JSON.parse(cipher.decrypt(stored, jobType)) as unknown
}

/** As `openPayload`; an encrypted payload that cannot be opened here is answered as it is stored. */
export function openIfPossible(cipher: PayloadCipher | undefined, stored: unknown, jobType: string): unknown {
  try {
    return openPayload(cipher, stored, jobType)
  } catch {
    return stored
  }
}
