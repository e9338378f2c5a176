import { saySpan } from '../messaging/say-time.ts'
import type { Language } from '../llm/language.ts'
import type { FollowUpPolicy } from './policy.ts'

/**
 * The sentences people say yes or no to. Consent is to a wording: whoever changes the meaning of one raises the version,
 * and the ledger tells who agreed to which.
 */
export const CONSENT_TEXT_VERSION = 2

/** What, how often at most, based on what, and how to stop: the question, and a program's notice where silence means yes. */
interface Wording {
  question(terms: Terms): string
  /** On buttons under the question. */
  readonly yes: string
  readonly no: string
  granted: string
  declined(prefix: string): string
}

interface Terms {
  readonly after: string
  readonly perWeek: number
  readonly prefix: string
}

const WORDINGS: Readonly<Record<Language, Wording>> = {
  en: {
    question: ({ after, perWeek, prefix }) =>
      `May I write to you by myself when you go quiet? It would be one message after about ${after}, at most ${perWeek} a week, ` +
      'about what we last talked about here, at hours at which you usually write; I would count those hours. ' +
      `You can end it any time: say "stop" or \`${prefix}followup_settings off\`. Please answer yes or no.`,
    yes: 'Yes, you may',
    no: 'No',
    granted: 'Thank you. I will write to you now and then when you go quiet. Say "stop" and I never will again.',
    declined: prefix =>
      `All right, I will not, and I will not ask again. \`${prefix}followup_settings on\` changes that.`,
  },
  de: {
    question: ({ after, perWeek, prefix }) =>
      `Darf ich dir von mir aus schreiben, wenn es still wird? Es wäre eine Nachricht nach etwa ${after}, höchstens ${perWeek} pro Woche, ` +
      'über unser letztes Gespräch hier, zu Stunden, zu denen du meistens schreibst; diese Stunden würde ich zählen. ' +
      `Du kannst es jederzeit beenden: sag „stopp“ oder \`${prefix}followup_settings off\`. Bitte antworte ja oder nein.`,
    yes: 'Ja, gern',
    no: 'Nein',
    granted: 'Danke. Ich schreibe dir dann und wann, wenn es still wird. Sag „stopp“, und ich lasse es für immer.',
    declined: prefix =>
      `In Ordnung, dann nicht, und ich frage nicht noch einmal. \`${prefix}followup_settings on\` ändert das.`,
  },
  fr: {
    question: ({ after, perWeek, prefix }) =>
      `Puis-je t'écrire de moi-même quand tu ne dis plus rien ? Ce serait un message après environ ${after}, au plus ${perWeek} par semaine, ` +
      "sur notre dernière conversation ici, aux heures où tu écris d'habitude ; je compterais ces heures. " +
      `Tu peux arrêter à tout moment : dis « stop » ou \`${prefix}followup_settings off\`. Réponds par oui ou par non.`,
    yes: 'Oui, volontiers',
    no: 'Non',
    granted: "Merci. Je t'écrirai de temps en temps. Dis « stop » et je ne le ferai plus jamais.",
    declined: prefix =>
      `D'accord, je ne le ferai pas et je ne demanderai plus. \`${prefix}followup_settings on\` change cela.`,
  },
  es: {
    question: ({ after, perWeek, prefix }) =>
      `¿Puedo escribirte por mi cuenta cuando lleves un tiempo sin escribir? Sería un mensaje después de unos ${after}, como máximo ${perWeek} por semana, ` +
      'sobre lo último que hablamos aquí, a las horas en que sueles escribir; contaría esas horas. ' +
      `Puedes pararlo cuando quieras: di «alto» o \`${prefix}followup_settings off\`. Responde sí o no, por favor.`,
    yes: 'Sí, puedes',
    no: 'No',
    granted: 'Gracias. Te escribiré de vez en cuando. Di «alto» y no lo haré nunca más.',
    declined: prefix => `De acuerdo, no lo haré ni volveré a preguntar. \`${prefix}followup_settings on\` lo cambia.`,
  },
  pt: {
    question: ({ after, perWeek, prefix }) =>
      `Posso escrever para você por conta própria quando ficar em silêncio? Seria uma mensagem depois de cerca de ${after}, no máximo ${perWeek} por semana, ` +
      'sobre a nossa última conversa aqui, nas horas em que você costuma escrever; eu contaria essas horas. ' +
      `Você pode parar quando quiser: diga "parar" ou \`${prefix}followup_settings off\`. Responda sim ou não, por favor.`,
    yes: 'Sim, pode',
    no: 'Não',
    granted: 'Obrigado. Vou escrever de vez em quando. Diga "parar" e nunca mais escrevo.',
    declined: prefix =>
      `Tudo bem, não vou escrever nem perguntar de novo. \`${prefix}followup_settings on\` muda isso.`,
  },
}

/** The question, in the person's language. */
export function consentQuestion(language: Language, terms: { policy: FollowUpPolicy; prefix: string }): string {
  const { delayMs, maxPerWeek } = terms.policy
  const after = language === 'en' ? saySpan(delayMs) : `${Math.max(1, Math.round(delayMs / 3_600_000))} h`
  return WORDINGS[language].question({ after, perWeek: maxPerWeek, prefix: terms.prefix })
}

/** The answers to it, as buttons have them. */
export function consentLabels(language: Language): { yes: string; no: string } {
  const { yes, no } = WORDINGS[language]
  return { yes, no }
}

/** What somebody is told who said yes to it. */
export function grantedAnswer(language: Language): string {
  return WORDINGS[language].granted
}

/** What somebody is told who said no to it: final until they use the command. */
export function declinedAnswer(language: Language, prefix: string): string {
  return WORDINGS[language].declined(prefix)
}

/** The line in the bot's first answer where silence means yes. */
export function consentNotice(prefix: string): string {
  return `By the way: if you go quiet, I may write to you once to follow up. Say \`${prefix}followup_settings off\` and I never will.`
}
