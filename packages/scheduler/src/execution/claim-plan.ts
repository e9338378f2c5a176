import type { WantedJobs } from '../store/claim-jobs.ts'

/** Rows one claim takes at the most: the measured curve is flat from 500 to 1,000. */
const LARGEST_CLAIM = 1_000
/** Jobs are claimed ahead of a free slot if one will be free within this time, by the pace of late. */
const HORIZON_MS = 50
/** Most jobs claimed ahead of a free slot, however fast they are. */
const MOST_AHEAD = 1_000

/** What is known of a type when a claim is planned. */
export interface TypeFacts {
  readonly jobType: string
  /** Calls of its handler that may run at the same time here. */
  readonly concurrency: number
  /** Calls that take a slot. */
  readonly running: number
  /** Jobs that wait for a slot. */
  readonly waiting: number
  /** Jobs of one call: 1, or the size of its batches. */
  readonly size: number
  /** How long its handler takes of late, in ms; undefined when none has ended yet. */
  readonly meanMs: number | undefined
  /** Its last claim was filled: there is probably more. */
  readonly busy: boolean
  /** Its jobs may be claimed before they can start: what they are asked at the claim is not, and its pace is to be trusted. */
  readonly claimsAhead: boolean
}

/** Jobs of one type that a claim may take: so many calls, of so many jobs each at the most. */
export interface PlannedJobs extends WantedJobs {
  readonly size: number
}

export interface ClaimPlan {
  readonly wanted: readonly PlannedJobs[]
  /** Most slots for all types together. */
  readonly limit: number
  /** Slots that may be taken or waited for at present. */
  readonly capacity: number
}

/** Whether so many of the slots are free that it is worth a claim at once. */
export function isRoomy(capacity: number, held: number): boolean {
  return (capacity - held) * 2 >= Math.min(capacity, LARGEST_CLAIM)
}

/**
 * How many jobs to claim, by type. Never more than will start soon: free slots, plus what the present pace will free
 * within 50 ms. Slow handlers so never hoard jobs that another process could run, and fast ones never wait for a round
 * trip. Types with a backlog share the room evenly, so that one cannot starve another. All is counted in slots: for a type
 * with batches each is worth a batch, and a batch that waits to be filled asks for what it lacks.
 * @param stalled no slot has been freed of late although all are taken: the pace is not to be trusted
 */
export function planClaim(types: readonly TypeFacts[], slots: { concurrency: number; stalled: boolean }): ClaimPlan {
  const held = types.reduce((sum, each) => sum + takenBy(each), 0)
  const free = Math.max(0, slots.concurrency - held)
  const ahead = types.map(each => (slots.stalled || !each.claimsAhead ? 0 : aheadOf(each)))
  // Where there is a backlog, its own pace counts: by that of another, faster type there would seem to be room for ever.
  const paced = ahead.filter((_, index) => types[index]?.busy || !types.some(each => each.busy))
  const capacity = slots.concurrency + Math.max(0, ...paced)
  const room = Math.min(capacity - held, LARGEST_CLAIM)
  const busy = types.filter(each => each.busy).length
  const shares = types.map((each, index) => {
    const ownFree = Math.min(each.concurrency - takenBy(each), free)
    const ownAhead = Math.max(0, (ahead[index] ?? 0) - Math.max(0, takenBy(each) - each.concurrency))
    const share = each.busy && busy > 1 ? Math.ceil(room / busy) : room
    return Math.max(0, Math.min(Math.max(0, ownFree) + ownAhead, share))
  })
  const wanted = types.flatMap(({ jobType, size, waiting }, index) => {
    const most = Math.min((shares[index] ?? 0) * size + lackOf(waiting, size), LARGEST_CLAIM)
    return most > 0 ? [{ jobType, size, most }] : []
  })
  if (wanted.length === 0) return { wanted: [], limit: 0, capacity }
  // The claim takes the oldest first: one place above the room for each type without a backlog, or a flood of old jobs of
  // another type would keep it waiting until the flood's end.
  const idle = busy > 0 ? wanted.length - busy : 0
  const limit = Math.min(
    Math.max(0, room) + Math.max(0, idle),
    wanted.reduce((sum, each) => sum + slotsFor(each.most, each.size), 0),
  )
  return { wanted, limit, capacity }
}

/** Slots that so many jobs take. */
export function slotsFor(jobs: number, size: number): number {
  return Math.ceil(jobs / size)
}

function takenBy({ running, waiting, size }: TypeFacts): number {
  return running + slotsFor(waiting, size)
}

/** What the last of the waiting batches lacks to be full. */
function lackOf(waiting: number, size: number): number {
  return slotsFor(waiting, size) * size - waiting
}

/** Calls of a type whose turn comes within the horizon once its slots are taken. */
function aheadOf({ concurrency, meanMs }: TypeFacts): number {
  if (meanMs === undefined) return 0
  return Math.min(MOST_AHEAD, Math.floor((concurrency * HORIZON_MS) / Math.max(meanMs, 0.01)))
}
