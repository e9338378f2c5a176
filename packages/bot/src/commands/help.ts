import type { Command } from './command.ts'
import { isOwner } from './owner.ts'

/** `!help`: the commands the asker may use. */
export function helpCommand(parts: {
  prefix: string
  botName: string
  ownerIds: readonly string[]
  commands: readonly Command[]
}): Command {
  const help: Command = {
    name: 'help',
    usage: '',
    about: 'This list.',
    adminOnly: false,
    run({ message }) {
      const allowed = [...parts.commands, help].filter(
        command => (message.isAdmin || !command.adminOnly) && (!command.ownerOnly || isOwner(message, parts.ownerIds)),
      )
      const lines = allowed.map(
        ({ name, usage, about }) => `\`${parts.prefix}${name}${usage ? ` ${usage}` : ''}\`  ${about}`,
      )
      return Promise.resolve(`Just talk to me. ${parts.botName} also knows these commands:\n${lines.join('\n')}`)
    },
  }
  return help
}
