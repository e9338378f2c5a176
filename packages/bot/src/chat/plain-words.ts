import type { CommandAnswer } from '../commands/command.ts'
import { act, type ActionParts } from '../followups/actions.ts'
import { CONSENT_QUESTION_ID } from '../followups/consent.ts'
import { declinedAnswer, grantedAnswer } from '../followups/consent-text.ts'
import { turnOff, turnOn } from '../followups/preferences.ts'
import { readPlainWord, type PlainWord } from '../followups/stop-words.ts'
import { lastBotTurn } from '../memory/conversation-store.ts'
import type { InboundMessage } from '../messaging/message.ts'
import { latestConsent } from '../users/consent-store.ts'

/**
 * What to do about a message that is nothing but a known word, before any language model sees it: `stop` counts always,
 * `later` and `why` while the bot's last turn is a follow-up, `yes` and `no` while it is the question about them.
 * Undefined: it is talk.
 */
export async function plainAnswer(
  actions: ActionParts,
  message: InboundMessage,
): Promise<(() => Promise<CommandAnswer>) | undefined> {
  const word = readPlainWord(message.text)
  if (!word) return undefined
  const { meaning, language } = word
  const { userId, messageId: reference } = message
  const last = await lastBotTurn(actions.database, message.conversationId)
  const theirs = last?.userId === userId ? last : undefined
  if (meaning === 'yes' || meaning === 'no') {
    // A word once given stands: only the command changes it.
    const isOpen = theirs?.messageId === CONSENT_QUESTION_ID && !(await latestConsent(actions.database, userId))
    return isOpen ? async () => ({ text: await answerConsent(actions, message, word) }) : undefined
  }
  const followUp = theirs?.kind === 'follow_up' ? theirs : undefined
  if (meaning !== 'stop' && !followUp) return undefined
  const about = followUp?.followUpId === undefined ? {} : { followUpId: followUp.followUpId }
  const request = { userId, action: meaning, source: 'word', reference, language, ...about } as const
  return async () => ({ text: await act(actions, request) })
}

async function answerConsent(actions: ActionParts, message: InboundMessage, word: PlainWord): Promise<string> {
  const { userId, messageId: reference } = message
  const { meaning, language } = word
  const choice = { userId, source: 'word', reference, locale: language } as const
  if (meaning === 'yes') {
    await turnOn(actions, choice)
    return grantedAnswer(language)
  }
  await turnOff(actions, choice)
  return declinedAnswer(language, actions.prefix)
}
