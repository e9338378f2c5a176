import type { Clock, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { lockPerson, setFollowUpsEnabled } from '../users/profile-store.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import { pendingFollowUps } from './follow-up-store.ts'

/** Raise it when the wording that people say yes or no to changes: consent is to a sentence. */
export const CONSENT_TEXT_VERSION = 1

export interface PreferenceParts {
  readonly database: Database
  readonly scheduler: Scheduler | undefined
  readonly clock: Clock
}

/** Plain words that mean "no more follow-ups", as the whole message. */
const STOP_WORDS = new Set(['stop', 'unsubscribe', 'opt out', 'opt-out', 'stopp', 'arrête', 'alto', 'pare'])

export function isStopWord(text: string): boolean {
  return STOP_WORDS.has(
    text
      .trim()
      .toLowerCase()
      .replace(/[.!]+$/, ''),
  )
}

/** A person says no: stored, and every follow-up planned for them cancelled, in one transaction. Answers how many. */
export async function turnOff(
  { database, scheduler, clock }: PreferenceParts,
  choice: { userId: string; source: 'command' | 'word' },
): Promise<number> {
  return database.transaction(async transaction => {
    // Either the follow-up that is being sent this moment sees this "no", or it went out before it.
    await lockPerson(transaction, choice.userId)
    const now = databaseNow(clock)
    await setFollowUpsEnabled(transaction, { ...choice, enabled: false, textVersion: CONSENT_TEXT_VERSION, now })
    const planned = await pendingFollowUps(transaction, choice.userId, now)
    for (const { jobId } of planned) await scheduler?.cancelJob(jobId, { reason: 'opted_out', transaction })
    return planned.length
  })
}

/** A person says yes: it also ends the "no" that outlived their erased data. What was cancelled before stays cancelled. */
export async function turnOn(
  { database, clock, suppressedPeople }: PreferenceParts & { suppressedPeople: SuppressedPeople },
  userId: string,
): Promise<void> {
  const now = databaseNow(clock)
  const choice = { userId, enabled: true, source: 'command', textVersion: CONSENT_TEXT_VERSION, now } as const
  await database.transaction(async transaction => {
    await lockPerson(transaction, userId)
    await setFollowUpsEnabled(transaction, choice)
    await suppressedPeople.lift(transaction, userId)
  })
}

/** What a person who said no is told. */
export function stopAnswer(cancelled: number): string {
  const what =
    cancelled === 0
      ? 'None was planned'
      : cancelled === 1
        ? 'I cancelled the one that was planned'
        : `I cancelled ${cancelled} that were planned`
  return `Follow-ups are off for you. ${what}. You can talk to me as before; \`!followup_settings on\` turns them on again.`
}
