import { createHash } from 'node:crypto'

/** The longest nonce Discord takes; other services allow more. */
const KEY_LENGTH = 25

/**
 * A key for one effect of one job: the same in every attempt, another one for every other job and step. 25 characters
 * of `A–Z a–z 0–9 - _`: 150 bits of SHA-256, so that even among 10^15 effects a collision is less likely than 10^-15.
 */
export function effectKey(jobId: string, step: string): string {
  // As JSON, so that no other pair of texts reads the same.
  return createHash('sha256')
    .update(JSON.stringify([jobId, step]))
    .digest('base64url')
    .slice(0, KEY_LENGTH)
}
