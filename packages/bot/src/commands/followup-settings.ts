import { act, type ActionParts } from '../followups/actions.ts'
import { choosePlace, snooze, turnOn } from '../followups/preferences.ts'
import { wallClock } from '../followups/quiet-hours.ts'
import type { InboundMessage } from '../messaging/message.ts'
import { saySpan } from '../messaging/say-time.ts'
import { inCode, voiceOf } from '../messaging/voice.ts'
import { findProfile } from '../users/profile-store.ts'
import { changeSettings, forgetActivityHours } from '../users/settings-store.ts'
import type { Card } from './card.ts'
import { cardAnswer, CommandError, type Command, type CommandAnswer, type Subcommand } from './command.ts'
import { LAST_PAGE } from './pages.ts'
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
type Setting = (parts: SettingsParts, message: InboundMessage, typed: string) => Promise<string | CommandAnswer>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const FREQUENCY_LIMITS = { least: HOUR_MS, most: 365 * DAY_MS }
const SNOOZE_LIMITS = { least: HOUR_MS, most: 365 * DAY_MS }
const USAGE =
  'status|on|off|timezone ZONE|quiet HH:MM-HH:MM|frequency 3d|snooze 5d|place here/dm|history [page]|why|hours [on|off|forget]'

const SETTINGS: Readonly<Record<string, Setting>> = {
  status: async (parts, message) => cardAnswer(await statusOf(parts, message)),
  on: sayOn,
  enable: sayOn,
  off: sayOff,
  disable: sayOff,
  timezone: setZone,
  quiet: setQuiet,
  frequency: setFrequency,
  snooze: setSnooze,
  place: setPlace,
  history: (parts, message, typed) => describeHistory(parts, message, readPage(typed)),
  why: (parts, { userId, messageId }) =>
    act(parts, { userId, action: 'why', source: 'command', reference: messageId, language: 'en' }),
  hours: setHours,
}

/** The same, where there are forms. */
const FORMS: readonly Subcommand[] = [
  { name: 'status', about: 'What decides about your follow-ups, and what is planned.' },
  { name: 'on', about: 'Follow-ups, please.' },
  { name: 'off', about: 'No follow-ups any more; what was planned is cancelled.' },
  {
    name: 'timezone',
    about: 'Where you are, for your quiet hours.',
    options: [{ name: 'zone', about: 'Europe/Berlin, or a city; default forgets it.', kind: 'zone', required: true }],
  },
  {
    name: 'quiet',
    about: 'Hours of your day in which I never write by myself.',
    options: [{ name: 'hours', about: '22:00-08:00; off: none; default.', kind: 'text', required: true }],
  },
  {
    name: 'frequency',
    about: 'How often at most.',
    options: [{ name: 'span', about: '3d, 12h, weekly, from 1h to 365d; default.', kind: 'text', required: true }],
  },
  {
    name: 'snooze',
    about: 'A pause; nothing is cancelled.',
    options: [{ name: 'span', about: '5d, 2 weeks; off ends it. Default: 7 days.', kind: 'text' }],
  },
  {
    name: 'place',
    about: 'Where I write by myself: in this channel, for all to read, or in direct messages.',
    options: [{ name: 'where', about: 'Default: dm.', kind: 'text', required: true, choices: ['here', 'dm'] }],
  },
  {
    name: 'history',
    about: 'What you said about follow-ups, and those you were sent.',
    options: [{ name: 'page', about: 'Ten entries each; 1 is the newest.', kind: 'page' }],
  },
  { name: 'why', about: 'Why I wrote the last one.' },
  {
    name: 'hours',
    about: 'The hours at which you write: see, count, stop counting, erase.',
    options: [{ name: 'what', about: 'Unset: see them.', kind: 'text', choices: ['on', 'off', 'forget'] }],
  },
]

/** `!followup_settings`: one's own, nobody else's. */
export function followUpSettingsCommand(parts: SettingsParts): Command {
  return {
    name: 'followup_settings',
    usage: USAGE,
    about: 'Your own follow-ups: see them, turn them on or off, say when.',
    adminOnly: false,
    personal: true,
    subcommands: FORMS,
    async run({ message, args }) {
      const [word = 'status', ...rest] = args
      const name = word.toLowerCase()
      const setting = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined
      if (setting) return setting(parts, message, rest.join(' '))
      const status = await statusOf(parts, message)
      return cardAnswer({ ...status, lines: [`I know no setting \`${inCode(word, 40)}\`.`, ...(status.lines ?? [])] })
    },
  }
}

async function statusOf(parts: SettingsParts, message: InboundMessage): Promise<Card> {
  const card = await describeSettings(parts, message)
  const usage = { name: 'Usage', value: `\`${parts.prefix}followup_settings ${USAGE}\`` }
  return { ...card, fields: [...(card.fields ?? []), usage] }
}

async function sayOn(parts: SettingsParts, { userId, messageId, platform }: InboundMessage): Promise<string> {
  await turnOn(parts, { userId, source: 'command', reference: messageId, locale: 'en' })
  const until = (await findProfile(parts.database, userId))?.snoozedUntil
  const isPaused = until !== undefined && until > parts.clock.now()
  const pause = isPaused
    ? ` You asked for a pause until ${voiceOf(platform, parts.clock.now()).when(until)}; \`${parts.prefix}followup_settings snooze off\` ends it.`
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
  const { userId, messageId, platform } = message
  if (/^(off|end|none)$/i.test(typed)) {
    await changeSettings(parts.database, userId, { snoozedUntil: null })
    return 'The pause is over.'
  }
  const asked = typed === '' ? '7d' : typed
  const forMs = valueOf(readSpan(asked, SNOOZE_LIMITS), typed, 'a span from `1h` to `365d`, such as `5d`, or `off`')
  const until = await snooze(parts, { userId, source: 'command', reference: messageId, locale: 'en', forMs })
  return `I will not write by myself until ${voiceOf(platform, parts.clock.now()).when(until)}. Nothing is cancelled.`
}

/** One's own choice, in the place itself: nobody makes it for somebody else, nor by an id. */
async function setPlace(parts: SettingsParts, message: InboundMessage, typed: string): Promise<string> {
  const { userId, platform, conversationId, isPrivate } = message
  const where = typed.toLowerCase()
  if (where !== 'here' && where !== 'dm')
    throw new CommandError(`Expected \`place here\` or \`place dm\`; got ${quoted(typed)}.`)
  if (platform !== 'discord')
    throw new CommandError('There is one place here, this conversation, so there is nothing to choose.')
  if (where === 'dm') {
    await choosePlace(parts, { userId, conversationId: null })
    return 'When I write to you by myself, it is in direct messages.'
  }
  if (isPrivate !== false)
    throw new CommandError(
      'These are direct messages, where I write to you unless you choose a channel: use `place here` in a channel of a server. Nothing was changed.',
    )
  await choosePlace(parts, { userId, conversationId })
  const there = voiceOf(platform, parts.clock.now()).channel(conversationId)
  return `When I write to you by myself, it is in ${there} and nowhere else. It mentions you, everybody there can read it, and it is about nothing but what we talked about there. \`${parts.prefix}followup_settings place dm\` takes it back.`
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

function readPage(typed: string): number {
  const page = typed === '' ? 1 : /^\d{1,3}$/.test(typed) ? Number(typed) : 0
  if (page >= 1 && page <= LAST_PAGE) return page
  throw new CommandError(`Page: expected a whole number from 1 to ${LAST_PAGE}; got ${quoted(typed)}.`)
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
  return typed === '' ? 'nothing' : `\`${inCode(typed, 40)}\``
}
