import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { recordAct } from '../users/audit-store.ts'
import { lockPerson } from '../users/profile-store.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import { jobsAbout, personalRows } from './personal-data-store.ts'

export interface RightsParts {
  readonly database: Database
  readonly clock: Clock
  readonly suppressedPeople: SuppressedPeople
}

/** Raise it when a section changes its name or meaning; new sections and columns are no change. */
const SCHEMA_VERSION = 1

/** All that is stored about one person, as they are given it. */
export interface PersonalData {
  readonly schema_version: number
  /** ISO instant. */
  readonly exported_at: string
  readonly user_id: string
  /** Rows by section, each with every column it has in the database. docs/privacy.md says which is which. */
  readonly sections: Readonly<Record<string, readonly Record<string, unknown>[]>>
}

/** Gathers all that is stored about a person, and notes that it was given out. */
export async function exportData(parts: RightsParts, userId: string): Promise<PersonalData> {
  const { database, clock, suppressedPeople } = parts
  return database.transaction(async transaction => {
    await lockPerson(transaction, userId)
    const [current, ...earlier] = await suppressedPeople.hashes(transaction, userId)
    const hashes = [current, ...earlier].flatMap(each => (each ? [each.hash] : []))
    const act = { actor: 'self', act: 'my_data', now: databaseNow(clock), ...(current && { personHash: current.hash }) }
    await recordAct(transaction, act)
    const jobIds = await jobsAbout(transaction, userId)
    const sections = await personalRows(transaction, { userId, hashes, jobIds })
    return { schema_version: SCHEMA_VERSION, exported_at: clock.now().toISOString(), user_id: userId, sections }
  })
}

/** The export as a file: its name says the day, never whose it is. */
export function fileOf(data: PersonalData): { name: string; content: string } {
  return { name: `my-data-${data.exported_at.slice(0, 10)}.json`, content: `${JSON.stringify(data, null, 2)}\n` }
}
