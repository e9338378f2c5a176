import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { activeControls, pauseFollowUps, resumeFollowUps, type ControlName } from '../followups/controls-store.ts'
import { CommandError, type Command } from './command.ts'
import { isOwner } from './owner.ts'

interface PauseParts {
  readonly database: Database
  readonly clock: Clock
  readonly ownerIds: readonly string[]
  readonly prefix: string
}

const LONGEST_REASON = 200

/** `!followup_pause [reason]`: nobody is followed up until somebody resumes. */
export function followUpPauseCommand({ database, clock, prefix }: PauseParts): Command {
  return {
    name: 'followup_pause',
    usage: '[reason]',
    about: "Stop everybody's follow-ups until they are resumed.",
    adminOnly: true,
    async run({ message, args }) {
      const reason = args.join(' ').slice(0, LONGEST_REASON) || 'no reason given'
      const pause = { reason, actor: message.userId, now: databaseNow(clock) }
      await database.transaction(transaction => pauseFollowUps(transaction, pause))
      return `Follow-ups are paused for everybody, in every process. \`${prefix}followup_resume\` lets them go on.`
    },
  }
}

/** `!followup_resume`: what a person paused, any admin resumes; what the bot stopped by itself, an owner. */
export function followUpResumeCommand({ database, clock, ownerIds }: PauseParts): Command {
  return {
    name: 'followup_resume',
    usage: '',
    about: "Let everybody's follow-ups go on.",
    adminOnly: true,
    async run({ message }) {
      const owner = isOwner(message, ownerIds)
      const now = databaseNow(clock)
      const names: readonly ControlName[] = owner ? ['pause', 'guardrail', 'platform', 'new_channels'] : ['pause']
      const resume = { names, actor: message.userId, now }
      const ended = await database.transaction(transaction => resumeFollowUps(transaction, resume))
      const left = await activeControls(database, now)
      if (left.length > 0 && !owner) {
        const why = left.map(({ name, reason }) => `${name}: ${reason}`).join('; ')
        throw new CommandError(`The bot stopped by itself (${why}). Only an owner resumes that (ADMIN_USER_IDS).`)
      }
      if (ended.length === 0) return 'Follow-ups were not paused; nothing was changed.'
      const fresh = ended.includes('guardrail') ? ' The guardrail counts anew from here.' : ''
      return `Follow-ups go on (ended: ${ended.join(', ')}).${fresh}`
    },
  }
}
