import type { Queryable } from 'belfry/database'
import { languageOf } from '../llm/language.ts'
import { latestConsent } from '../users/consent-store.ts'
import { findProfile, takeConsentQuestion, takeNotice } from '../users/profile-store.ts'
import { consentNotice, consentQuestion } from './consent-text.ts'
import { countLastTalk } from './facts-store.ts'
import { mustGrant, type FollowUpPolicy } from './policy.ts'

/** Messages after which a conversation has been a good one, and asking is no ambush. */
const GOOD_TALK_MESSAGES = 5

/** Message id of the turn that asks, unique in its conversation: it is asked once, whatever happens. */
export const CONSENT_QUESTION_ID = 'consent-question'

/** What the bot has to say about follow-ups beside its answer; each of the two once in a lifetime. */
export interface ConsentRemark {
  /** Where silence means yes: a line under the first answer. */
  readonly notice?: string
  /** Where only a yes counts: a question after a good conversation. */
  readonly question?: string
}

/** Takes the remark that is due after a message, in the transaction that stores the answer. */
export async function takeConsentRemark(
  transaction: Queryable,
  request: { userId: string; policy: FollowUpPolicy; prefix: string; now: string | null },
): Promise<ConsentRemark> {
  const { userId, policy, prefix, now } = request
  const profile = await findProfile(transaction, userId)
  if (!profile?.platform) return {}
  // Discord asks with its own buttons.
  const isDiscord = profile.platform === 'discord'
  if (!mustGrant(policy, isDiscord)) {
    return (await takeNotice(transaction, userId, now)) ? { notice: consentNotice(prefix) } : {}
  }
  const isBadMoment = !policy.enabled || profile.suppressed !== undefined
  if (isDiscord || isBadMoment || profile.consentAskedAt || (await latestConsent(transaction, userId))) return {}
  if ((await countLastTalk(transaction, profile)) < GOOD_TALK_MESSAGES) return {}
  if (!(await takeConsentQuestion(transaction, userId, now))) return {}
  return { question: consentQuestion(languageOf(profile.locale), { policy, prefix }) }
}
