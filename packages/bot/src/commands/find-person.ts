import type { Database } from 'belfry/database'
import type { InboundMessage } from '../messaging/message.ts'
import { inCode } from '../messaging/voice.ts'
import { findProfilesByName } from '../users/profile-store.ts'
import type { Profile } from '../users/profile.ts'
import { CommandError } from './command.ts'

/** Names may hold blanks: the words that name a person, as one. */
export function nameOf(words: readonly string[]): string {
  const name = words.join(' ').replace(/^@/, '').trim()
  if (name === '') throw new CommandError('Please mention a valid user (e.g., @username).')
  return name
}

/** Whom an admin means: an id, a name the bot knows one person by, or `me`. */
export async function findPerson(database: Database, name: string, message: InboundMessage): Promise<Profile> {
  if (name.toLowerCase() === 'me') return findPerson(database, message.userId, message)
  const found = await reachedBy(message, await findProfilesByName(database, name))
  const exact = found.find(profile => profile.userId === name)
  const [only, ...others] = exact ? [exact] : found
  if (!only)
    throw new CommandError(
      `Please mention a valid user (e.g., @username): I have not talked with anybody called \`${inCode(name)}\`.`,
    )
  if (others.length > 0) {
    const ids = found.map(profile => `\`${profile.userId}\``).join(', ')
    throw new CommandError(`Several people are called \`${inCode(name)}\`: name one by id (${ids}).`)
  }
  return only
}

/** Whether people out of the asker's reach exist is none of their business. */
async function reachedBy({ reaches }: InboundMessage, found: readonly Profile[]): Promise<Profile[]> {
  if (!reaches) return [...found]
  const isReached = await Promise.all(found.map(({ userId }) => reaches(userId)))
  return found.filter((_, index) => isReached[index])
}
