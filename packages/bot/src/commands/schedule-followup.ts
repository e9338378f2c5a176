import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { DELAY_EXPECTS, parseDelay } from '../followups/delay.ts'
import type { GateReport } from '../followups/gates.ts'
import { scheduleFollowUpMessage, type PlannerParts } from '../followups/plan-follow-up.ts'
import { inCode, voiceOf, type SayInstant } from '../messaging/voice.ts'
import { CommandError, type Command } from './command.ts'
import { findPerson, nameOf } from './find-person.ts'
import { standingOf } from './followup-explain.ts'
import { cancelsJob } from './jobs.ts'
import { isOwner } from './owner.ts'

/** The guide's default: a day. */
const DEFAULT_HOURS = 24
const HOUR_MS = 3_600_000

/** `!schedule_followup @user [hours]` */
export function scheduleFollowUpCommand(parts: {
  database: Database
  clock: Clock
  planner: PlannerParts | undefined
  ownerIds: readonly string[]
}): Command {
  return {
    name: 'schedule_followup',
    usage: '@user [hours] [--force]',
    about: 'Schedule a follow-up to somebody, by default in 24 hours.',
    adminOnly: true,
    options: [
      { name: 'user', about: 'Who is to be written to.', kind: 'person', required: true },
      { name: 'hours', about: 'In how many hours; 2d and 90m work too. Default: 24.', kind: 'text' },
    ],
    async run({ message, args }) {
      if (!parts.planner) throw new CommandError('Job scheduler is not available (JOB_SCHEDULER_ENABLED is false).')
      const force = args.includes('--force')
      if (force && !isOwner(message, parts.ownerIds))
        throw new CommandError('`--force` is for owners of the bot (ADMIN_USER_IDS); without it, it may go out later.')
      const { name, delayText } = splitArguments(args.filter(each => each !== '--force'))
      const delayMs = delayText === undefined ? DEFAULT_HOURS * HOUR_MS : parseDelay(delayText)
      if (delayMs === undefined)
        throw new CommandError(`Hours: expected ${DELAY_EXPECTS}; got \`${inCode(delayText ?? '', 40)}\`.`)
      const person = await findPerson(parts.database, name, message)
      const planned = await scheduleFollowUpMessage(parts.planner, {
        userId: person.userId,
        delayHours: delayMs / HOUR_MS,
        requestedBy: message.userId,
        force,
      })
      const { when, minute, quote } = voiceOf(message.platform, parts.clock.now())
      const shown = quote(person.displayName || person.userId)
      const note = sayAdvice(planned.advice, minute)
      const said = `Follow-up message scheduled for ${shown}, ${when(planned.dueAt)}.`
      return {
        text: [said, `Job ID: \`${planned.jobId}\``, ...(note ? [`Note: ${note}`] : [])].join('\n'),
        card: {
          title: 'Follow-up message scheduled',
          standing: standingOf(planned.advice),
          fields: [
            { name: 'For', value: shown },
            { name: 'When', value: when(planned.dueAt) },
            { name: 'Job ID', value: `\`${planned.jobId}\`` },
            { name: 'Note', value: note ?? 'as things stand it would be sent.' },
          ],
        },
        buttons: [{ label: 'Cancel it', says: cancelsJob(planned.jobId), kind: 'decide', danger: true }],
      }
    },
  }
}

/** Names may hold blanks: the last word is the delay if it looks like one. */
function splitArguments(args: readonly string[]): { name: string; delayText: string | undefined } {
  const last = args.at(-1)
  const hasDelay = args.length > 1 && last !== undefined && (/^[-+]?[\d.]/.test(last) || args.length === 2)
  return { name: nameOf(hasDelay ? args.slice(0, -1) : args), delayText: hasDelay ? last : undefined }
}

/** What stands in the way today; the gates decide again when it is due. Undefined: nothing. */
function sayAdvice(advice: GateReport, when: SayInstant): string | undefined {
  if (advice.verdict === 'allow') return undefined
  if (advice.reason === 'opted_out')
    return 'this person has follow-ups off. It is kept, but not sent unless they turn them on.'
  if (advice.reason === 'not_opted_in')
    return 'this person has not agreed to follow-ups. It is kept, but not sent unless they do.'
  const until = advice.until ? ` until ${when(advice.until)}` : ''
  const what = advice.verdict === 'defer' ? 'it would wait' : 'it would not be sent'
  return `as things stand ${what}${until} (${advice.reason ?? 'unknown'}).`
}
