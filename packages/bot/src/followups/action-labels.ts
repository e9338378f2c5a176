import type { Language } from '../llm/language.ts'
import type { FollowUpAction } from '../messaging/platform.ts'

/** What a person can do with a follow-up, as the buttons under it have it, in the language it is written in. */
export const ACTION_LABELS: Readonly<Record<Language, Readonly<Record<FollowUpAction, string>>>> = {
  en: { stop: 'Stop these', later: 'Not now', why: 'Why this?' },
  de: { stop: 'Keine mehr', later: 'Jetzt nicht', why: 'Warum?' },
  fr: { stop: 'Plus jamais', later: 'Pas maintenant', why: 'Pourquoi ?' },
  es: { stop: 'No más', later: 'Ahora no', why: '¿Por qué?' },
  pt: { stop: 'Não quero mais', later: 'Agora não', why: 'Por quê?' },
}
