/** Languages the bot writes by itself; a language model knows more. */
export type Language = 'en' | 'de' | 'fr' | 'es' | 'pt'

export const LANGUAGES: readonly Language[] = ['en', 'de', 'fr', 'es', 'pt']

/** Frequent words that say little and tell languages apart. One that two languages share counts for both. */
const STOP_WORDS: Readonly<Record<Language, string>> = {
  en: "the and you i my is are was were have has had do does did not with that this it for of to in on at we they he she what how when why would could should been from about just but don't it's i'm i've can will your our me so then there hello hi thanks yes",
  de: 'der die das und ich du ist sind war waren habe hat hatte nicht mit dass dieser es für von zu im am wir sie er was wie wann warum würde könnte sollte auch aus über nur aber mein meine dein ein eine kann wird mir mich dir so dann noch schon heute morgen hallo danke ja nein auf bei nach',
  fr: "le la les et je tu il elle est sont était ai as a avons pas avec que qui ce cette pour de du des à au dans nous vous ils elles quoi comment quand pourquoi mais mon ma mes ton une un peut sur très aussi j'ai c'est je suis oui non bonjour salut merci demain aujourd'hui plus chez",
  es: 'el la los las y yo tú es son era estoy está he has ha no con que qué este esta para de del en nosotros ustedes ellos cómo cuándo pero mi mis tu una un puede sobre muy también por al se lo me le hola gracias sí mañana hoy más ya tengo soy',
  pt: 'o a os as e eu você é são era estou está tenho tem não com que este esta isso para de do da dos das em no na nós eles como quando por mas meu minha seu uma um pode sobre muito também ao se lhe me oi olá obrigado obrigada sim amanhã hoje mais já sou foi estava',
}
/** Letters that only some of them use. */
const LETTERS: Readonly<Record<Language, RegExp>> = {
  en: /(?!)/g,
  de: /[äöüß]/g,
  fr: /[èêëîïûùœæ]|ç(?!ã|õ)|\b[cdjlmnqst]'(?=[aeiouhéêâ])/g,
  es: /[ñ¿¡]/g,
  pt: /[ãõ]|ç(?=ã|õ)|lh|nh/g,
}

const words: ReadonlyMap<Language, ReadonlySet<string>> = new Map(
  LANGUAGES.map(language => [language, new Set(STOP_WORDS[language].split(' '))]),
)

/** Newest characters that are looked at. */
const READ_AT_MOST = 4_000
/** Less than two signs is a coincidence. */
const LEAST_SCORE = 2

/** The language to write in to somebody of a locale such as `pt-BR`; English for none and for all others. */
export function languageOf(locale: string | undefined): Language {
  const wanted = locale?.slice(0, 2).toLowerCase()
  return LANGUAGES.find(language => language === wanted) ?? 'en'
}

/**
 * The language somebody writes in: by frequent words and letters, without any model.
 * @param texts what they wrote, oldest first
 * @returns undefined when there is no telling: too little, two that are as likely, or none of the five
 */
export function detectLanguage(texts: readonly string[]): Language | undefined {
  const text = texts
    .join('\n')
    .slice(-READ_AT_MOST)
    .toLowerCase()
    .replace(/[’‘`´]/g, "'")
  const found = text.match(/[\p{L}\p{M}']+/gu) ?? []
  const scores = LANGUAGES.map(language => ({
    language,
    score:
      found.filter(word => words.get(language)?.has(word)).length + (text.match(LETTERS[language])?.length ?? 0) / 2,
  })).toSorted((a, b) => b.score - a.score)
  const [best, second] = scores
  if (!best || !second || best.score < LEAST_SCORE || best.score === second.score) return undefined
  // Of another language's words now and then one looks like ours.
  return best.score / Math.max(1, found.length) >= 0.1 ? best.language : undefined
}
