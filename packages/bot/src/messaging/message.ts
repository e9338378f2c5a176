/** Where people talk to the bot. */
export type PlatformName = 'terminal' | 'web' | 'discord'

/** One thing a person said, as a platform hands it in. */
export interface InboundMessage {
  /** Unique on its platform; the same id handed in twice is recorded once. */
  readonly messageId: string
  readonly platform: PlatformName
  /** Stable per conversation, e.g. `terminal:ada`. */
  readonly conversationId: string
  /** Stable per person, e.g. `terminal:ada`. */
  readonly userId: string
  readonly displayName: string
  /** The language of the person's own program, e.g. `pt-BR`, where the platform tells. */
  readonly locale?: string
  readonly text: string
  /** Nobody but the bot reads along, on a platform that also has conversations where others do. */
  readonly isPrivate?: boolean
  /**
   * The platform hands it to every process that listens: one that finds it recorded leaves it to the one that recorded it.
   */
  readonly handedToMany?: boolean
  /** May use the admin commands. Decided by the platform's door, never by the message's content. */
  readonly isAdmin: boolean
  /** Whether an admin command may be about this person; an admin of one server reaches its members. Unset: everybody. */
  readonly reaches?: (userId: string) => Promise<boolean>
  /** Answers may carry buttons there: what cannot be undone is confirmed with one. Unset: it is done when it is said. */
  readonly hasButtons?: boolean
}

/** Who said a turn. */
export type Author = 'user' | 'bot'

/** What a turn is: talk, a command and its answer, or a follow-up the bot sent by itself. */
export type TurnKind = 'chat' | 'command' | 'follow_up'

/** One stored line of a conversation. */
export interface Turn {
  /** Grows with time within a conversation; what a reader remembers as "seen up to here". */
  readonly turnId: number
  readonly conversationId: string
  readonly userId: string
  readonly author: Author
  readonly kind: TurnKind
  readonly text: string
  readonly sentAt: Date
  /** The row of `follow_up_history` this turn is; what its buttons are keyed by. */
  readonly followUpId?: number
}
