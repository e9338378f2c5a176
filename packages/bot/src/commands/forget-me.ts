import {
  askForErasure,
  CONFIRM_WITHIN_MS,
  erasePersonWhoAsked,
  type Erased,
  type ErasureParts,
} from '../operations/erase-person.ts'
import { CommandError, type Command, type CommandAnswer } from './command.ts'

interface ForgetParts extends ErasureParts {
  readonly prefix: string
}

/** `!forget_me`, then `!forget_me confirm`: erases oneself. */
export function forgetMeCommand(parts: ForgetParts): Command {
  return {
    name: 'forget_me',
    usage: '[confirm]',
    about: 'Erase all that is stored about you.',
    adminOnly: false,
    // Whether somebody wants to be forgotten is nobody else's business.
    personal: true,
    options: [],
    async run({ message, args }) {
      const [word, ...more] = args.map(each => each.toLowerCase())
      if (word === 'keep' && more.length === 0) return 'All right: everything stays as it is. Nothing was erased.'
      if (more.length > 0 || (word !== undefined && word !== 'confirm'))
        throw new CommandError('It erases your own data only, and knows no word but `confirm`. Nothing was erased.')
      if (word === 'confirm') return confirm(parts, message.userId)
      await askForErasure(parts, message.userId)
      return {
        text: warning(parts.prefix),
        buttons: [
          { label: 'Erase everything about me', says: 'forget_me confirm', kind: 'decide', danger: true },
          { label: 'Keep it', says: 'forget_me keep', kind: 'decide' },
        ],
      }
    },
  }
}

function warning(prefix: string): string {
  return [
    'This erases all that I store about you, for good: our conversation, your settings and what you agreed to, every',
    'follow-up I sent or planned, and why. It cannot be undone, and I will not know you any more.',
    'One thing stays: a keyed hash of your id, so that I never write to you by myself again.',
    `\`${prefix}my_data\` gives you a copy first.`,
    `To go ahead say \`${prefix}forget_me confirm\` within ${CONFIRM_WITHIN_MS / 60_000} minutes. Else nothing happens.`,
  ].join('\n')
}

/** Whatever the answer is, it leaves no trace: this may be somebody who has just been erased, and asks again. */
async function confirm(parts: ForgetParts, userId: string): Promise<CommandAnswer> {
  const erased = await erasePersonWhoAsked(parts, userId)
  return { text: answerOf(erased, parts.prefix), aside: true }
}

function answerOf(erased: Erased | 'not_asked' | 'being_sent', prefix: string): string {
  if (erased === 'being_sent')
    return (
      'A follow-up to you is on its way this very moment, so nothing is erased yet. ' +
      `Say \`${prefix}forget_me confirm\` again in a minute.`
    )
  if (erased === 'not_asked')
    return (
      `There is nothing to confirm: \`${prefix}forget_me\` comes first, at most ${CONFIRM_WITHIN_MS / 60_000} minutes ` +
      'before. If you have just confirmed, it is done, and nothing about you is left.'
    )
  const { conversation = 0, follow_ups: followUps = 0, jobs = 0 } = erased
  return [
    `Done. All that I stored about you is erased: ${count(conversation, 'line')} of conversation, ` +
      `${count(followUps, 'follow-up')}, ${count(jobs, 'job')}, your settings and your consent.`,
    'A keyed hash of your id stays, so that I never write to you by myself again. You can still write to me: I will not ' +
      `know you, and will not follow up unless you say \`${prefix}followup_settings on\`.`,
  ].join('\n')
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
