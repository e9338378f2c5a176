import type { InboundMessage } from '../messaging/message.ts'

/** One command; one definition serves every platform. */
export interface Command {
  readonly name: string
  /** Arguments as people type them, e.g. `@user [hours]`. */
  readonly usage: string
  readonly about: string
  readonly adminOnly: boolean
  /** Its answer is about the asker alone: where others read along, it is given in private. */
  readonly personal?: boolean
  /** Its arguments in order, for platforms with forms. Unset: one line of text, if `usage` names any. */
  readonly options?: readonly CommandOption[]
  /** Answers the reply, plain or with more to it. A `CommandError` becomes a reply too; anything else is a fault of ours. */
  run(call: CommandCall): Promise<string | CommandAnswer>
}

/** One argument, as a form asks for it. */
export interface CommandOption {
  /** Lower-case, no blanks. */
  readonly name: string
  readonly about: string
  /** `job`: the id of one, completed while it is typed. */
  readonly kind: 'person' | 'text' | 'job'
  readonly required?: boolean
  readonly choices?: readonly string[]
}

export interface CommandCall {
  readonly message: InboundMessage
  /** Words after the command's name. */
  readonly args: readonly string[]
}

/** A reply that is more than a text. */
export interface CommandAnswer {
  readonly text: string
  /** A file that goes with it, on platforms that can hand one over. */
  readonly attachment?: Attachment
  /** Neither the command nor its reply is kept: the reply is handed to whoever asked, outside the conversation. */
  readonly aside?: boolean
}

export interface Attachment {
  /** A plain file name, no folders. */
  readonly name: string
  readonly content: string
}

/** Something wrong with what was typed; the message is the reply. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}
