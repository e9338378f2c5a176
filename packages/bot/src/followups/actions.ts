import type { FollowUpAction } from '../messaging/platform.ts'
import { voiceOf } from '../messaging/voice.ts'
import { consentHistory } from '../users/consent-store.ts'
import { findProfile } from '../users/profile-store.ts'
import { languageOf, type Language } from '../llm/language.ts'
import { SNOOZE_MS, snooze, stopAnswer, turnOff, type Choice, type PreferenceParts } from './preferences.ts'
import { sayReceipt } from './receipt.ts'
import { sentFollowUps } from './receipt-store.ts'

export interface ActionParts extends PreferenceParts {
  readonly prefix: string
  /** The language model in use, for receipts. */
  readonly modelLabel: string | undefined
}

/** What somebody does with a follow-up, by button, word or command. */
export interface ActionRequest {
  readonly userId: string
  /** The follow-up it is about; unset: about follow-ups as such, or the last one. */
  readonly followUpId?: number
  readonly action: FollowUpAction
  readonly source: Choice['source']
  /** The message or interaction it came with. */
  readonly reference: string
  /** The language they used; unset: that of their platform. */
  readonly language?: Language
}

const CONSENT_EVENTS_SHOWN = 20

/**
 * Does it, and answers what the person is told. Works as long as the follow-up is remembered; doing it again changes
 * nothing; a follow-up that was sent to somebody else is refused, and nothing is changed then.
 */
export async function act(parts: ActionParts, request: ActionRequest): Promise<string> {
  const { userId, followUpId, action, source, reference } = request
  const [followUp] = await sentFollowUps(parts.database, {
    userId,
    limit: 1,
    ...(followUpId !== undefined && { followUpId }),
  })
  if (followUpId !== undefined && !followUp) return 'That is no message I sent to you, so there is nothing to change.'
  const profile = await findProfile(parts.database, userId)
  const language = request.language ?? languageOf(profile?.locale)
  const voice = voiceOf(profile?.platform, parts.clock.now())
  const choice = { userId, source, reference, locale: language }
  if (action === 'stop') return stopAnswer(await turnOff(parts, choice), { language, prefix: parts.prefix })
  if (action === 'later') {
    const until = await snooze(parts, { ...choice, forMs: SNOOZE_MS, unlessPaused: true })
    return LATER[language](voice.day(until))
  }
  if (!followUp) return 'I have not written to you by myself yet.'
  const consent = await consentHistory(parts.database, {
    userId,
    limit: CONSENT_EVENTS_SHOWN,
    before: followUp.sentAt,
  })
  const { modelLabel, prefix } = parts
  return sayReceipt({ followUp, consent, modelLabel, prefix, when: voice.when })
}

const LATER: Readonly<Record<Language, (day: string) => string>> = {
  en: day => `All right, not now. I will not write by myself before ${day}.`,
  de: day => `In Ordnung, nicht jetzt. Vor dem ${day} schreibe ich nicht von mir aus.`,
  fr: day => `D'accord, pas maintenant. Je n'écrirai pas de moi-même avant le ${day}.`,
  es: day => `De acuerdo, ahora no. No escribiré por mi cuenta antes del ${day}.`,
  pt: day => `Tudo bem, agora não. Não escrevo por conta própria antes de ${day}.`,
}
