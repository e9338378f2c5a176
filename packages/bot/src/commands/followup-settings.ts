import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { pendingFollowUps } from '../followups/follow-up-store.ts'
import type { FollowUpPolicy } from '../followups/policy.ts'
import { stopAnswer, turnOff, turnOn, type PreferenceParts } from '../followups/preferences.ts'
import { saySpan, sayWhen } from '../messaging/say-time.ts'
import { findProfile } from '../users/profile-store.ts'
import type { Command } from './command.ts'

interface SettingsParts extends PreferenceParts {
  readonly database: Database
  readonly clock: Clock
  readonly policy: FollowUpPolicy
  readonly prefix: string
}

/** `!followup_settings [status|on|off]`: one's own, nobody else's. */
export function followUpSettingsCommand(parts: SettingsParts): Command {
  return {
    name: 'followup_settings',
    usage: 'status|on|off',
    about: 'Your own follow-ups: see, turn on, turn off.',
    adminOnly: false,
    personal: true,
    options: [{ name: 'change', about: 'See, turn on, turn off.', kind: 'text', choices: ['status', 'on', 'off'] }],
    async run({ message, args }) {
      const word = (args[0] ?? 'status').toLowerCase()
      if (word === 'off' || word === 'disable')
        return stopAnswer(await turnOff(parts, { userId: message.userId, source: 'command' }))
      if (word === 'on' || word === 'enable') {
        await turnOn(parts, message.userId)
        return `Follow-ups are on for you. ${whatTheyAre(parts.policy)} What was cancelled before stays cancelled.`
      }
      const status = await describe(parts, message.userId)
      const known = word === 'status' ? '' : `I know no setting \`${word.slice(0, 40)}\`. `
      return `${known}${status}\nUsage: \`${parts.prefix}followup_settings status|on|off\``
    },
  }
}

async function describe({ database, clock, policy }: SettingsParts, userId: string): Promise<string> {
  const profile = await findProfile(database, userId)
  const [next] = await pendingFollowUps(database, userId, databaseNow(clock))
  const lines = [
    `Follow-up Settings: ${profile?.followUpsEnabled === false ? 'off' : 'on'}`,
    whatTheyAre(policy),
    ...(next
      ? [`Next: ${sayWhen(next.scheduledTime, clock.now())} at the earliest; it moves on when you speak.`]
      : ['Next: none planned.']),
    ...(profile?.lastFollowUpSent ? [`Last: ${sayWhen(profile.lastFollowUpSent, clock.now())}.`] : []),
  ]
  return lines.join('\n')
}

function whatTheyAre(policy: FollowUpPolicy): string {
  const cap = `at most ${policy.maxPerWeek} in any week`
  return policy.enabled
    ? `After ${saySpan(policy.delayMs)} of silence I may write once about what we last talked about, ${cap}.`
    : 'The operator has turned follow-ups off for everybody.'
}
