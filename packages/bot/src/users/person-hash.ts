import { createHash, createHmac } from 'node:crypto'

/** What stands for a person who was erased, and which key made it. */
export interface PersonHash {
  /** HMAC-SHA-256 of the person's id, as 64 hexadecimal digits. */
  readonly hash: string
  readonly keyId: string
}

/** Without the key nobody can try ids until one fits; with it, only whoever has an id can ask whether it is the one. */
export function hashPerson(key: string, userId: string): PersonHash {
  return { hash: createHmac('sha256', key).update(userId).digest('hex'), keyId: keyIdOf(key) }
}

/** Names a key without giving it away: 16 digits of its hash. */
export function keyIdOf(key: string): string {
  return createHash('sha256').update(`belfry:privacy-key:${key}`).digest('hex').slice(0, 16)
}
