import type { JobStatus, AttemptOutcome } from '../job/job.ts'
import type { Hindrance, RunnerName } from './hindrance.ts'
import { say } from './say.ts'

/** Why a job is not running, or that it is. */
export interface Explanation {
  readonly jobId: string
  readonly jobType: string
  readonly status: JobStatus
  /** What decides at this moment: the first of `hindrances`. */
  readonly because: Hindrance
  /** Everything that stands in its way; when the first is gone the next decides. */
  readonly hindrances: readonly Hindrance[]
  /** The sentences of all of them. */
  readonly sentence: string
}

/** What is known of a job at one moment. */
export interface JobFacts {
  readonly now: Date
  readonly jobId: string
  readonly jobType: string
  readonly status: JobStatus
  /** A runner holds it. */
  readonly held: boolean
  /** What its delivery window does to it; null: nothing. `until`: when it starts at the earliest. */
  readonly window: { readonly timeZone: string; readonly opens: Date; readonly until: Date } | null
  /** It has no time of its own before something else happens. */
  readonly waitsForOther: boolean
  /** What it waits for is its concurrency key. */
  readonly parked: boolean
  /** Why its row cannot be read; null: it can. */
  readonly fault: string | null
  readonly due: Date
  readonly startedAt: Date | null
  readonly completedAt: Date | null
  readonly expiresAt: Date | null
  /** Longest run of an attempt; null when this process does not know it. */
  readonly timeoutMs: number | null
  readonly retryCount: number
  readonly maxRetries: number
  readonly lastOutcome: AttemptOutcome | null
  readonly error: string | null
  readonly cancelRequested: boolean
  readonly runnerId: string | null
  /** Its runner's row; null when there is none. */
  readonly holder: (RunnerName & { readonly leaseUntil: Date }) | null
  /** Living runners. */
  readonly runners: readonly (RunnerName & { readonly handles: boolean })[]
  /** What flow control and dependencies add: pauses, limits, rates, unfinished jobs. */
  readonly flow: readonly Hindrance[]
}

/** Why is this job not running? Pure: the answer follows from the facts alone. */
export function explainJob(facts: JobFacts): Explanation {
  const hindrances = hindrancesOf(facts)
  const { jobId, jobType, status } = facts
  const [because = nothing()] = hindrances
  return { jobId, jobType, status, because, hindrances, sentence: hindrances.map(each => each.sentence).join(' ') }
}

function hindrancesOf(facts: JobFacts): readonly Hindrance[] {
  if (facts.completedAt !== null) return [finished(facts, facts.completedAt)]
  if (facts.held) return held(facts)
  const found = [cancelled(facts), spoiled(facts), expired(facts), ...waiting(facts), ...facts.flow, handler(facts)]
  const standing = found.filter(each => each !== undefined)
  return standing.length > 0 ? standing : [nothing()]
}

function finished({ status, error }: JobFacts, at: Date): Hindrance {
  const why = error === null || status === 'completed' ? '' : `: ${error}`
  return {
    kind: 'finished',
    status,
    error: status === 'completed' ? null : error,
    until: null,
    sentence: `It ${status === 'cancelled' ? 'was cancelled' : status} at ${say(at)}${why}.`,
    change: status === 'completed' ? 'Nothing: schedule a new job.' : 'Redrive it to give it a new life.',
  }
}

function held(facts: JobFacts): readonly Hindrance[] {
  const { holder, now, runnerId, startedAt, timeoutMs } = facts
  if (!holder || holder.leaseUntil < now) return [deadRunner(facts)]
  const since = startedAt ?? now
  const until = timeoutMs === null ? null : new Date(since.getTime() + timeoutMs)
  const { host, processId } = holder
  const running: Hindrance = {
    kind: 'running',
    runner: { runnerId: runnerId ?? holder.runnerId, host, processId },
    since,
    until,
    sentence: `It is running since ${say(since)} in process ${processId} on ${host}${until ? `, at the longest until ${say(until)}` : ''}.`,
    change: 'It ends by itself, by its timeout, or when it is cancelled.',
  }
  return facts.cancelRequested ? [running, stopping(until)] : [running]
}

function deadRunner({ runnerId, holder, runners }: JobFacts): Hindrance {
  const silent = holder ? `was last alive before ${say(holder.leaseUntil)}` : 'is in no registry'
  const alive = runners.length > 0
  return {
    kind: 'runner_dead',
    runnerId,
    until: null,
    sentence: `The process that ran it ${silent}; its attempt is lost.`,
    change:
      alive && holder ? 'A living runner takes it back within seconds.' : 'The next runner that starts takes it back.',
  }
}

