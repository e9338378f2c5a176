import type { Queryable } from 'belfry/database'
import { detectLanguage, languageOf, type Language } from '../llm/language.ts'
import { recentTalk } from '../memory/conversation-store.ts'
import { latestConsent } from '../users/consent-store.ts'
import { findProfile, takeConsentQuestion, takeNotice } from '../users/profile-store.ts'
import type { Profile } from '../users/profile.ts'
import { consentNotice, consentQuestion, declinedAnswer, grantedAnswer } from './consent-text.ts'
import { countLastTalk } from './facts-store.ts'
import { mustGrant, type FollowUpPolicy } from './policy.ts'
import { turnOff, turnOn, type PreferenceParts } from './preferences.ts'

/** Messages after which a conversation has been a good one, and asking is no ambush. */
const GOOD_TALK_MESSAGES = 5
/** Turns that tell in which language somebody writes. */
const TURNS_READ = 24

/** Message id of the turn that asks, unique in its conversation: it is asked once, whatever happens. */
export const CONSENT_QUESTION_ID = 'consent-question'

/** What the bot has to say about follow-ups beside its answer; each of the two once in a lifetime. */
export interface ConsentRemark {
  /** Where silence means yes: a line under the first answer. */
  readonly notice?: string
  /** Where only a yes counts: a question after a good conversation. */
  readonly question?: string
}

/** Whose remark, under which rules. */
export interface ConsentRequest {
  readonly userId: string
  readonly policy: FollowUpPolicy
  readonly prefix: string
  readonly now: string | null
}

/** Takes the remark that is due after a message, in the transaction that stores the answer. */
export async function takeConsentRemark(transaction: Queryable, request: ConsentRequest): Promise<ConsentRemark> {
  const { userId, policy, prefix, now } = request
  const profile = await findProfile(transaction, userId)
  // Somebody who may be in danger was just told where help is: no moment for house rules.
  if (!profile?.platform || profile.suppressed !== undefined) return {}
  // Discord asks with its own buttons.
  const isDiscord = profile.platform === 'discord'
  if (!mustGrant(policy, isDiscord)) {
    return (await takeNotice(transaction, userId, now)) ? { notice: consentNotice(prefix) } : {}
  }
  const question = isDiscord ? undefined : await takeQuestion(transaction, profile, request)
  return question === undefined ? {} : { question: question.text }
}

/** Takes the question for a platform that asks it with buttons of its own; undefined: this is not the moment, or nobody asks. */
export async function takeOwnQuestion(
  transaction: Queryable,
  request: ConsentRequest,
): Promise<OwnQuestion | undefined> {
  const profile = await findProfile(transaction, request.userId)
  if (!profile?.platform || !mustGrant(request.policy, true)) return undefined
  return takeQuestion(transaction, profile, request)
}

/** The question, and the language it is in. */
export interface OwnQuestion {
  readonly text: string
  readonly language: Language
}

async function takeQuestion(
  transaction: Queryable,
  profile: Profile,
  { userId, policy, prefix, now }: ConsentRequest,
): Promise<OwnQuestion | undefined> {
  const isBadMoment = !policy.enabled || profile.suppressed !== undefined
  if (isBadMoment || profile.consentAskedAt || (await latestConsent(transaction, userId))) return undefined
  if ((await countLastTalk(transaction, profile)) < GOOD_TALK_MESSAGES) return undefined
  if (!(await takeConsentQuestion(transaction, userId, now))) return undefined
  const language = await languageWith(transaction, profile)
  return { text: consentQuestion(language, { policy, prefix }), language }
}

/** Discord tells no language with messages: where none is known, the one the person writes in. */
async function languageWith(transaction: Queryable, profile: Profile): Promise<Language> {
  const { userId, locale, lastConversationId: conversationId } = profile
  if (locale !== undefined || conversationId === undefined) return languageOf(locale)
  const turns = await recentTalk(transaction, { conversationId, userId, limit: TURNS_READ })
  return detectLanguage(turns.filter(turn => turn.author === 'user').map(turn => turn.text)) ?? languageOf(undefined)
}

/** Yes or no to the question, by a button. */
export interface ConsentAnswer {
  readonly userId: string
  readonly granted: boolean
  /** The interaction it came with. */
  readonly reference: string
  readonly locale: string
}

/** Keeps what the person said, with the wording and their language; answers what they are told. */
export async function answerConsent(
  parts: PreferenceParts & { prefix: string },
  answer: ConsentAnswer,
): Promise<string> {
  const { userId, granted, reference } = answer
  const language = languageOf(answer.locale)
  const choice = { userId, source: 'button', reference, locale: language } as const
  if (granted) await turnOn(parts, choice)
  else await turnOff(parts, choice)
  return granted ? grantedAnswer(language) : declinedAnswer(language, parts.prefix)
}
