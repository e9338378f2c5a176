import type { Logger } from 'belfry'
import type { InboundMessage } from '../messaging/message.ts'
import { nearest } from '../messaging/nearest.ts'
import { CommandError, type Command, type CommandAnswer } from './command.ts'

export interface DispatcherParts {
  readonly prefix: string
  readonly commands: readonly Command[]
  readonly logger: Logger
}

/** Finds the command, checks who asks, runs it, and always answers something. */
export class CommandDispatcher {
  readonly #parts: DispatcherParts
  readonly #byName: ReadonlyMap<string, Command>

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    this.#byName = new Map(parts.commands.map(command => [command.name, command]))
  }

  /** A command begins with the prefix and a letter; `!!!` and `! well` are talk. */
  isCommand(text: string): boolean {
    return text.startsWith(this.#parts.prefix) && /^\p{L}/u.test(text.slice(this.#parts.prefix.length))
  }

  /** The reply to a command. Never rejects. */
  async dispatch(message: InboundMessage): Promise<CommandAnswer> {
    const answer = await this.#answer(message)
    return typeof answer === 'string' ? { text: answer } : answer
  }

  async #answer(message: InboundMessage): Promise<string | CommandAnswer> {
    const words = message.text.slice(this.#parts.prefix.length).split(/\s+/).filter(Boolean)
    const { command, args } = this.#find(words)
    if (!command) return this.#unknown(words)
    if (command.adminOnly && !message.isAdmin) {
      return (
        'This command requires administrator permissions. Operators list theirs in ADMIN_USER_IDS; ' +
        `your id is \`${message.userId}\`.`
      )
    }
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

  /** `!job list` is `!job_list`: one definition, both ways of typing it. */
  #find([first = '', ...rest]: readonly string[]): { command: Command | undefined; args: readonly string[] } {
    const whole = this.#byName.get(first.toLowerCase())
    if (whole) return { command: whole, args: rest }
    const [second = '', ...args] = rest
    return { command: this.#byName.get(`${first}_${second}`.toLowerCase()), args }
  }

  #unknown(words: readonly string[]): string {
    const { prefix } = this.#parts
    const known = [...this.#byName.keys()]
    const [name = ''] = words
    const near = nearest(words.slice(0, 2).join('_').toLowerCase(), known) ?? nearest(name.toLowerCase(), known)
    const hint = near ? ` Did you mean \`${prefix}${near}\`?` : ''
    return `I know no command \`${prefix}${name.slice(0, 40)}\`.${hint} \`${prefix}help\` lists them all.`
  }
}
