import type { Profile } from './profile.ts'

/**
 * Stored in place of a channel that was chosen and cannot be written to any more. It stands until they choose anew: what
 * was meant for a channel never turns up in direct messages by itself.
 */
export const NOWHERE = 'none'

/** Where somebody wants follow-ups: with themselves alone, where others read along, or nowhere for now. */
export type FollowUpPlace = 'direct' | 'channel' | 'nowhere'

type Chosen = Pick<Profile, 'followUpPlace'>

export function placeOf({ followUpPlace }: Chosen): FollowUpPlace {
  if (followUpPlace === undefined) return 'direct'
  return followUpPlace === NOWHERE ? 'nowhere' : 'channel'
}

/** The conversation they chose, where others read along; undefined: none. */
export function chosenChannel(profile: Chosen): string | undefined {
  return placeOf(profile) === 'channel' ? profile.followUpPlace : undefined
}
