import type { ReadFacts } from './facts-store.ts'
import type { FollowUpPolicy } from './policy.ts'
import { variantOf, type Experiment, type Variant } from './variants.ts'

/** The best time for a person at or after an instant. */
export type PlaceInTime = (facts: ReadFacts, earliest: Date) => Date

export interface TimingParts {
  readonly policy: FollowUpPolicy
  /** What is tried side by side. Default: nothing. */
  readonly experiment?: Experiment
  /** Default: the earliest instant. */
  readonly placeInTime?: PlaceInTime
}

/** The policy for people of a variant: silence is as long as the variant wants it. */
export function policyFor({ policy, experiment }: TimingParts, variant: string | undefined): FollowUpPolicy {
  const delayMs = experiment?.variants.find(each => each.name === variant)?.delayMs
  return delayMs === undefined ? policy : { ...policy, delayMs }
}

/** When somebody's automatic follow-up is due, by which policy, and in which variant. */
export interface Timing {
  readonly variant: Variant | undefined
  readonly policy: FollowUpPolicy
  /** Not before the delay has passed since they last spoke, nor in the past. */
  readonly dueAt: Date
}

/** Times an automatic follow-up: the last message, the variant's delay, then the best time for the person. */
export function timeFollowUp(parts: TimingParts, facts: ReadFacts, userId: string): Timing {
  const variant = parts.experiment && variantOf(userId, parts.experiment)
  const policy = policyFor(parts, variant?.name)
  const lastMessageAt = facts.person === 'unreadable' ? undefined : facts.person.lastMessageAt
  const silentMs = (lastMessageAt ?? facts.now).getTime() + policy.delayMs
  const earliest = new Date(Math.max(silentMs, facts.now.getTime()))
  return { variant, policy, dueAt: parts.placeInTime?.(facts, earliest) ?? earliest }
}
