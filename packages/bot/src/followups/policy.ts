import type { Config } from '../config.ts'
import { parseQuietHours, type QuietHours } from './quiet-hours.ts'

/** What the gates go by, in milliseconds and counts. */
export interface FollowUpPolicy {
  readonly enabled: boolean
  /** Silence before an automatic follow-up. */
  readonly delayMs: number
  readonly maxPerWeek: number
  readonly minBetweenMs: number
  readonly quietHours: QuietHours
  /** Zone of people who set none. */
  readonly timeZone: string | undefined
  readonly minMessages: number
  readonly maxUnanswered: number
  readonly maxAgeMs: number
  readonly replyWindowMs: number
  readonly maxLateMs: number
  readonly perMinute: number
  /** Direct-message channels opened to people the bot had not written to, on platforms that count them. */
  readonly newChannelsPerHour: number
  readonly newChannelsPerDay: number
  readonly holdoutPercent: number
  /** Whether silence means yes. `auto` in the settings: yes on terminal and web, no on Discord, whose policy wants it so. */
  readonly consent: 'opt_out' | 'opt_in' | 'auto'
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/**
 * No platform documents its limit. Bots have been flagged after 20 to 50 new channels in a short time (reports in
 * DiscordPHP#467 and discord-api-docs#5987): these stay below the lowest.
 */
const NEW_CHANNELS = { newChannelsPerHour: 5, newChannelsPerDay: 40 }

/** The settings as the gates use them. */
export function policyOf(settings: Config['followUps']): FollowUpPolicy {
  return Object.freeze({
    enabled: settings.enabled,
    delayMs: settings.defaultDelayHours * HOUR_MS,
    maxPerWeek: settings.maxPerUserPerWeek,
    minBetweenMs: settings.minHoursBetween * HOUR_MS,
    quietHours: parseQuietHours(settings.quietHours),
    timeZone: settings.timeZone,
    minMessages: settings.minMessages,
    maxUnanswered: settings.maxUnanswered,
    maxAgeMs: settings.maxAgeDays * DAY_MS,
    replyWindowMs: settings.replyWindowHours * HOUR_MS,
    maxLateMs: settings.maxLateHours * HOUR_MS,
    perMinute: settings.perMinute,
    ...NEW_CHANNELS,
    holdoutPercent: settings.holdoutPercent,
    consent: settings.consent,
  })
}

/** Delays below this are somebody trying things out. */
const TRIAL_BELOW_MS = 2 * HOUR_MS

/** Whether somebody is trying things out: days are seconds, and there is no better hour to wait for. */
export function isTrial(policy: FollowUpPolicy): boolean {
  return policy.delayMs < TRIAL_BELOW_MS
}

/** Whether only a "yes" counts; silence does not. */
export function mustGrant(policy: FollowUpPolicy, platformMustOptIn: boolean): boolean {
  return policy.consent === 'opt_in' || (policy.consent === 'auto' && platformMustOptIn)
}

/** Least time between two follow-ups: the stricter of the policy's and the person's own, or the delay while trying out. */
export function cooldownMs(policy: FollowUpPolicy, personFrequencyMs: number): number {
  const cooldown = Math.max(policy.minBetweenMs, personFrequencyMs)
  return isTrial(policy) ? Math.min(cooldown, policy.delayMs) : cooldown
}
