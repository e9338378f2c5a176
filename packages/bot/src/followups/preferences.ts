import type { Clock, Scheduler } from 'belfry'
import type { Database, Queryable } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { recordAct } from '../users/audit-store.ts'
import { addConsentEvent, latestConsent, type ConsentSource } from '../users/consent-store.ts'
import { findProfile, lockPerson } from '../users/profile-store.ts'
import { changeSettings, forgetActivityHours, liftByYes, presentOf } from '../users/settings-store.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import { CONSENT_TEXT_VERSION } from './consent-text.ts'
import { pendingFollowUps } from './follow-up-store.ts'
import type { Language } from '../llm/language.ts'

export interface PreferenceParts {
  readonly database: Database
  readonly scheduler: Scheduler | undefined
  readonly clock: Clock
  readonly suppressedPeople: SuppressedPeople
}

/** Somebody's own word on follow-ups, and how it reached us. */
export interface Choice {
  readonly userId: string
  readonly source: Exclude<ConsentSource, 'import'>
  /** The message or interaction it was said with. */
  readonly reference?: string
  /** The language of the wording. */
  readonly locale?: string
}

/** "Later" puts follow-ups off for a week. */
export const SNOOZE_MS = 7 * 86_400_000

/**
 * A person says no: stored, every follow-up planned for them cancelled, their hours forgotten, in one transaction.
 * Answers how many were cancelled. Said again it is an event of its own only if it cancels something: what an admin has
 * planned since then ends by that word, and whoever replays the ledger must find it there.
 */
export async function turnOff({ database, scheduler, clock }: PreferenceParts, choice: Choice): Promise<number> {
  return database.transaction(async transaction => {
    // Either the follow-up that is being sent this moment sees this "no", or it went out before it.
    await lockPerson(transaction, choice.userId)
    const now = databaseNow(clock)
    const planned = await pendingFollowUps(transaction, choice.userId, now)
    if (planned.length > 0 || !(await hasSaid(transaction, choice.userId, false))) {
      await addConsentEvent(transaction, eventOf(choice, 'revoked', now))
      await changeSettings(transaction, choice.userId, { followUpsEnabled: false })
    }
    await forgetActivityHours(transaction, choice.userId)
    for (const { jobId } of planned) await scheduler?.cancelJob(jobId, { reason: 'opted_out', transaction })
    return planned.length
  })
}

/** A person says yes: it also ends the "no" that outlived their erased data. What was cancelled before stays cancelled. */
export async function turnOn({ database, clock, suppressedPeople }: PreferenceParts, choice: Choice): Promise<void> {
  await database.transaction(async transaction => {
    await lockPerson(transaction, choice.userId)
    if (!(await hasSaid(transaction, choice.userId, true))) {
      await addConsentEvent(transaction, eventOf(choice, 'granted', databaseNow(clock)))
      await changeSettings(transaction, choice.userId, { followUpsEnabled: true })
    }
    await liftByYes(transaction, choice.userId)
    await suppressedPeople.lift(transaction, choice.userId)
  })
}

/**
 * A person says "not now": nothing is cancelled, the gates put it off. Answers until when. With `unlessPaused` a pause
 * that holds already stays as it is, so that a button pressed twice counts once.
 */
export async function snooze(
  { database, clock }: PreferenceParts,
  choice: Choice & { forMs: number; unlessPaused?: boolean },
): Promise<Date> {
  return database.transaction(async transaction => {
    await lockPerson(transaction, choice.userId)
    const present = await presentOf(transaction, databaseNow(clock))
    const earlier = (await findProfile(transaction, choice.userId))?.snoozedUntil
    if (choice.unlessPaused && earlier && earlier > present) return earlier
    const until = new Date(present.getTime() + choice.forMs)
    await changeSettings(transaction, choice.userId, { snoozedUntil: until })
    await addConsentEvent(transaction, { ...eventOf(choice, 'snoozed', databaseNow(clock)), until })
    return until
  })
}

/**
 * A person says where they want follow-ups: in a channel, by its conversation id, or in direct messages (`null`). The
 * ledger is about whether, not where; the audit keeps that they chose, and not which channel, for it outlives erasure.
 */
export async function choosePlace(
  { database, clock, suppressedPeople }: PreferenceParts,
  { userId, conversationId }: { userId: string; conversationId: string | null },
): Promise<void> {
  await database.transaction(async transaction => {
    await lockPerson(transaction, userId)
    await changeSettings(transaction, userId, { followUpPlace: conversationId })
    const { hash: personHash } = await suppressedPeople.hash(transaction, userId)
    const detail = { place: conversationId === null ? 'direct' : 'channel' }
    await recordAct(transaction, { actor: 'self', act: 'followup_place', personHash, detail, now: databaseNow(clock) })
  })
}

function eventOf(choice: Choice, kind: 'granted' | 'revoked' | 'snoozed', now: string | null) {
  const { userId, source, reference, locale } = choice
  const optional = { ...(reference !== undefined && { reference }), ...(locale !== undefined && { locale }) }
  return { userId, kind, source, textVersion: CONSENT_TEXT_VERSION, now, ...optional }
}

/** Whether flag and ledger both say it already; a flag without a word, as people begin with, is none. */
async function hasSaid(transaction: Queryable, userId: string, enabled: boolean): Promise<boolean> {
  const profile = await findProfile(transaction, userId)
  const word = await latestConsent(transaction, userId)
  return profile?.followUpsEnabled === enabled && word === (enabled ? 'granted' : 'revoked')
}

const STOPPED: Readonly<Record<Language, (cancelled: number, prefix: string) => string>> = {
  en: (cancelled, prefix) => {
    const what =
      cancelled === 0
        ? 'None was planned'
        : cancelled === 1
          ? 'I cancelled the one that was planned'
          : `I cancelled ${cancelled} that were planned`
    return `Follow-ups are off for you. ${what}. You can talk to me as before; \`${prefix}followup_settings on\` turns them on again.`
  },
  de: (cancelled, prefix) =>
    `Ich schreibe dir nicht mehr von mir aus. Abgesagt: ${cancelled}. Du kannst weiter mit mir reden; \`${prefix}followup_settings on\` schaltet es wieder ein.`,
  fr: (cancelled, prefix) =>
    `Je ne t'écrirai plus de moi-même. Annulés : ${cancelled}. Tu peux toujours me parler ; \`${prefix}followup_settings on\` réactive les messages.`,
  es: (cancelled, prefix) =>
    `No volveré a escribirte por mi cuenta. Cancelados: ${cancelled}. Puedes seguir hablando conmigo; \`${prefix}followup_settings on\` los activa de nuevo.`,
  pt: (cancelled, prefix) =>
    `Não vou mais escrever por conta própria. Cancelados: ${cancelled}. Você pode continuar falando comigo; \`${prefix}followup_settings on\` ativa de novo.`,
}

/** What a person who said no is told. */
export function stopAnswer(cancelled: number, { language, prefix }: { language: Language; prefix: string }): string {
  return STOPPED[language](cancelled, prefix)
}
