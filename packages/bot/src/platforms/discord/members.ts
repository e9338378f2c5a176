import { Routes, type REST } from 'discord.js'
import type { Clock } from 'belfry'
import { snowflakeOf } from './ids.ts'

/** A person in a server. */
export interface Member {
  readonly guildId: string
  /** Like `discord:123456789012345678`. */
  readonly userId: string
}

/** How long an answer of Discord's is believed where only suggestions depend on it. */
const BELIEVED_MS = 60_000
const MOST_KNOWN = 5_000

/** Asks Discord whether somebody is in a server. What cannot be read denies. */
export async function isMember(rest: REST, { guildId, userId }: Member): Promise<boolean> {
  const id = snowflakeOf(userId)
  if (id === undefined) return false
  try {
    await rest.get(Routes.guildMember(guildId, id))
    return true
  } catch {
    return false
  }
}

/** Who was lately seen to be in a server, or not: for what is asked with every letter that is typed, never for an act. */
export class SeenMembers {
  readonly #clock: Clock
  readonly #seen = new Map<string, { isMember: boolean; at: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** For one list of suggestions: at most `looks` people are asked about anew, the others count as strangers. */
  reachesIn(rest: REST, guildId: string, looks: number): (userId: string) => Promise<boolean> {
    let left = looks
    return async userId => {
      const key = `${guildId} ${userId}`
      const known = this.#seen.get(key)
      if (known && this.#clock.monotonic() - known.at < BELIEVED_MS) return known.isMember
      left -= 1
      if (left < 0) return false
      const found = await isMember(rest, { guildId, userId })
      this.#seen.delete(key)
      this.#seen.set(key, { isMember: found, at: this.#clock.monotonic() })
      const [oldest] = this.#seen.keys()
      if (this.#seen.size > MOST_KNOWN && oldest !== undefined) this.#seen.delete(oldest)
      return found
    }
  }
}
