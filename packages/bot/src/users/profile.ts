import type { PlatformName } from '../messaging/message.ts'

/** What the bot knows of a person: their own settings and when they last spoke. No dossier. */
export interface Profile {
  readonly userId: string
  readonly displayName: string
  readonly platform: PlatformName | undefined
  readonly lastConversationId: string | undefined
  readonly followUpsEnabled: boolean
  readonly followUpFrequencyHours: number
  readonly lastActiveAt: Date | undefined
  readonly lastFollowUpSent: Date | undefined
  /** Follow-ups in a row that were not answered. */
  readonly unansweredFollowUps: number
  readonly timeZone: string | undefined
  readonly snoozedUntil: Date | undefined
  /** Why this person must not be written to, if so. */
  readonly suppressed: string | undefined
}
