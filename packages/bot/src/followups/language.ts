/** Languages in which the bot asks, and understands a yes, a no and a "not now". */
export type Language = 'en' | 'de' | 'fr' | 'es' | 'pt'

export const LANGUAGES: readonly Language[] = ['en', 'de', 'fr', 'es', 'pt']

/** The language of a locale such as `pt-BR`; English for none and for all others. */
export function languageOf(locale: string | undefined): Language {
  const wanted = locale?.slice(0, 2).toLowerCase()
  return LANGUAGES.find(language => language === wanted) ?? 'en'
}
