import { ButtonStyle, ComponentType } from 'discord.js'
import type { FollowUpAction } from '../../messaging/platform.ts'

/** What a button of ours asks for. */
export type Press =
  | { readonly about: 'follow-up'; readonly action: FollowUpAction; readonly followUpId: number }
  | { readonly about: 'consent'; readonly granted: boolean; readonly userId: string }

/** A row of buttons as it travels. */
export type ButtonRow = {
  type: ComponentType.ActionRow
  components: { type: ComponentType.Button; style: ButtonStyle; label: string; custom_id: string }[]
}

const LABELS: Readonly<Record<FollowUpAction, string>> = {
  stop: 'Stop these',
  later: 'Not now',
  why: 'Why this?',
}

const row = (buttons: readonly { label: string; id: string; style?: ButtonStyle }[]): ButtonRow => ({
  type: ComponentType.ActionRow,
  components: buttons.map(({ label, id, style = ButtonStyle.Secondary }) => ({
    type: ComponentType.Button,
    style,
    label,
    custom_id: id,
  })),
})

/** The buttons under a follow-up. Keyed by its row alone: they work after restarts and months. */
export function followUpButtons(followUpId: number, actions: readonly FollowUpAction[]): ButtonRow[] {
  if (actions.length === 0) return []
  return [row(actions.map(action => ({ label: LABELS[action], id: `fu:${action}:${followUpId}` })))]
}

/** Yes and no under the question whether follow-ups are wanted; only the person asked can answer it. */
export function consentButtons(userId: string): ButtonRow[] {
  return [
    row([
      { label: 'Yes, you may', id: `consent:yes:${userId}`, style: ButtonStyle.Primary },
      { label: 'No', id: `consent:no:${userId}` },
    ]),
  ]
}

/** What a custom id asks for; undefined: it is none of ours, or forged. */
export function readPress(customId: string): Press | undefined {
  const followUp = /^fu:(stop|later|why):([1-9]\d{0,14})$/.exec(customId)
  if (followUp) {
    return { about: 'follow-up', action: followUp[1] as FollowUpAction, followUpId: Number(followUp[2]) }
  }
  const consent = /^consent:(yes|no):(discord:\d{15,21})$/.exec(customId)
  return consent ? { about: 'consent', granted: consent[1] === 'yes', userId: consent[2] ?? '' } : undefined
}
