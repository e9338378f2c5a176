import type { PlatformName } from '../messaging/message.ts'
import type { ActivityHours } from './activity-hours.ts'

/** What the bot knows of a person: their own settings and when they last spoke. No dossier. */
export interface Profile {
  readonly userId: string
  readonly displayName: string
  readonly platform: PlatformName | undefined
  readonly lastConversationId: string | undefined
  /** Their conversation with the bot alone, where their platform has such and it is known. */
  readonly privateConversationId: string | undefined
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
  /** When that ends by itself. */
  readonly suppressedUntil: Date | undefined
  /** A program, be it another bot or this one. */
  readonly isBot: boolean
  /** As their platform tells it, e.g. `pt-BR`. */
  readonly locale: string | undefined
  /** Their own, `22:00-08:00` or `off`; undefined: the operator's. */
  readonly quietHours: string | undefined
  /** When they were asked whether they want follow-ups. */
  readonly consentAskedAt: Date | undefined
  readonly activityHours: ActivityHours | undefined
  /** Where they want follow-ups, as it is stored: see `follow-up-place.ts`. */
  readonly followUpPlace: string | undefined
  /** They do not want their hours counted. */
  readonly activityHoursOff: boolean
}
