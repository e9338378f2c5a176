import { explainFollowUp, sayDecision, sayGates, type ExplainParts, type Explanation } from '../followups/explain.ts'
import { sayWhen } from '../messaging/say-time.ts'
import type { Command } from './command.ts'
import { findPerson, nameOf } from './find-person.ts'

/** `!followup_explain @user`: why somebody is, or is not, written to. */
export function followUpExplainCommand(parts: ExplainParts): Command {
  return {
    name: 'followup_explain',
    usage: '@user',
    about: 'Why somebody is, or is not, written to: every gate, what is planned, the last decisions.',
    adminOnly: true,
    async run({ message, args }) {
      const person = await findPerson(parts.database, nameOf(args), message)
      const explanation = await explainFollowUp(parts, person.userId)
      const { now, decisions } = explanation
      return [
        `A follow-up to ${person.displayName || person.userId}`,
        sayNext(explanation),
        ...sayGates(explanation.report, now),
        decisions.length === 0 ? 'No decisions stored yet.' : 'Last decisions:',
        ...decisions.map(each => `- ${sayDecision(each, now)}`),
      ].join('\n')
    },
  }
}

/** What is planned for the person. */
export function sayNext({ next, now }: Pick<Explanation, 'next' | 'now'>): string {
  if (!next) return 'Next: none planned; the gates are asked as for one that silence would plan.'
  const who = next.payload.automatic ? 'planned by silence' : 'asked for by an admin'
  return `Next: ${sayWhen(next.scheduledTime, now)}, ${who}. Job ID: \`${next.jobId}\``
}
