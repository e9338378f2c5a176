import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { pauseFollowUps, resumeFollowUps, type ControlName } from '../followups/controls-store.ts'
import type { Command } from './command.ts'

interface PauseParts {
  readonly database: Database
  readonly clock: Clock
  readonly prefix: string
}

const LONGEST_REASON = 200
const STOPPED_BY: readonly ControlName[] = ['pause', 'guardrail', 'platform', 'new_channels']

/** `!followup_pause [reason]`: nobody is followed up until somebody resumes. */
export function followUpPauseCommand({ database, clock, prefix }: PauseParts): Command {
  return {
    name: 'followup_pause',
    group: 'followup',
    usage: '[reason]',
    about: "Stop everybody's follow-ups until they are resumed.",
    adminOnly: true,
    ownerOnly: true,
    options: [{ name: 'reason', about: 'Why; shown to admins.', kind: 'text' }],
    async run({ message, args }) {
      const reason = args.join(' ').slice(0, LONGEST_REASON) || 'no reason given'
      const pause = { reason, actor: message.userId, now: databaseNow(clock) }
      await database.transaction(transaction => pauseFollowUps(transaction, pause))
      return `Follow-ups are paused for everybody, in every process. \`${prefix}followup_resume\` lets them go on.`
    },
  }
}

/** `!followup_resume`: what a person paused goes on, and what the bot stopped by itself. */
export function followUpResumeCommand({ database, clock }: PauseParts): Command {
  return {
    name: 'followup_resume',
    group: 'followup',
    usage: '',
    about: "Let everybody's follow-ups go on.",
    adminOnly: true,
    ownerOnly: true,
    async run({ message }) {
      const resume = { names: STOPPED_BY, actor: message.userId, now: databaseNow(clock) }
      const ended = await database.transaction(transaction => resumeFollowUps(transaction, resume))
      if (ended.length === 0) return 'Follow-ups were not paused; nothing was changed.'
      const fresh = ended.includes('guardrail') ? ' The guardrail counts anew from here.' : ''
      return `Follow-ups go on (ended: ${ended.join(', ')}).${fresh}`
    },
  }
}
