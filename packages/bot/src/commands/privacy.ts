import type { RetentionPolicy } from '../operations/retention.ts'
import type { Command } from './command.ts'

interface PrivacyParts {
  readonly botName: string
  readonly prefix: string
  /** Host of the language model, if there is one. */
  readonly modelHost: string | undefined
  readonly privacyUrl: string | undefined
  /** Undefined: nothing is removed by itself. */
  readonly retention: RetentionPolicy | undefined
}

/** `!privacy`: what is stored, for how long, who gets it, and how to have it out or gone. */
export function privacyCommand(parts: PrivacyParts): Command {
  return {
    name: 'privacy',
    usage: '',
    about: 'What is stored about you, for how long, and who gets it.',
    adminOnly: false,
    run: () => Promise.resolve(describe(parts)),
  }
}

function describe({ botName, prefix, modelHost, privacyUrl, retention }: PrivacyParts): string {
  return [
    `${botName} is a program. It stores what you and it say here, your settings, your yes and no to follow-ups with their ` +
      'date, at which hours you write, and which follow-ups were planned, sent or withheld, and why.',
    retention
      ? `What was said goes after ${days(retention.conversationDays)}, follow-ups and decisions after ` +
        `${days(retention.followUpDays)}, ended jobs after at most ${days(retention.jobDays)}. Settings and consent stay ` +
        'until you erase them.'
      : 'Nothing goes by itself: the operator has turned the daily cleanup off. You can erase it all.',
    modelHost
      ? `To write to you, the recent conversation is sent to the language model at ${modelHost}. Nobody else gets anything.`
      : 'There is no language model: nothing leaves this bot.',
    ...(privacyUrl ? [`The whole text: ${privacyUrl}`] : []),
    `\`${prefix}my_data\` gives you all of it, \`${prefix}forget_me\` erases all of it, ` +
      `\`${prefix}followup_settings off\` ends follow-ups.`,
  ].join('\n')
}

function days(count: number): string {
  return `${count} ${count === 1 ? 'day' : 'days'}`
}