function stopping(until: Date | null): Hindrance {
  return {
    kind: 'cancel_requested',
    until,
    sentence: 'It was asked to stop.',
    change: 'Its handler obeys the signal, or its timeout ends it.',
  }
}

function cancelled({ cancelRequested }: JobFacts): Hindrance | undefined {
  if (!cancelRequested) return undefined
  return {
    kind: 'cancel_requested',
    until: null,
    sentence: 'It was asked to stop while it ran: it ends as cancelled instead of running again.',
    change: 'The runner that takes it next cancels it.',
  }
}

function expired({ expiresAt, now, due }: JobFacts): Hindrance | undefined {
  if (expiresAt === null) return undefined
  if (expiresAt >= now && expiresAt >= due) return undefined
  const past = expiresAt < now
  return {
    kind: 'expired',
    until: null,
    sentence: past
      ? `Its deadline was ${say(expiresAt)}: no attempt starts after it.`
      : `Its deadline ${say(expiresAt)} comes before it is due.`,
    change: 'It ends as cancelled when it is taken, unless its type says what to do with expired jobs.',
  }
}

function spoiled({ fault }: JobFacts): Hindrance | undefined {
  return fault === null
    ? undefined
    : unreadable(`Its stored row cannot be read: ${fault}.`, 'It fails when it is taken.')
}

/** Before its time, and why. */
function waiting(facts: JobFacts): readonly Hindrance[] {
  const { due, now, waitsForOther, parked, flow } = facts
  if (parked) return flow.length > 0 ? [] : [comingForward()]
  if (waitsForOther) return flow.some(each => each.kind === 'dependency') ? [] : [dependency()]
  if (facts.window) return [outside(facts.window)]
  if (due <= now) return []
  const { lastOutcome, error, maxRetries, retryCount } = facts
  const at = say(due)
  if (lastOutcome === 'failed') {
    const retriesLeft = Math.max(0, maxRetries - retryCount)
    const sentence = `Its last attempt failed${error === null ? '' : ` (${error})`}; it is tried again at ${at}.`
    return [{ kind: 'retry', error, retriesLeft, until: due, sentence, change: TIME }]
  }
  if (lastOutcome === 'snoozed') {
    const sentence = `Its handler put it off until ${at}${error === null ? '' : ` (${error})`}.`
    return [{ kind: 'snoozed', reason: error, until: due, sentence, change: TIME }]
  }
  return [{ kind: 'not_due', until: due, sentence: `It is not due before ${at}.`, change: TIME }]
}

function outside({ timeZone, opens, until }: NonNullable<JobFacts['window']>): Hindrance {
  return {
    kind: 'window',
    timeZone,
    opens,
    until,
    sentence: `It is outside its delivery window until ${say(until)} (${timeZone}).`,
    change: 'Time; or change its window or time zone.',
  }
}

const TIME = 'Time; or change its time to run it sooner.'

function dependency(): Hindrance {
  return {
    kind: 'dependency',
    jobs: [],
    until: null,
    sentence: 'It waits for something else to happen first.',
    change: 'It becomes due when that has happened.',
  }
}

function comingForward(): Hindrance {
  return {
    ...dependency(),
    sentence: 'It stepped aside for other jobs of its key, and none of them is in its way any more.',
    change: 'The runners look for such jobs now and then, and let it come forward.',
  }
}

/** Something that somebody changed by hand. */
export function unreadable(sentence: string, change: string): Hindrance {
  return { kind: 'unreadable', until: null, sentence, change }
}

function handler({ runners, jobType }: JobFacts): Hindrance | undefined {
  if (runners.some(runner => runner.handles)) return undefined
  const names = runners.map(({ runnerId, host, processId }) => ({ runnerId, host, processId }))
  const who = names.map(each => `process ${each.processId} on ${each.host}`).join(', ')
  return {
    kind: 'no_handler',
    runners: names,
    until: null,
    sentence:
      names.length === 0
        ? 'No process that runs jobs is alive.'
        : `No living process has a handler for ${jobType}; alive: ${who}.`,
    change: names.length === 0 ? 'Start one.' : `Start a process with a handler for ${jobType}.`,
  }
}

function nothing(): Hindrance {
  return {
    kind: 'none',
    until: null,
    sentence: 'Nothing stands in its way: it is due, and the next free slot takes it.',
    change: 'A runner with a handler for it has a free slot. If it stays, every slot is taken.',
  }
}
