import { BelfryError, show } from '../errors.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import { requireKey } from './job-id.ts'

/** How long a job holds its unique key. */
type KeyScope = {
  /**
   * Until when the key is taken: until the job is finished (default), or only while it is `pending`: then a second job
   * may wait beside a running one, which goes on without the key.
   */
  uniqueWhile?: 'unfinished' | 'pending'
  uniqueFor?: never
}

/** What becomes of the time of a waiting job that a second call changes. */
type MovedTime =
  | {
      /** Longest time later calls may put the job off, counted from when it was first scheduled. */
      maxWait?: Duration
      keepTime?: never
    }
  | {
      /** The waiting job keeps its time. Default: it takes over the time of the call, as if scheduled by it. */
      keepTime: true
      maxWait?: never
    }

type NothingMoves = { maxWait?: never; keepTime?: never }

/** What a second job with the key of an earlier one means. */
export type UniqueOptions =
  | ({ uniqueKey?: never; onConflict?: never; uniqueWhile?: never; uniqueFor?: never } & NothingMoves)
  | ({
      /** At most one unfinished job of a type has it. */
      uniqueKey: string
      /** `keep` (default): the job that is there stays as it is. */
      onConflict?: 'keep'
    } & KeyScope &
      NothingMoves)
  | ({
      uniqueKey: string
      onConflict?: 'keep'
      /**
       * At most one job of this key within this time, counted from when the first one was scheduled, also after it has
       * finished. One that was cancelled does not count. The key is taken until the job is finished, if that is longer.
       */
      uniqueFor: Duration
      uniqueWhile?: never
    } & NothingMoves)
  | ({
      uniqueKey: string
      /** `replace`: if that job is still pending it takes over the new payload and time; a running one stays. */
      onConflict: 'replace'
    } & KeyScope &
      MovedTime)
  | ({
      uniqueKey: string
      /**
       * `append`: the payload is an array, and its elements are added to the payload of the job that waits. Beside one
       * that runs a new job is made, so that no element is lost.
       */
      onConflict: 'append'
      uniqueWhile?: 'pending'
      uniqueFor?: never
    } & MovedTime)
  | ({
      uniqueKey: string
      /**
       * `rerun`: a pending job takes over the new payload; a running one runs once more after it has ended, with the
       * newest payload, however often that is asked meanwhile. Not if it is cancelled.
       */
      onConflict: 'rerun'
      uniqueWhile?: 'unfinished'
      uniqueFor?: never
    } & NothingMoves)

/** Checked, for the store. */
export interface UniqueFields {
  readonly uniqueKey: string | null
  /** Milliseconds. */
  readonly uniqueForMs: number | null
}

const MODES = ['keep', 'replace', 'append', 'rerun']
const SCOPES = ['unfinished', 'pending']

/**
 * Checks what a caller says of a unique key: contradictions do not compile, but not everybody compiles.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_JOB_ID`, `BELFRY_INVALID_DURATION`, `BELFRY_INVALID_PAYLOAD`
 */
export function checkUnique(options: UniqueOptions, job: { type: string; payload: unknown }): UniqueFields {
  const { uniqueKey, onConflict = 'keep', uniqueWhile = 'unfinished', uniqueFor } = options
  const mode: string = onConflict
  if (!MODES.includes(mode)) throw wrong('onConflict', `one of ${MODES.join(', ')}`, onConflict)
  if (!SCOPES.includes(uniqueWhile)) throw wrong('uniqueWhile', `one of ${SCOPES.join(', ')}`, uniqueWhile)
  if (uniqueKey === undefined) {
    const useless = (['onConflict', 'uniqueWhile', 'uniqueFor', 'maxWait', 'keepTime'] as const).find(
      name => options[name] !== undefined,
    )
    if (useless) throw wrong(useless, 'a uniqueKey beside it', options[useless])
    return { uniqueKey: null, uniqueForMs: null }
  }
  if (uniqueFor !== undefined && (mode !== 'keep' || options.uniqueWhile !== undefined)) {
    throw wrong('uniqueFor', "to stand without uniqueWhile, and with no onConflict but 'keep'", uniqueFor)
  }
  refuseUselessTimes(options, mode)
  if (mode === 'rerun' && options.uniqueWhile === ('pending' as string)) {
    throw wrong('uniqueWhile', "'unfinished' with onConflict 'rerun': one that runs keeps its key", uniqueWhile)
  }
  if (mode === 'append' && options.uniqueWhile === ('unfinished' as string)) {
    throw wrong(
      'uniqueWhile',
      "'pending' with onConflict 'append': what comes while the job runs is for a next one",
      uniqueWhile,
    )
  }
  if (mode === 'append' && !Array.isArray(job.payload)) {
    throw new BelfryError(
      'BELFRY_INVALID_PAYLOAD',
      `payload of ${show(job.type)}: expected an array with onConflict 'append', got ${show(job.payload)}`,
    )
  }
  return { uniqueKey: requireKey(uniqueKey, 'uniqueKey'), uniqueForMs: requirePeriod(uniqueFor) }
}

function refuseUselessTimes({ maxWait, keepTime }: UniqueOptions, mode: string): void {
  if (maxWait !== undefined) parseDuration(maxWait, 'maxWait')
  if (keepTime !== undefined && !isTrue(keepTime)) throw wrong('keepTime', 'true, or to be left out', keepTime)
  if (maxWait !== undefined && keepTime !== undefined) throw wrong('maxWait', 'to stand without keepTime', maxWait)
  if (mode === 'replace' || mode === 'append') return
  if (maxWait !== undefined) throw wrong('maxWait', "onConflict 'replace' or 'append' beside it", maxWait)
  if (keepTime !== undefined) throw wrong('keepTime', "onConflict 'replace' or 'append' beside it", keepTime)
}

function isTrue(value: unknown): boolean {
  return value === true
}

function requirePeriod(uniqueFor: Duration | undefined): number | null {
  if (uniqueFor === undefined) return null
  const ms = parseDuration(uniqueFor, 'uniqueFor')
  if (ms > 0) return ms
  throw wrong('uniqueFor', "a span such as '1h'", uniqueFor)
}

function wrong(name: string, expected: string, got: unknown): BelfryError {
  return new BelfryError('BELFRY_INVALID_OPTION', `${name}: expected ${expected}, got ${show(got)}`)
}
