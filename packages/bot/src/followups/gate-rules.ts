import { nextAwake } from './best-time.ts'
import type { Control } from './controls-store.ts'
import { isDormant } from './dormancy.ts'
import type { GateFacts, GateReason, PersonFacts } from './gate-facts.ts'
import { cooldownMs, mustGrant } from './policy.ts'
import { shareOf } from './variants.ts'

/** Why a gate refuses: never, or not before `until`. */
export type Fault = { deny: GateReason; until?: Date } | { defer: GateReason; until: Date } | undefined

/** One gate's condition; undefined: it passes. The facts have been found readable. */
export type Rule = (facts: GateFacts, person: PersonFacts) => Fault

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The week of the cap rolls: any 168 hours. */
const WEEK_MS = 168 * HOUR_MS
/** A manual follow-up looks back at most this far for a message that makes it needless. */
const MANUAL_RECENCY_MS = 48 * HOUR_MS
const PACING_PAUSE_MS = 60_000

function later(until: Date | undefined, now: Date, reason: GateReason): Fault {
  return until && until > now ? { defer: reason, until } : undefined
}

function after(instant: Date, ms: number): Date {
  return new Date(instant.getTime() + ms)
}

/**
 * The guardrail is about what the bot does by itself; a person's own request passes it. Who has a channel with the bot is
 * written to while no new ones may be opened.
 */
export const switchFault: Rule = ({ now, policy, controls, job, newChannel }) => {
  if (!policy.enabled) return { deny: 'kill_switch' }
  const concerns = ({ name }: Control) =>
    name === 'guardrail' ? job.automatic : name === 'new_channels' ? newChannel?.needed === true : true
  const holding = controls.filter(control => concerns(control) && (control.until === undefined || control.until > now))
  if (holding.some(({ until }) => until === undefined)) return { deny: 'breaker_open' }
  const ends = holding.map(({ until }) => until?.getTime() ?? 0)
  return ends.length > 0 ? { defer: 'breaker_open', until: new Date(Math.max(...ends)) } : undefined
}

export const consentFault: Rule = ({ policy }, person) => {
  if (!person.followUpsEnabled || person.consent === 'revoked') return { deny: 'opted_out' }
  return mustGrant(policy, person.mustOptIn) && person.consent !== 'granted' ? { deny: 'not_opted_in' } : undefined
}

/** A suppression that ends is a denial too: what was meant for then is not meant for a month later. */
export const suppressionFault: Rule = ({ now }, { suppressed, suppressedUntil }) => {
  if (suppressed === undefined || (suppressedUntil && suppressedUntil <= now)) return undefined
  return { deny: 'suppressed', ...(suppressedUntil && { until: suppressedUntil }) }
}

export const snoozeFault: Rule = ({ now }, person) => later(person.snoozedUntil, now, 'snoozed')

export const botFault: Rule = (_facts, person) => (person.isBot ? { deny: 'bot_or_self' } : undefined)

/** Who speaks is not inactive: an automatic follow-up moves on with them, a manual one has become needless. */
export const recencyFault: Rule = ({ now, policy, job }, person) => {
  const last = person.lastMessageAt
  if (job.automatic) return last ? later(after(last, policy.delayMs), now, 'recently_active') : { deny: 'gate_error' }
  const spokeSince = last !== undefined && last > job.plannedAt
  const lookBackMs = Math.min(job.dueAt.getTime() - job.plannedAt.getTime(), MANUAL_RECENCY_MS)
  const spokeLately = last !== undefined && now.getTime() - last.getTime() < lookBackMs
  return spokeSince || spokeLately ? { deny: 'recently_active' } : undefined
}

export const ageFault: Rule = ({ now, policy, job }, person) => {
  if (!job.automatic || !person.lastMessageAt) return undefined
  return now.getTime() - person.lastMessageAt.getTime() > policy.maxAgeMs ? { deny: 'too_old' } : undefined
}

export const depthFault: Rule = ({ policy, job }, person) =>
  job.automatic && person.messagesInLastTalk < policy.minMessages ? { deny: 'too_shallow' } : undefined

/** Doubles with every follow-up that was not answered. */
export const cooldownFault: Rule = ({ now, policy }, person) => {
  if (!person.lastSentAt) return undefined
  const pauseMs = cooldownMs(policy, person.frequencyMs) * 2 ** Math.min(person.unanswered, 10)
  return later(after(person.lastSentAt, pauseMs), now, 'cooldown')
}

/** Over the cap is over: an automatic one is planned anew when the person speaks, a manual one is for the admin to repeat. */
export const capFault: Rule = ({ now, policy }, person) => {
  const within = person.sentThisWeek
    .filter(sent => now.getTime() - sent.getTime() < WEEK_MS)
    .toSorted((a, b) => b.getTime() - a.getTime())
  if (within.length < policy.maxPerWeek) return undefined
  const oldest = within[policy.maxPerWeek - 1]
  return { deny: 'weekly_cap', ...(oldest && { until: after(oldest, WEEK_MS) }) }
}

export const dormancyFault: Rule = ({ policy }, person) =>
  isDormant(person, policy) ? { deny: 'unanswered' } : undefined

/** Neither a zone nor an hour at which they were awake: nobody knows whether it is night. */
export const quietFault: Rule = ({ now, policy, job }, person) => {
  const awake = nextAwake({ person, policy }, now, job.seed)
  if (awake === 'unknown') return { deny: 'gate_error' }
  return later(awake, now, 'quiet_hours')
}

export const holdoutFault: Rule = ({ policy, job }, person) =>
  job.automatic && shareOf(`holdout:${person.userId}`) * 100 < policy.holdoutPercent ? { deny: 'holdout' } : undefined

/** Opening channels is counted by the hour and by the day; the pause before the next look fits the one that is full. */
export const pacingFault: Rule = ({ now, policy, sentInLastMinute, newChannel, job }) => {
  const spread = 1 + shareOf(job.seed)
  if (newChannel?.needed) {
    const { openedLastHour, openedLastDay } = newChannel
    if (openedLastDay >= policy.newChannelsPerDay) return { defer: 'pacing', until: after(now, (DAY_MS / 4) * spread) }
    if (openedLastHour >= policy.newChannelsPerHour) return { defer: 'pacing', until: after(now, HOUR_MS * spread) }
  }
  if (sentInLastMinute < policy.perMinute) return undefined
  return { defer: 'pacing', until: after(now, PACING_PAUSE_MS * spread) }
}

/** After an outage nobody gets a message that was meant for another day. */
export const latenessFault: Rule = ({ now, policy, job }) =>
  now.getTime() - job.dueAt.getTime() > policy.maxLateMs ? { deny: 'expired' } : undefined
