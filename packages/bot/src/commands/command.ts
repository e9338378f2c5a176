import type { InboundMessage } from '../messaging/message.ts'

/** One command; one definition serves every platform. */
export interface Command {
  readonly name: string
  /** Arguments as people type them, e.g. `@user [hours]`. */
  readonly usage: string
  readonly about: string
  readonly adminOnly: boolean
  /** Answers the reply. A `CommandError` becomes a reply too; anything else is a fault of ours. */
  run(call: CommandCall): Promise<string>
}

export interface CommandCall {
  readonly message: InboundMessage
  /** Words after the command's name. */
  readonly args: readonly string[]
}

/** Something wrong with what was typed; the message is the reply. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}
