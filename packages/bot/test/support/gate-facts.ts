import type { Control } from '../../src/followups/controls-store.ts'
import type { GateFacts, NewChannelFacts, PersonFacts } from '../../src/followups/gate-facts.ts'
import { evaluateGates, type GateReport } from '../../src/followups/gates.ts'
import type { FollowUpPolicy } from '../../src/followups/policy.ts'
import { parseQuietHours } from '../../src/followups/quiet-hours.ts'

const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
export const NOW = new Date('2027-06-10T12:00:00Z')
export const ago = (ms: number) => new Date(NOW.getTime() - ms)
export const ahead = (ms: number) => new Date(NOW.getTime() + ms)

export const POLICY: FollowUpPolicy = {
  enabled: true,
  delayMs: 48 * HOUR,
  maxPerWeek: 2,
  minBetweenMs: 24 * HOUR,
  quietHours: parseQuietHours('22:00-08:00'),
  timeZone: undefined,
  minMessages: 3,
  maxUnanswered: 2,
  maxAgeMs: 14 * DAY,
  replyWindowMs: 72 * HOUR,
  maxLateMs: 12 * HOUR,
  perMinute: 10,
  newChannelsPerHour: 5,
  newChannelsPerDay: 40,
  holdoutPercent: 0,
  consent: 'auto',
}

/** Ada spoke 48 hours ago; nothing stands in the way of a follow-up. */
export const ADA: PersonFacts = {
  userId: 'web:ada',
  followUpsEnabled: true,
  consent: undefined,
  mustOptIn: false,
  suppressed: undefined,
  suppressedUntil: undefined,
  snoozedUntil: undefined,
  isBot: false,
  lastMessageAt: ago(48 * HOUR),
  messagesInLastTalk: 3,
  frequencyMs: 24 * HOUR,
  unanswered: 0,
  timeZone: 'UTC',
  quietHours: undefined,
  activityHours: undefined,
  sentThisWeek: [],
  lastSentAt: undefined,
}
export const AUTOMATIC = { automatic: true, plannedAt: ago(48 * HOUR), dueAt: NOW, seed: 'job-1' }
export const MANUAL = { automatic: false, plannedAt: ago(24 * HOUR), dueAt: NOW, seed: 'job-2' }

export interface Changes {
  readonly now?: Date
  readonly policy?: Partial<FollowUpPolicy>
  readonly person?: Partial<PersonFacts>
  readonly job?: Partial<GateFacts['job']>
  readonly manual?: boolean
  readonly sentInLastMinute?: number
  readonly controls?: readonly Control[]
  readonly newChannel?: NewChannelFacts
}

/** Ada's facts, but for some changes. */
export function factsOf(changes: Changes): GateFacts {
  const { now = NOW, policy, person, job, manual = false, sentInLastMinute = 0, controls = [], newChannel } = changes
  return {
    now,
    policy: { ...POLICY, ...policy },
    person: { ...ADA, ...person },
    job: { ...(manual ? MANUAL : AUTOMATIC), ...job },
    sentInLastMinute,
    controls,
    ...(newChannel && { newChannel }),
  }
}

/** What the gates say to Ada's facts, but for some changes. */
export const ask = (changes: Changes = {}): GateReport => evaluateGates(factsOf(changes))

/** The verdict in one line: `allow`, `deny opted_out`, `defer cooldown`. */
export const inShort = ({ verdict, reason }: GateReport): string => (reason ? `${verdict} ${reason}` : verdict)
