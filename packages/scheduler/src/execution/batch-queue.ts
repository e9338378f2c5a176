import type { ResolvedBatch } from '../job/batch.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { isLastChance, type HeldJob } from './held-job.ts'

/** Takes batches out of the queues of due jobs: full ones, or what has waited for long enough. */
export class BatchQueue {
  readonly #clock: Clock
  readonly #onRipe: () => void
  #timer: Timer | undefined
  #armedFor = Number.POSITIVE_INFINITY

  constructor(clock: Clock, onRipe: () => void) {
    this.#clock = clock
    this.#onRipe = onRipe
  }

  /** The jobs of the next call, taken out of the queue; none while they wait for more. */
  take(queue: HeldJob[], { size, waitMs }: ResolvedBatch<never>): readonly HeldJob[] {
    const [first] = queue
    if (!first) return []
    if (queue.length < size && waitMs > 0) {
      const ripeAt = first.dueAt + waitMs
      if (ripeAt > this.#clock.monotonic()) {
        this.#arm(ripeAt)
        return []
      }
    }
    return takeBatch(queue, size)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#armedFor = Number.POSITIVE_INFINITY
  }

  #arm(ripeAt: number): void {
    if (ripeAt >= this.#armedFor) return
    this.#timer?.cancel()
    this.#armedFor = ripeAt
    this.#timer = this.#clock.setTimer(Math.ceil(ripeAt - this.#clock.monotonic()), () => {
      this.#armedFor = Number.POSITIVE_INFINITY
      this.#onRipe()
    })
  }
}

/** Up to `size` jobs from the front of the queue. A job on its last chance runs alone: others must not suffer by it. */
export function takeBatch(queue: HeldJob[], size: number): readonly HeldJob[] {
  const [first] = queue
  if (!first) return []
  if (isLastChance(first)) return queue.splice(0, 1)
  const stop = queue.findIndex(isLastChance)
  return queue.splice(0, Math.min(size, stop < 0 ? queue.length : stop))
}
