import { shortId } from './counted-ids.ts'
import type { Claim } from './history.ts'
import { SUBJECTS } from './windows.ts'

/** A row as a claim answers it. */
interface ClaimedRow {
  readonly job_id: string
  readonly scheduled_ms: number
  readonly uncommon: {
    readonly attempt: number
    readonly lane: string | null
    readonly weight: number
    /** The unique key, or without one the subject. */
    readonly spread_key: string | null
  } | null
}

/**
 * Notes, from the rows that the database answers, which attempt was claimed when: limits are kept at the claim, by the
 * time that the locked row of the type was read with (or, where keys are looked at after the claim, that of the key),
 * while a handler starts whenever the answer arrives.
 */
export class ClaimsSeen {
  readonly #claims = new Map<string, Claim>()
  readonly #lineNow: () => number
  #admittedAt = 0
  /** Attempts claimed since a type's row was locked last. */
  #underLock: string[] = []

  constructor(lineNow: () => number) {
    this.#lineNow = lineNow
  }

  readonly see = (row: unknown): void => {
    if (typeof row !== 'object' || row === null) return
    if ('lane' in row && 'now_ms' in row) this.#readLane(row.lane, Number(row.now_ms))
    if (!('scheduled_ms' in row && 'due_in_ms' in row && 'uncommon' in row)) return
    const { job_id: jobId, scheduled_ms: scheduledMs, uncommon } = row as unknown as ClaimedRow
    const attempt = keyOf(shortId(jobId), uncommon?.attempt ?? 1)
    this.#underLock.push(attempt)
    this.#claims.set(attempt, {
      line: this.#lineNow(),
      admittedAt: this.#admittedAt,
      admittedByKeyAt: this.#admittedAt,
      scheduledMs,
      key: uncommon?.lane ?? null,
      subject: SUBJECTS.find(subject => subject === uncommon?.spread_key) ?? null,
      weight: uncommon?.weight ?? 1,
    })
  }

  #readLane(lane: unknown, now: number): void {
    if (lane === '') {
      this.#admittedAt = now
      this.#underLock = []
    }
    for (const attempt of this.#underLock) {
      const claim = this.#claims.get(attempt)
      if (claim && claim.key === lane) this.#claims.set(attempt, { ...claim, admittedByKeyAt: now })
    }
  }

  of(jobId: string, attempt: number): Claim | undefined {
    return this.#claims.get(keyOf(jobId, attempt))
  }
}

function keyOf(jobId: string, attempt: number): string {
  return `${attempt} ${jobId}`
}
