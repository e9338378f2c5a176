import type { InboundMessage } from '../messaging/message.ts'
import { sayCard, type Card } from './card.ts'

/** One command; one definition serves every platform. */
export interface Command {
  readonly name: string
  /** What its name begins with, where platforms with forms have several under one name: `job_list` is `/job list`. */
  readonly group?: string
  /** Arguments as people type them, e.g. `@user [hours]`. */
  readonly usage: string
  readonly about: string
  readonly adminOnly: boolean
  /** It concerns everybody the bot talks with: an administrator of one server may not. */
  readonly ownerOnly?: boolean
  /** Its answer is about the asker alone: where others read along, it is given in private. */
  readonly personal?: boolean
  /** Its arguments in order, for platforms with forms. Unset: one line of text, if `usage` names any. */
  readonly options?: readonly CommandOption[]
  /** Ways of using it, each with a form of its own, in place of `options`: `/followup_settings timezone`. */
  readonly subcommands?: readonly Subcommand[]
  /** Answers the reply, plain or with more to it. A `CommandError` becomes a reply too; anything else is a fault of ours. */
  run(call: CommandCall): Promise<string | CommandAnswer>
}

/** A way of using a command: its name is the first word behind the command's. */
export interface Subcommand {
  /** Lower-case, no blanks. */
  readonly name: string
  readonly about: string
  readonly options?: readonly CommandOption[]
}

/** One argument, as a form asks for it. */
export interface CommandOption {
  /** Lower-case, no blanks. */
  readonly name: string
  readonly about: string
  /** `job` and `zone`: the id of one, the name of one, completed while they are typed. `page`: a number from 1. */
  readonly kind: 'person' | 'text' | 'job' | 'zone' | 'page'
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
  /** The same laid out, for platforms that can. */
  readonly card?: Card
  /** What whoever asked can do next, on platforms with buttons; elsewhere, the text says how. */
  readonly buttons?: readonly AnswerButton[]
  /** A file that goes with it, on platforms that can hand one over. */
  readonly attachment?: Attachment
  /** Neither the command nor its reply is kept: the reply is handed to whoever asked, outside the conversation. */
  readonly aside?: boolean
}

/** A button: pressing it is saying a command. Only whoever asked can press it, and only for a while. */
export interface AnswerButton {
  readonly label: string
  /** The command without its prefix, such as `job_list failed 2`. */
  readonly says: string
  /** `turn`: the answer takes this one's place, for two minutes. `decide`: one of its buttons counts, once, for ten. */
  readonly kind: 'turn' | 'decide'
  /** It cannot be undone. */
  readonly danger?: boolean
}

/** An answer that is laid out where that can be done. */
export function cardAnswer(card: Card, more: Pick<CommandAnswer, 'buttons'> = {}): CommandAnswer {
  return { text: sayCard(card), card, ...more }
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
