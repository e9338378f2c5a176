import { act, type ActionParts } from '../followups/actions.ts'
import { snooze, turnOn } from '../followups/preferences.ts'
import { wallClock } from '../followups/quiet-hours.ts'
import type { InboundMessage } from '../messaging/message.ts'
import { saySpan, sayWhen } from '../messaging/say-time.ts'
import { findProfile } from '../users/profile-store.ts'
import { changeSettings, forgetActivityHours } from '../users/settings-store.ts'
import { CommandError, type Command } from './command.ts'
import { readQuiet, readSpan, readZone, type Understood } from './followup-settings-input.ts'
import {
  describeHistory,
  describeHours,
  describeSettings,
  whatTheyAre,
  type StatusParts,
} from './followup-settings-status.ts'

type SettingsParts = ActionParts & StatusParts

/** One setting: what stands after its name, and what is answered. A `CommandError` changes nothing. */
type Setting = (parts: SettingsParts, message: InboundMessage, typed: string) => Promise<string>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const FREQUENCY_LIMITS = { least: HOUR_MS, most: 365 * DAY_MS }
const SNOOZE_LIMITS = { least: HOUR_MS, most: 365 * DAY_MS }
const USAGE = 'status|on|off|timezone ZONE|quiet HH:MM-HH:MM|frequency 3d|snooze 5d|history|why|hours [on|off|forget]'

const SETTINGS: Readonly<Record<string, Setting>> = {
  status: async (parts, message) => `${await describeSettings(parts, message.userId)}\n${usage(parts)}`,
  on: sayOn,
  enable: sayOn,
  off: sayOff,
  disable: sayOff,
  timezone: setZone,
  quiet: setQuiet,
  frequency: setFrequency,
  snooze: setSnooze,
  history: (parts, message) => describeHistory(parts, message.userId),
  why: (parts, { userId, messageId }) =>
    act(parts, { userId, action: 'why', source: 'command', reference: messageId, language: 'en' }),
  hours: setHours,
}

/** `!followup_settings`: one's own, nobody else's. */
export function followUpSettingsCommand(parts: SettingsParts): Command {
  return {
    name: 'followup_settings',
    usage: USAGE,
    about: 'Your own follow-ups: see them, turn them on or off, say when.',
    adminOnly: false,
    personal: true,
    options: [{ name: 'change', about: 'See, turn on, turn off.', kind: 'text', choices: ['status', 'on', 'off'] }],
    async run({ message, args }) {
      const [word = 'status', ...rest] = args
      const name = word.toLowerCase()
      const setting = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined
      if (setting) return setting(parts, message, rest.join(' '))
      const status = await describeSettings(parts, message.userId)
      return `I know no setting \`${word.slice(0, 40)}\`. ${status}\n${usage(parts)}`
    },
  }
}

function usage({ prefix }: SettingsParts): string {
  return `Usage: \`${prefix}followup_settings ${USAGE}\``
}

async function sayOn(parts: SettingsParts, { userId, messageId }: InboundMessage): Promise<string> {
  await turnOn(parts, { userId, source: 'command', reference: messageId, locale: 'en' })
  const until = (await findProfile(parts.database, userId))?.snoozedUntil
  const isPaused = until !== undefined && until > parts.clock.now()
  const pause = isPaused
    ? ` You asked for a pause until ${sayWhen(until, parts.clock.now())}; \`${parts.prefix}followup_settings snooze off\` ends it.`
    : ''
  return `Follow-ups are on for you. ${whatTheyAre(parts.policy)} What was cancelled before stays cancelled.${pause}`
}

function sayOff(parts: SettingsParts, { userId, messageId }: InboundMessage): Promise<string> {
  return act(parts, { userId, action: 'stop', source: 'command', reference: messageId, language: 'en' })
}

async function setZone(parts: SettingsParts, { userId }: InboundMessage, typed: string): Promise<string> {
  if (isDefault(typed)) {
    await changeSettings(parts.database, userId, { timeZone: null })
    return `Your time zone is forgotten. ${parts.policy.timeZone ? `The operator's applies: ${parts.policy.timeZone}.` : 'I keep to the hours at which you write.'}`
  }
  const zone = valueOf(readZone(typed), typed, 'a time zone such as `Europe/Berlin`, or a city such as `berlin`')
  await changeSettings(parts.database, userId, { timeZone: zone })
  const minutes = wallClock(zone)(parts.clock.now())
  const time = [Math.floor(minutes / 60), minutes % 60].map(part => String(part).padStart(2, '0')).join(':')
  return `Your time zone is ${zone}, where it is ${time} now. Quiet hours are read by it.`
}

