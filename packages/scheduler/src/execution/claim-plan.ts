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
  /** Jobs of this type that may run at the same time here. */
  readonly concurrency: number
  readonly running: number
  readonly waiting: number
  /** How long its handler takes of late, in ms; undefined when none has ended yet. */
  readonly meanMs: number | undefined
  /** Its last claim was filled: there is probably more. */
  readonly busy: boolean
}

export interface ClaimPlan {
  readonly wanted: readonly WantedJobs[]
  readonly limit: number
  /** Jobs this process may hold at present. */
  readonly capacity: number
}

/** Whether so much of what can be held is free that it is worth a claim at once. */
export function isRoomy(capacity: number, held: number): boolean {
  return (capacity - held) * 2 >= Math.min(capacity, LARGEST_CLAIM)
}

/**
 * How many jobs to claim, by type. Never more than will start soon: free slots, plus what the present pace will free
 * within 50 ms. Slow handlers so never hoard jobs that another process could run, and fast ones never wait for a round
 * trip. Types with a backlog share the room evenly, so that one cannot starve another.
 * @param stalled no slot has been freed of late although all are taken: the pace is not to be trusted
 */
export function planClaim(types: readonly TypeFacts[], slots: { concurrency: number; stalled: boolean }): ClaimPlan {
  const held = types.reduce((sum, each) => sum + each.running + each.waiting, 0)
  const free = Math.max(0, slots.concurrency - held)
  const ahead = types.map(each => (slots.stalled ? 0 : aheadOf(each)))
  // Where there is a backlog, its own pace counts: by that of another, faster type there would seem to be room for ever.
  const paced = ahead.filter((_, index) => types[index]?.busy || !types.some(each => each.busy))
  const capacity = slots.concurrency + Math.max(0, ...paced)
  const room = Math.min(capacity - held, LARGEST_CLAIM)
  if (room <= 0) return { wanted: [], limit: 0, capacity }
  const busy = types.filter(each => each.busy).length
  const wanted = types.flatMap((each, index) => {
    const ownFree = Math.min(each.concurrency - each.running - each.waiting, free)
    const ownAhead = Math.max(0, (ahead[index] ?? 0) - Math.max(0, each.running + each.waiting - each.concurrency))
    const share = each.busy && busy > 1 ? Math.ceil(room / busy) : room
    const most = Math.min(Math.max(0, ownFree) + ownAhead, share)
    return most > 0 ? [{ jobType: each.jobType, most }] : []
  })
  // The claim takes the oldest first: one place above the room for each type without a backlog, or a flood of old jobs of
  // another type would keep it waiting until the flood's end.
  const idle = busy > 0 ? wanted.length - busy : 0
  const limit = Math.min(
    room + Math.max(0, idle),
    wanted.reduce((sum, each) => sum + each.most, 0),
  )
  return { wanted, limit, capacity }
}

/** Jobs of a type whose turn comes within the horizon once its slots are taken. */
function aheadOf({ concurrency, meanMs }: TypeFacts): number {
  if (meanMs === undefined) return 0
  return Math.min(MOST_AHEAD, Math.floor((concurrency * HORIZON_MS) / Math.max(meanMs, 0.01)))
}
