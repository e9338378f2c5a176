import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { activeControls, type Control } from '../followups/controls-store.ts'
import type { FollowUpPolicy } from '../followups/policy.ts'
import { readReportFacts } from '../followups/report-store.ts'
import { reportOf, sayReport } from '../followups/report.ts'
import { sayWhen } from '../messaging/say-time.ts'
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
    usage: '[days]',
    about: `How follow-ups went: sent, answered, withheld, by variant. Default ${DEFAULT_DAYS} days.`,
    adminOnly: true,
    async run({ args }) {
      const { database, clock, policy, prefix } = parts
      const days = daysOf(args[0])
      const now = databaseNow(clock)
      const facts = await readReportFacts(database, { sinceMs: days * DAY_MS, windowMs: policy.replyWindowMs, now })
      const controls = await activeControls(database, now)
      return [
        ...sayReport(reportOf(facts), { whole: false }),
        ...controls.map(each => sayControl(each, { now: facts.until, prefix })),
      ].join('\n')
    },
  }
}

function daysOf(typed: string | undefined): number {
  const days = typed === undefined ? DEFAULT_DAYS : /^\d{1,3}(d|days?)?$/i.test(typed) ? Number.parseInt(typed, 10) : 0
  if (days < 1 || days > MOST_DAYS)
    throw new CommandError(`Days: expected a whole number from 1 to ${MOST_DAYS}; got \`${typed?.slice(0, 40)}\`.`)
  return days
}

/** What stops everybody's follow-ups, since when, and the way out. */
export function sayControl(control: Control, { now, prefix }: { now: Date; prefix: string }): string {
  const until = control.until ? `until ${sayWhen(control.until, now)}` : `until \`${prefix}followup_resume\``
  return `⏸ Follow-ups are paused (${control.name}) since ${sayWhen(control.setAt, now)}, ${until}: ${control.reason}`
}
