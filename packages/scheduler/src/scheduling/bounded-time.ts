import { place, spreadKey, wantedTime, windowFor } from '../job/delivery.ts'
import { readableDelivery } from '../job/stored-fields.ts'
import { parseDuration } from '../runtime/duration.ts'
import type { KeyHolder } from '../store/lock-holder.ts'
import type { NewJob } from '../store/new-job.ts'
import type { JobRequest } from './check-job.ts'

/**
 * When a waiting job is due that a call changes: as the call says, but put off no further than `maxWait` allows, nor than
 * it stands already; and in its window. The bound comes first: it must not pull a job out of its window, where it would be
 * put off again, past its deadline.
 */
export function boundedTime({
  request,
  job,
  holder,
}: {
  request: JobRequest
  job: NewJob
  holder: KeyHolder
}): Pick<NewJob, 'scheduledTime' | 'delayMs' | 'delivery' | 'expiresAt' | 'expireAfterMs'> {
  const { definition, options } = request
  if (options.maxWait === undefined) return job
  const { now_ms: now, due_ms: due, put_off: putOff } = holder
  const before = readableDelivery(holder.delivery)
  const stands = wantedTime(windowFor(definition, before), { due, delivery: before, putOff }, now)
  const latest = Math.max(holder.created_ms + parseDuration(options.maxWait, 'maxWait'), stands)
  const delivery = job.delivery ?? null
  const asked = delivery?.moved?.from ?? job.scheduledTime
  if ((asked === null ? now + job.delayMs : Date.parse(asked)) <= latest) return job
  const placed = place(windowFor(definition, delivery), { wanted: latest, now, key: spreadKey(job), delivery })
  const moved = { ...job, scheduledTime: new Date(placed.due).toISOString(), delayMs: 0, delivery: placed.delivery }
  // It has waited longer than it should: what the call brings must not be too late already.
  if (placed.due >= now || job.expireAfterMs == null || job.expiresAt != null) return moved
  return { ...moved, expiresAt: new Date(now + job.expireAfterMs).toISOString() }
}
