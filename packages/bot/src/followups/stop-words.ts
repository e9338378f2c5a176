import type { FollowUpAction } from '../messaging/platform.ts'
import type { Language } from '../llm/language.ts'

/** What a message that is nothing but a few known words means. */
export interface PlainWord {
  readonly meaning: FollowUpAction | 'yes' | 'no'
  readonly language: Language
}

type Words = Readonly<Record<Language, readonly string[]>>

/** Anybody who says one of these, and nothing else, wants no more follow-ups. */
const STOP: Words = {
  en: ['stop', 'stop it', 'stop these', 'unsubscribe', 'opt out', 'opt-out', 'no more follow-ups', 'no more followups'],
  de: ['stopp', 'abmelden', 'abbestellen', 'aufhören', 'hör auf', 'keine nachrichten mehr'],
  fr: ['arrête', 'arrete', 'arrêter', 'arrêtez', 'désabonner', 'désinscrire', 'plus de messages'],
  es: ['alto', 'para ya', 'detener', 'darme de baja', 'cancelar suscripción', 'no más mensajes'],
  pt: ['pare', 'parar', 'descadastrar', 'cancelar inscrição', 'chega de mensagens'],
}
/** These are everyday words: they count only as the answer to a follow-up. */
const LATER: Words = {
  en: ['later', 'not now', 'maybe later', 'another time'],
  de: ['später', 'spaeter', 'nicht jetzt', 'jetzt nicht', 'ein andermal'],
  fr: ['plus tard', 'pas maintenant', 'une autre fois'],
  es: ['más tarde', 'mas tarde', 'luego', 'ahora no', 'en otro momento'],
  pt: ['mais tarde', 'depois', 'agora não', 'agora nao', 'outra hora'],
}
const WHY: Words = {
  en: ['why', 'why this', 'why are you writing', 'why do you write to me'],
  de: ['warum', 'wieso', 'weshalb', 'warum das', 'warum schreibst du mir'],
  fr: ['pourquoi', 'pourquoi ça', "pourquoi m'écris-tu"],
  es: ['por qué', 'por que', 'por qué esto', 'por qué me escribes'],
  pt: ['por quê', 'porquê', 'por que isso', 'por que você me escreve'],
}
/** These count only as the answer to the question whether follow-ups are wanted. */
const YES: Words = {
  en: ['yes', 'yes please', 'yes, please', 'sure', 'ok', 'okay'],
  de: ['ja', 'ja bitte', 'ja, bitte', 'gern', 'gerne'],
  fr: ['oui', "d'accord", 'oui merci', 'volontiers'],
  es: ['sí', 'si', 'vale', 'sí, por favor', 'claro'],
  pt: ['sim', 'claro que sim', 'pode', 'sim, por favor'],
}
const NO: Words = {
  en: ['no', 'no thanks', 'no, thanks', 'no thank you', 'nope'],
  de: ['nein', 'nein danke', 'nein, danke', 'lieber nicht'],
  fr: ['non', 'non merci', 'non, merci'],
  es: ['no gracias', 'no, gracias', 'mejor no'],
  pt: ['não', 'nao', 'não obrigado', 'não, obrigado', 'não, obrigada'],
}

/** The first language that has a word owns it; words of several are told apart by nobody. */
const MEANINGS: ReadonlyMap<string, PlainWord> = new Map(
  (
    [
      ['no', NO],
      ['yes', YES],
      ['why', WHY],
      ['later', LATER],
      ['stop', STOP],
    ] as const
  ).flatMap(([meaning, words]) =>
    (Object.entries(words) as [Language, readonly string[]][])
      .toReversed()
      .flatMap(([language, list]) => list.map((word): [string, PlainWord] => [word, { meaning, language }])),
  ),
)

/** Longer than any of them: not worth looking. */
const LONGEST = 40

/** What a whole message means by itself; case, surrounding marks and kinds of apostrophes do not matter. */
export function readPlainWord(text: string): PlainWord | undefined {
  if (text.length > LONGEST) return undefined
  const plain = text
    .normalize('NFC')
    .replace(/[’‘`´]/g, "'")
    .replace(/\s+/g, ' ')
    .replace(/^[\s¿¡"'„“«(]+|[\s.!?…"'“”»)]+$/gu, '')
    .toLowerCase()
  return MEANINGS.get(plain)
}
