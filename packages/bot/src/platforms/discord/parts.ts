import type { Clock, Logger, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'
import type { Chat } from '../../chat/handle-message.ts'
import type { Command } from '../../commands/command.ts'
import type { OwnQuestion } from '../../followups/consent.ts'
import type { InboundMessage } from '../../messaging/message.ts'
import type { FollowUpAction } from '../../messaging/platform.ts'

/** How the door is set up; known before there is an app behind it. */
export interface DiscordOptions {
  readonly token: string
  readonly apiBaseUrl: string
  /** Connections this process makes; `auto`: as many as Discord recommends. */
  readonly shards: number | 'auto'
  /** Server channels in which the bot answers without being mentioned. */
  readonly chatChannelIds: readonly string[]
  /** Ids like `discord:123456789012345678`. */
  readonly adminUserIds: readonly string[]
  readonly prefix: string
  readonly clock: Clock
  readonly logger: Logger
}

/** A button under a follow-up, pressed. */
export interface FollowUpPress {
  /** Unique per press: one handed in twice acts once. */
  readonly messageId: string
  readonly conversationId: string
  readonly userId: string
  readonly followUpId: number
  readonly action: FollowUpAction
}

/** What the door needs of the bot behind it. */
export interface DiscordApp {
  readonly chat: Pick<Chat, 'handle'>
  readonly database: Database
  readonly commands: readonly Command[]
  readonly scheduler: Scheduler | undefined
  /** Does what a button under a follow-up says; answers what its presser is told. */
  onAction(press: FollowUpPress): Promise<string>
  /** A message of the bot's own was seen there, with the nonce it was sent with: a second witness of a sending. */
  onOwnMessage(seen: {
    readonly nonce: string
    readonly platformMessageId: string
    readonly conversationId: string
  }): Promise<unknown>
  /** After an answer: the question whether follow-ups are wanted, if this is the moment to ask. Unset: never asked. */
  consentQuestion?(message: InboundMessage): Promise<OwnQuestion | undefined>
  /** The person asked has answered; answers what they are told. */
  onConsent?(answer: { userId: string; granted: boolean; reference: string; locale: string }): Promise<string>
}
