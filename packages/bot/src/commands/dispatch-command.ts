import type { Logger } from 'belfry'
import type { InboundMessage } from '../messaging/message.ts'
import { nearest } from '../messaging/nearest.ts'
import { inCode } from '../messaging/voice.ts'
import { CommandError, type Command, type CommandAnswer } from './command.ts'
import { isOwner } from './owner.ts'

export interface DispatcherParts {
  readonly prefix: string
  readonly ownerIds: readonly string[]
  readonly commands: readonly Command[]
  readonly logger: Logger
}

/** The command that words mean, and the words left over: `!job list` is `!job_list`, one definition, both ways of typing it. */
export function findCommand(
  commands: readonly Command[],
  [first = '', ...rest]: readonly string[],
): { command: Command | undefined; args: readonly string[] } {
  const named = (name: string) => commands.find(command => command.name === name.toLowerCase())
  const whole = named(first)
  if (whole) return { command: whole, args: rest }
  const [second = '', ...args] = rest
  return { command: named(`${first}_${second}`), args }
}

/** A command begins with the prefix and a letter; `!!!` and `! well` are talk. */
export function isCommand(text: string, prefix: string): boolean {
  return text.startsWith(prefix) && /^\p{L}/u.test(text.slice(prefix.length))
}

/** Finds the command, checks who asks, runs it, and always answers something. */
export class CommandDispatcher {
  readonly #parts: DispatcherParts

  constructor(parts: DispatcherParts) {
    this.#parts = parts
  }

  isCommand(text: string): boolean {
    return isCommand(text, this.#parts.prefix)
  }

  /** The reply to a command. Never rejects. */
  async dispatch(message: InboundMessage): Promise<CommandAnswer> {
    const answer = await this.#answer(message)
    return typeof answer === 'string' ? { text: answer } : answer
  }

  async #answer(message: InboundMessage): Promise<string | CommandAnswer> {
    const words = message.text.slice(this.#parts.prefix.length).split(/\s+/).filter(Boolean)
    const { command, args } = findCommand(this.#parts.commands, words)
    if (!command) return this.#unknown(words)
    const refusal = this.#refusal(command, message)
    if (refusal !== undefined) return refusal
    try {
      return await command.run({ message, args })
    } catch (error) {
      if (error instanceof CommandError) {
        return `${error.message}\nUsage: \`${this.#parts.prefix}${command.name}${command.usage ? ` ${command.usage}` : ''}\``
      }
      const text = error instanceof Error ? error.message : String(error)
      this.#parts.logger.error({ event: 'command_failed', command: command.name, error: text }, 'a command failed')
      return 'Something went wrong on my side; nothing was changed. It is in the log.'
    }
  }

  /** What somebody is told who may not use a command. */
  #refusal({ adminOnly, ownerOnly }: Command, message: InboundMessage): string | undefined {
    const yours = `your id is \`${message.userId}\`.`
    if (adminOnly && !message.isAdmin) {
      const inServers =
        message.platform === 'discord'
          ? ' Administrators of a server use it there; in direct messages only owners may.'
          : ''
      return `This command requires administrator permissions. Operators list theirs in ADMIN_USER_IDS; ${yours}${inServers}`
    }
    if (!ownerOnly || isOwner(message, this.#parts.ownerIds)) return undefined
    return `This command is for owners of the bot (ADMIN_USER_IDS): it concerns everybody, in all servers; ${yours}`
  }

  #unknown(words: readonly string[]): string {
    const { prefix } = this.#parts
    const known = this.#parts.commands.map(command => command.name)
    const [name = ''] = words
    const near = nearest(words.slice(0, 2).join('_').toLowerCase(), known) ?? nearest(name.toLowerCase(), known)
    const hint = near ? ` Did you mean \`${prefix}${near}\`?` : ''
    return `I know no command \`${prefix}${inCode(name, 40)}\`.${hint} \`${prefix}help\` lists them all.`
  }
}
