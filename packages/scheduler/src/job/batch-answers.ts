import { BelfryError, show } from '../errors.ts'
import type { HandlerEnd } from './outcome.ts'

/**
 * What a batch handler's answer means for each job, in the order of the ids. Pure. A job that a `Map` leaves out has
 * failed; an answer that cannot be told apart by job fails them all.
 */
export function answersOf(answer: unknown, jobIds: readonly string[], jobType: string): readonly HandlerEnd[] {
  if (answer === undefined) return jobIds.map(() => ({ returned: undefined }))
  if (answer instanceof Map) {
    return jobIds.map(jobId => (answer.has(jobId) ? endOf(answer.get(jobId)) : { threw: forgotten(jobId, jobType) }))
  }
  if (Array.isArray(answer) && answer.length === jobIds.length) return jobIds.map((_, index) => endOf(answer[index]))
  const got = Array.isArray(answer) ? `an array of ${answer.length}` : show(answer)
  const threw = new BelfryError(
    'BELFRY_INVALID_ANSWER',
    `batch handler of ${show(jobType)}: expected nothing, an array of ${jobIds.length} answers in the order of the jobs, ` +
      `or a Map by job id, got ${got}`,
  )
  return jobIds.map(() => ({ threw }))
}

function endOf(answer: unknown): HandlerEnd {
  return answer instanceof Error ? { threw: answer } : { returned: answer }
}

function forgotten(jobId: string, jobType: string): BelfryError {
  return new BelfryError(
    'BELFRY_JOB_FORGOTTEN',
    `batch handler of ${show(jobType)}: expected an answer for every job in its Map, got none for ${show(jobId)}`,
  )
}
