import { ButtonStyle, ComponentType } from 'discord.js'
import { ACTION_LABELS } from '../../followups/action-labels.ts'
import { consentLabels } from '../../followups/consent-text.ts'
import { languageOf, type Language } from '../../llm/language.ts'
import type { FollowUpAction } from '../../messaging/platform.ts'

/** What a button about follow-ups asks for. It works for ever: keyed by a row, or by the person asked. */
export type Press =
  | { readonly about: 'follow-up'; readonly action: FollowUpAction; readonly followUpId: number }
  | { readonly about: 'consent'; readonly granted: boolean; readonly userId: string }

/** A row of buttons as it travels. */
export type ButtonRow = {
  type: ComponentType.ActionRow
  components: { type: ComponentType.Button; style: ButtonStyle; label: string; custom_id: string }[]
}

/** At most five buttons side by side [Discord's reference, Action Row]. */
export const buttonRow = (buttons: readonly { label: string; id: string; style?: ButtonStyle }[]): ButtonRow => ({
  type: ComponentType.ActionRow,
  components: buttons.map(({ label, id, style = ButtonStyle.Secondary }) => ({
    type: ComponentType.Button,
    style,
    label,
    custom_id: id,
  })),
})

/**
 * The buttons under a follow-up. Keyed by its row alone: they work after restarts and months.
 * @param language of the follow-up; English where the bot has no words of its own
 */
export function followUpButtons(
  followUpId: number,
  actions: readonly FollowUpAction[],
  language?: string,
): ButtonRow[] {
  if (actions.length === 0) return []
  const labels = ACTION_LABELS[languageOf(language)]
  return [buttonRow(actions.map(action => ({ label: labels[action], id: `fu:${action}:${followUpId}` })))]
}

/** Yes and no under the question whether follow-ups are wanted; only the person asked can answer it. */
export function consentButtons(userId: string, language: Language): ButtonRow[] {
  const { yes, no } = consentLabels(language)
  return [
    buttonRow([
      { label: yes, id: `consent:yes:${userId}`, style: ButtonStyle.Primary },
      { label: no, id: `consent:no:${userId}` },
    ]),
  ]
}

/** What a custom id asks for about follow-ups; undefined: it is of another kind, or forged. */
export function readPress(customId: string): Press | undefined {
  const followUp = /^fu:(stop|later|why):([1-9]\d{0,14})$/.exec(customId)
  if (followUp) {
    return { about: 'follow-up', action: followUp[1] as FollowUpAction, followUpId: Number(followUp[2]) }
  }
  const consent = /^consent:(yes|no):(discord:\d{15,21})$/.exec(customId)
  return consent ? { about: 'consent', granted: consent[1] === 'yes', userId: consent[2] ?? '' } : undefined
}
