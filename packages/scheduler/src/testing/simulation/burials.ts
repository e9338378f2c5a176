import type { Backend } from './backend.ts'
import { attemptOf, type Snapshot } from './history.ts'
import type { VirtualTime } from './virtual-time.ts'
import { RETENTION } from './workload.ts'

/** How the labels of statements begin that prune. */
const PRUNING = ['delete from scheduled_jobs_finished', 'delete from job_attempts']

/** What was pruned, remembered: checks compare what was seen with all that was ever stored. */
export class Burials {
  readonly #backend: Backend
  readonly #time: VirtualTime
  readonly #jobs = new Map<string, Snapshot['jobs'][number]>()
  readonly #history = new Map<string, Snapshot['history'][number]>()
  readonly #onEarly: (jobId: string) => void

  /** @param parts `onEarly` hears of jobs that were pruned though they were not finished for long enough */
  constructor(parts: { backend: Backend; time: VirtualTime; onEarly: (jobId: string) => void }) {
    this.#backend = parts.backend
    this.#time = parts.time
    this.#onEarly = parts.onEarly
  }

  /** Lets a statement through; what is gone after one that prunes was pruned by it. */
  async watch(label: string, release: () => Promise<void>): Promise<void> {
    if (!PRUNING.some(each => label.startsWith(each))) return release()
    const before = await this.#backend.snapshot()
    await release()
    const after = await this.#backend.snapshot()
    const left = new Set(after.jobs.map(row => row.job_id))
    for (const row of before.jobs.filter(each => !left.has(each.job_id))) {
      this.#jobs.set(row.job_id, row)
      const kept = RETENTION[row.status as keyof typeof RETENTION] ?? Number.POSITIVE_INFINITY
      if (this.#time.now - (row.ended_ms ?? this.#time.now) < kept) this.#onEarly(row.job_id)
    }
    const attempts = new Set(after.history.map(keyOf))
    for (const row of before.history) if (!attempts.has(keyOf(row))) this.#history.set(keyOf(row), row)
  }

  /** The tables as they would be if nothing had been pruned. */
  unearth(end: Snapshot): Snapshot {
    const present = new Set(end.jobs.map(row => row.job_id))
    const attempts = new Set(end.history.map(keyOf))
    return {
      ...end,
      jobs: [...end.jobs, ...[...this.#jobs.values()].filter(row => !present.has(row.job_id))],
      history: [...end.history, ...[...this.#history.values()].filter(row => !attempts.has(keyOf(row)))],
    }
  }
}

function keyOf(row: Snapshot['history'][number]): string {
  return attemptOf({ jobId: row.job_id, attempt: row.attempt })
}
