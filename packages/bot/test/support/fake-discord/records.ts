import type { NewCommand } from './command-shapes.ts'

/** What the developer portal says of the application. */
export interface Application {
  token: string
  /** The privileged intents it may ask for. */
  messageContent: boolean
  guildMembers: boolean
  presences: boolean
}

/** A message a bot was let send: the oracle of "exactly once". */
export interface JournalEntry {
  readonly at: number
  readonly messageId: string
  readonly channelId: string
  readonly content: string
  readonly nonce: string | number | undefined
  readonly pings: readonly string[]
  readonly customIds: readonly string[]
  readonly embeds: readonly unknown[]
  readonly replyTo: string | undefined
  readonly silent: boolean
}

/** A registered command. */
export interface FakeCommand {
  readonly id: string
  readonly version: string
  readonly guildId: string | undefined
  readonly definition: NewCommand
}
