import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { activeControls, type Control } from '../followups/controls-store.ts'
import type { FollowUpPolicy } from '../followups/policy.ts'
import { readReportFacts } from '../followups/report-store.ts'
import { reportOf, sayReport } from '../followups/report.ts'
import { inCode, voiceOf, type SayInstant } from '../messaging/voice.ts'
import { CommandError, type Command } from './command.ts'

const DEFAULT_DAYS = 30
const MOST_DAYS = 365
const DAY_MS = 86_400_000

/** `!followup_stats [days]`: did it help? */
export function followUpStatsCommand(parts: {
  database: Database
  clock: Clock
  policy: FollowUpPolicy
  prefix: string
}): Command {
  return {
    name: 'followup_stats',
    group: 'followup',
    usage: '[days]',
    about: `How follow-ups went: sent, answered, withheld, by variant. Default ${DEFAULT_DAYS} days.`,
    adminOnly: true,
    ownerOnly: true,
    options: [
      { name: 'days', about: `Over how many days, 1 to ${MOST_DAYS}. Default: ${DEFAULT_DAYS}.`, kind: 'text' },
    ],
    async run({ args, message }) {
      const { database, clock, policy, prefix } = parts
      const days = daysOf(args[0])
      const now = databaseNow(clock)
      const facts = await readReportFacts(database, { sinceMs: days * DAY_MS, windowMs: policy.replyWindowMs, now })
      const controls = await activeControls(database, now)
      const { when, minute } = voiceOf(message.platform, facts.until)
      const lines = [
        ...sayReport(reportOf(facts), { whole: false, minute }),
        ...controls.map(each => sayControl(each, { when, prefix })),
      ]
      const standing = controls.length > 0 ? 'warning' : 'good'
      return { text: lines.join('\n'), card: { title: 'How follow-ups went', standing, lines } }
    },
  }
}

function daysOf(typed: string | undefined): number {
  const days = typed === undefined ? DEFAULT_DAYS : /^\d{1,3}(d|days?)?$/i.test(typed) ? Number.parseInt(typed, 10) : 0
  if (days < 1 || days > MOST_DAYS)
    throw new CommandError(`Days: expected a whole number from 1 to ${MOST_DAYS}; got \`${inCode(typed ?? '', 40)}\`.`)
  return days
}

/** What stops everybody's follow-ups, since when, and the way out. */
export function sayControl(control: Control, { when, prefix }: { when: SayInstant; prefix: string }): string {
  const until = control.until ? `until ${when(control.until)}` : `until \`${prefix}followup_resume\``
  return `⏸ Follow-ups are paused (${control.name}) since ${when(control.setAt)}, ${until}: ${control.reason}`
}
