import { explainFollowUp, sayDecision, sayGates, type ExplainParts, type Explanation } from '../followups/explain.ts'
import { voiceOf, type SayInstant } from '../messaging/voice.ts'
import { cardAnswer, type Command } from './command.ts'
import type { Card } from './card.ts'
import { findPerson, nameOf } from './find-person.ts'

/** `!followup_explain @user`: why somebody is, or is not, written to. */
export function followUpExplainCommand(parts: ExplainParts): Command {
  return {
    name: 'followup_explain',
    group: 'followup',
    usage: '@user',
    about: 'Why somebody is, or is not, written to: every gate, what is planned, the last decisions.',
    adminOnly: true,
    options: [{ name: 'user', about: 'Whose follow-ups.', kind: 'person', required: true }],
    async run({ message, args }) {
      const person = await findPerson(parts.database, nameOf(args), message)
      const explanation = await explainFollowUp(parts, person.userId)
      const { now, decisions, report, place } = explanation
      const { when, quote } = voiceOf(message.platform, now)
      return cardAnswer({
        title: `A follow-up to ${quote(person.displayName || person.userId)}`,
        standing: standingOf(report),
        lines: [
          sayNext(explanation, when),
          ...sayGates(report, when),
          ...(decisions.length === 0 ? ['No decisions stored yet.'] : []),
        ],
        fields: [
          ...(message.platform === 'discord' ? [{ name: 'Place', value: PLACES[place] }] : []),
          { name: 'Last decisions', value: decisions.map(each => `- ${sayDecision(each, when)}`).join('\n') },
        ],
      })
    },
  }
}

/** Which channel is between the person and the bot: who asks may not know that it exists. */
const PLACES: Readonly<Record<Explanation['place'], string>> = {
  direct: 'direct messages.',
  channel: 'a channel, by their own choice.',
  nowhere: 'nowhere: the channel they chose cannot be written to any more; they have to choose anew.',
}

/** What the gates say, as a colour. */
export function standingOf({ verdict }: Explanation['report']): Card['standing'] {
  return verdict === 'allow' ? 'good' : verdict === 'defer' ? 'warning' : 'bad'
}

/** What is planned for the person. */
export function sayNext({ next }: Pick<Explanation, 'next'>, when: SayInstant): string {
  if (!next) return 'Next: none planned; the gates are asked as for one that silence would plan.'
  const who = next.payload.automatic ? 'planned by silence' : 'asked for by an admin'
  return `Next: ${when(next.scheduledTime)}, ${who}. Job ID: \`${next.jobId}\``
}
