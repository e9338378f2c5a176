import type { PlatformName } from './message.ts'
import { sayWhen } from './say-time.ts'

/** An instant in words. */
export type SayInstant = (instant: Date) => string

/** How instants, and words of other people's making, are written on a platform. */
export interface Voice {
  readonly when: SayInstant
  /** A day; where the reader's zone is not known, in UTC. */
  readonly day: SayInstant
  /** An instant without how far away it is. */
  readonly minute: SayInstant
  /** Words of somebody's making as they may stand within an answer: one line that formats, links and rings nothing. */
  readonly quote: (text: string) => string
  /** A conversation in which others read along, by its id. */
  readonly channel: (conversationId: string) => string
}

const LONGEST_QUOTE = 100
/** What begins or ends a format, a link or a mention [Discord's reference, Message Formatting]. */
const MARKS = /[\\`*_~|<>[\]()#]/g

/** @param platform undefined: nobody knows; as in a terminal */
export function voiceOf(platform: PlatformName | undefined, now: Date): Voice {
  if (platform === 'discord') return DISCORD
  return { when: instant => sayWhen(instant, now), day, minute: sayMinute, quote: oneLine, channel: oneLine }
}

/** A minute in UTC. */
export function sayMinute(instant: Date): string {
  return `${instant.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function day(instant: Date): string {
  return instant.toISOString().slice(0, 10)
}

/** Discord shows times in each reader's own zone and language. */
const DISCORD: Voice = {
  when: instant => `<t:${secondsOf(instant)}:F> (<t:${secondsOf(instant)}:R>)`,
  day: instant => `<t:${secondsOf(instant)}:D>`,
  minute: instant => `<t:${secondsOf(instant)}:F>`,
  quote: text =>
    oneLine(text).replaceAll(MARKS, String.raw`\$&`).replaceAll('@', '@\u200B').replaceAll('://', ':\u200B//'),
  channel: conversationId => `<#${conversationId.replace('discord:', '')}>`,
}

function secondsOf(instant: Date): number {
  return Math.floor(instant.getTime() / 1_000)
}

/** What was typed, as it may stand between backticks. */
export function inCode(text: string, most = 80): string {
  return cut(visible(text).replaceAll('`', ''), most)
}

function oneLine(text: string): string {
  return cut(visible(text), LONGEST_QUOTE)
}

/** Without control characters, and without those that turn the direction of writing or take no room. */
function visible(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replaceAll(/\p{Cf}/gu, '')
    .trim()
}

function cut(text: string, most: number): string {
  const characters = Array.from(text)
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`
}
