import { saySpan } from '../messaging/say-time.ts'
import type { SayInstant } from '../messaging/voice.ts'
import type { ConsentEvent } from '../users/consent-store.ts'
import type { SentFollowUp } from './receipt-store.ts'

/** What a receipt is made of. */
export interface ReceiptFacts {
  readonly followUp: SentFollowUp
  /** What the person had said about follow-ups by then, their latest word first. */
  readonly consent: readonly ConsentEvent[]
  /** The language model in use, name and host. */
  readonly modelLabel: string | undefined
  readonly prefix: string
  readonly when: SayInstant
}

const HOW: Readonly<Record<ConsentEvent['source'], string>> = {
  command: 'by command',
  word: 'in words',
  button: 'by button',
  import: 'by a list that was imported',
}

/** Why a follow-up was written: the rule, the talk it was about, the consent it stands on, what left the house. */
export function sayReceipt(facts: ReceiptFacts): string {
  const { followUp, prefix, when } = facts
  return [
    `Why I wrote to you ${when(followUp.sentAt)}:`,
    sayRule(followUp),
    followUp.lastTalkAt
      ? `Last talk before it: ${when(followUp.lastTalkAt)}.`
      : 'Last talk before it: no longer stored.',
    sayConsent(facts),
    sayModel(facts),
    `To end it: say "stop" or \`${prefix}followup_settings off\`. To pause it for a week: say "later".`,
  ].join('\n')
}

function sayRule({ automatic, sentAt, lastTalkAt }: SentFollowUp): string {
  if (!automatic) return 'Rule: an administrator asked me to write to you, and every gate agreed.'
  const silence = lastTalkAt ? `${saySpan(sentAt.getTime() - lastTalkAt.getTime())} of silence` : 'a time of silence'
  return `Rule: I write once after ${silence}, if every gate agrees.`
}

function sayConsent({ consent, when }: ReceiptFacts): string {
  const word = consent.find(event => event.kind !== 'snoozed')
  if (word?.kind !== 'granted')
    return 'Consent: you had not said no. Here that means yes, as my first answer to you said.'
  const wording = `wording ${word.textVersion}${word.locale ? `, ${word.locale}` : ''}`
  return `Consent: you said yes ${when(word.at)}, ${HOW[word.source]} (${wording}).`
}

function sayModel({ followUp, modelLabel }: ReceiptFacts): string {
  if (followUp.source !== 'model') return 'Language model: none was asked; the words are a template of mine.'
  const which = modelLabel ? ` (now ${modelLabel})` : ''
  return `Language model: its host${which} was sent your display name and the last messages of that talk, at most 12 of them.`
}
