import { BelfryError, show } from '../errors.ts'
import { requireKey } from '../job/job-id.ts'
import type { OnFailure } from '../job/job-options.ts'
import type { NewJob } from '../store/new-job.ts'
import type { ParentLink } from '../store/store-dependencies.ts'

/** A job that waits for more than this many others is the completion of a batch. */
const MOST_DEPENDENCIES = 1_000

const ON_FAILURE: readonly unknown[] = ['cancel', 'run', 'wait'] satisfies OnFailure[]

/**
 * Checks what a job waits for.
 * @throws BelfryError `BELFRY_INVALID_DEPENDENCY`, `BELFRY_INVALID_JOB_ID`
 */
export function checkDependencies(dependsOn: unknown, jobId: string): Pick<NewJob, 'dependencies' | 'waits'> {
  if (dependsOn === undefined) return {}
  if (!Array.isArray(dependsOn) || dependsOn.length > MOST_DEPENDENCIES) {
    const got = Array.isArray(dependsOn)
      ? `${dependsOn.length} jobs; for so many there is scheduleBatch`
      : show(dependsOn)
    throw invalid(`dependsOn: expected a list of at most ${MOST_DEPENDENCIES.toLocaleString('en')} jobs, got ${got}`)
  }
  const dependencies = dependsOn.map(linkOf)
  refuseRepeated(
    dependencies.map(each => each.parentId),
    'dependsOn',
  )
  refuseRepeated(
    dependencies.flatMap(each => each.name ?? []),
    'names in dependsOn',
  )
  if (dependencies.some(each => each.parentId === jobId)) {
    throw invalid(`dependsOn: expected other jobs, got the job's own id ${show(jobId)}; it would never start`)
  }
  return dependencies.length > 0 ? { dependencies, waits: true } : {}
}

/** @throws BelfryError `BELFRY_INVALID_DEPENDENCY` */
export function requireOnFailure(onFailure: unknown): OnFailure {
  if (onFailure === undefined) return 'cancel'
  if (ON_FAILURE.includes(onFailure)) return onFailure as OnFailure
  throw invalid(`onFailure: expected 'cancel', 'run' or 'wait', got ${show(onFailure)}`)
}

export function invalid(message: string): BelfryError {
  return new BelfryError('BELFRY_INVALID_DEPENDENCY', message)
}

/** @throws BelfryError `BELFRY_INVALID_DEPENDENCY` */
export function refuseRepeated(values: readonly string[], what: string): void {
  const seen = new Set<string>()
  for (const value of values) {
    if (seen.has(value)) throw invalid(`${what}: expected each once, got ${show(value)} twice`)
    seen.add(value)
  }
}

/**
 * A way round in a graph, or undefined: the keys in order, the first one again at its end.
 * @param before by key: what comes before it. Keys that are in nobody's list and have none are no part of any way round.
 */
export function findCycle(before: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>()
  for (const start of before.keys()) {
    const path: string[] = []
    const onPath = new Set<string>()
    // Not recursive: a chain may be longer than the stack.
    const stack: { readonly key: string; readonly leave: boolean }[] = [{ key: start, leave: false }]
    for (let step = stack.pop(); step; step = stack.pop()) {
      const { key, leave } = step
      if (leave) {
        path.pop()
        onPath.delete(key)
        done.add(key)
      } else if (onPath.has(key)) return [...path.slice(path.indexOf(key)), key].toReversed()
      else if (!done.has(key)) {
        path.push(key)
        onPath.add(key)
        stack.push({ key, leave: true }, ...(before.get(key) ?? []).map(next => ({ key: next, leave: false })))
      }
    }
  }
  return undefined
}

function linkOf(dependency: unknown): ParentLink {
  if (typeof dependency === 'object' && dependency !== null && 'job' in dependency) {
    const { job, onFailure, name } = dependency as { job: unknown; onFailure?: unknown; name?: unknown }
    return {
      parentId: idOf(job),
      name: name === undefined ? null : requireKey(name, 'name of a dependency'),
      onFailure: requireOnFailure(onFailure),
    }
  }
  return { parentId: idOf(dependency), name: null, onFailure: 'cancel' }
}

function idOf(job: unknown): string {
  const id = typeof job === 'object' && job !== null && 'jobId' in job ? job.jobId : job
  return requireKey(id, 'dependsOn')
}