async function setQuiet(parts: SettingsParts, { userId }: InboundMessage, typed: string): Promise<string> {
  if (/^(off|none)$/i.test(typed)) {
    await changeSettings(parts.database, userId, { quietHours: 'off' })
    return 'You have no quiet hours: I may write at any time of day.'
  }
  if (isDefault(typed)) {
    await changeSettings(parts.database, userId, { quietHours: null })
    return "The operator's quiet hours apply to you again."
  }
  const quietHours = valueOf(readQuiet(typed), typed, 'times such as `22:00-08:00`, `off` or `default`')
  await changeSettings(parts.database, userId, { quietHours })
  const [start, end] = quietHours.split('-')
  if (start === end)
    return `Quiet hours ${quietHours}: the same time twice means none, so I may write at any time of day.`
  const zone = (await findProfile(parts.database, userId))?.timeZone ?? parts.policy.timeZone
  return zone
    ? `Your quiet hours are ${quietHours}, ${zone}.`
    : `Your quiet hours are ${quietHours}. They need your time zone: \`${parts.prefix}followup_settings timezone ZONE\`. Until then I keep to the hours at which you write.`
}

async function setFrequency(parts: SettingsParts, { userId }: InboundMessage, typed: string): Promise<string> {
  if (isDefault(typed)) {
    await changeSettings(parts.database, userId, { frequencyHours: null })
    return 'How often is the default again.'
  }
  const ms = valueOf(readSpan(typed, FREQUENCY_LIMITS), typed, 'a span from `1h` to `365d`, such as `3d` or `weekly`')
  const frequencyHours = Math.ceil(ms / HOUR_MS)
  await changeSettings(parts.database, userId, { frequencyHours })
  const least = Math.max(frequencyHours * HOUR_MS, parts.policy.minBetweenMs)
  const operator = least > frequencyHours * HOUR_MS ? " (the operator's least)" : ''
  return `I write to you at most once in ${saySpan(least)}${operator}.`
}

async function setSnooze(parts: SettingsParts, message: InboundMessage, typed: string): Promise<string> {
  const { userId, messageId } = message
  if (/^(off|end|none)$/i.test(typed)) {
    await changeSettings(parts.database, userId, { snoozedUntil: null })
    return 'The pause is over.'
  }
  const asked = typed === '' ? '7d' : typed
  const forMs = valueOf(readSpan(asked, SNOOZE_LIMITS), typed, 'a span from `1h` to `365d`, such as `5d`, or `off`')
  const until = await snooze(parts, { userId, source: 'command', reference: messageId, locale: 'en', forMs })
  return `I will not write by myself until ${sayWhen(until, parts.clock.now())}. Nothing is cancelled.`
}

async function setHours({ database, prefix }: SettingsParts, { userId }: InboundMessage, typed: string) {
  switch (typed.toLowerCase()) {
    case '':
      return describeHours(await findProfile(database, userId))
    case 'off':
      await changeSettings(database, userId, { activityHoursOff: true })
      await forgetActivityHours(database, userId)
      return 'I no longer count your hours, and have forgotten those I had.'
    case 'on':
      await changeSettings(database, userId, { activityHoursOff: false })
      return 'I count the hours at which you write, to write at such hours myself. Nothing but counts is kept.'
    case 'forget':
      await forgetActivityHours(database, userId)
      return `Your hours are forgotten; counting begins anew. \`${prefix}followup_settings hours off\` ends it.`
    default:
      throw new CommandError(
        `Expected \`hours\`, \`hours on\`, \`hours off\` or \`hours forget\`; got ${quoted(typed)}.`,
      )
  }
}

function isDefault(typed: string): boolean {
  return /^(default|reset|forget)$/i.test(typed)
}

/** @throws CommandError with what was expected, what came, and the nearest that would do */
function valueOf<Value>(understood: Understood<Value>, typed: string, expected: string): Value {
  if ('value' in understood) return understood.value
  const near = understood.near.map(each => `\`${each}\``).join(', ')
  throw new CommandError(`Expected ${expected}; got ${quoted(typed)}. The nearest: ${near}.`)
}

function quoted(typed: string): string {
  return typed === '' ? 'nothing' : `\`${typed.replaceAll('`', '').slice(0, 40)}\``
}
