import type { Command } from './command.ts'

/** `!help`: the commands the asker may use. */
export function helpCommand(parts: { prefix: string; botName: string; commands: readonly Command[] }): Command {
  const help: Command = {
    name: 'help',
    usage: '',
    about: 'This list.',
    adminOnly: false,
    run({ message }) {
      const allowed = [...parts.commands, help].filter(command => message.isAdmin || !command.adminOnly)
      const lines = allowed.map(
        ({ name, usage, about }) => `\`${parts.prefix}${name}${usage ? ` ${usage}` : ''}\`  ${about}`,
      )
      return Promise.resolve(`Just talk to me. ${parts.botName} also knows these commands:\n${lines.join('\n')}`)
    },
  }
  return help
}
