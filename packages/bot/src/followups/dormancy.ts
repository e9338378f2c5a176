import type { PersonFacts } from './gate-facts.ts'
import type { Language } from '../llm/language.ts'
import type { FollowUpPolicy } from './policy.ts'

/** Whether the bot keeps silent because nothing it wrote was answered. Any message of the person ends it. */
export function isDormant(person: Pick<PersonFacts, 'unanswered'>, policy: FollowUpPolicy): boolean {
  return person.unanswered >= policy.maxUnanswered
}

/** Whether one more unanswered follow-up would make the bot fall silent: then it says so in that one. */
export function isLastBeforeDormant(person: Pick<PersonFacts, 'unanswered'>, policy: FollowUpPolicy): boolean {
  return !isDormant(person, policy) && person.unanswered + 1 >= policy.maxUnanswered
}

const LINES: Readonly<Record<Language, string>> = {
  en: 'This is my last message until you write again.',
  de: 'Das ist meine letzte Nachricht, bis du wieder schreibst.',
  fr: "C'est mon dernier message jusqu'à ce que tu écrives à nouveau.",
  es: 'Este es mi último mensaje hasta que vuelvas a escribir.',
  pt: 'Esta é a minha última mensagem até você escrever de novo.',
}

/** The line that ends the last follow-up before the pause. */
export function dormancyLine(language: Language): string {
  return LINES[language]
}
