import { exportData, fileOf, type PersonalData, type RightsParts } from '../operations/export-data.ts'
import { CommandError, type Command } from './command.ts'

/** Where the web chat hands out a person's own data. */
export const MY_DATA_PATH = '/api/chat/my-data'

/** `!my_data`: all that is stored about oneself, as a file. */
export function myDataCommand(parts: RightsParts): Command {
  return {
    name: 'my_data',
    usage: '',
    about: 'All that is stored about you, as a file.',
    adminOnly: false,
    async run({ message, args }) {
      if (args.length > 0) throw new CommandError('It gives you your own data only, and takes no further words.')
      // The page fetches it by itself: then it is made, and noted, when it is given out.
      if (message.platform === 'web') return `Everything I store about you, as one file: \`${MY_DATA_PATH}\``
      const data = await exportData(parts, message.userId)
      return { text: `Everything I store about you is in one file: ${summaryOf(data)}.`, attachment: fileOf(data) }
    },
  }
}

function summaryOf({ sections }: PersonalData): string {
  const filled = Object.entries(sections).filter(([, rows]) => rows.length > 0)
  return filled.map(([section, rows]) => `${section.replaceAll('_', ' ')} ${rows.length}`).join(', ')
}
