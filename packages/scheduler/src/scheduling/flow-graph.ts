import { BelfryError, show } from '../errors.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import type { JobOptions, OnFailure } from '../job/job-options.ts'
import type { JobName, JobWithPayload, ResultOf } from '../job/job-with-payload.ts'
import { requireKey } from '../job/job-id.ts'
import { findCycle, invalid, refuseRepeated, requireOnFailure } from './dependencies.ts'
import type { UncheckedJob } from './job-requests.ts'
import type { ScheduledJob } from './schedule-options.ts'

/** A job of a flow that comes before another one: its name, or with what becomes of the other when it fails. */
export type FlowLink<Name extends string> = Name | { readonly job: Name; readonly onFailure?: OnFailure }

/** One job of a flow. Its payload may be left out where `{}` fits. */
export type FlowJob<Job extends JobName, Name extends string> = JobWithPayload<Job> &
  JobOptions & {
    /** The jobs of the flow that end before it starts. Default: none, it starts at once. */
    readonly after?: readonly FlowLink<Name>[]
  }

/** Jobs by name, and what comes after what. */
export type FlowJobs<Jobs extends Readonly<Record<string, JobName>>> = {
  readonly [Name in keyof Jobs]: FlowJob<Jobs[Name], Extract<keyof Jobs, string>>
}

/** The answers of a flow, by name. */
export type ScheduledFlow<Jobs extends Readonly<Record<string, JobName>>> = {
  readonly [Name in keyof Jobs]: ScheduledJob<ResultOf<Jobs[Name]>>
}

/** A link inside a flow, by the names of both. */
export interface NamedLink {
  readonly name: string
  readonly onFailure: OnFailure
}

/** A job of a flow, taken apart. */
export interface FlowNode extends UncheckedJob {
  readonly name: string
  readonly after: readonly NamedLink[]
}

const MOST_JOBS = 1_000

/**
 * Checks the shape of a flow.
 * @throws BelfryError `BELFRY_INVALID_DEPENDENCY`, `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_JOB_ID`
 */
export function checkFlow(jobs: unknown): readonly FlowNode[] {
  if (typeof jobs !== 'object' || jobs === null || Array.isArray(jobs)) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `scheduleFlow: expected jobs by name, got ${show(jobs)}`)
  }
  const entries = Object.entries(jobs as Record<string, unknown>)
  if (entries.length > MOST_JOBS) {
    throw invalid(`scheduleFlow: expected at most ${MOST_JOBS.toLocaleString('en')} jobs, got ${entries.length}`)
  }
  const nodes = entries.map(([name, job]) => nodeOf(name, job))
  const names = new Set(nodes.map(node => node.name))
  for (const { name, after } of nodes) {
    for (const link of after) {
      if (!names.has(link.name)) {
        const known = [...names].map(show).join(', ')
        throw invalid(`flow: ${show(name)} comes after ${show(link.name)}, which is no job of it; there are ${known}`)
      }
    }
    refuseRepeated(
      after.map(each => each.name),
      `flow: after of ${show(name)}`,
    )
  }
  const cycle = findCycle(new Map(nodes.map(node => [node.name, node.after.map(each => each.name)])))
  if (cycle) throw invalid(`flow: ${cycle.map(show).join(' → ')} would wait for one another for ever`)
  return nodes
}

function nodeOf(name: string, given: unknown): FlowNode {
  if (typeof given !== 'object' || given === null) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `flow: expected { job, payload, after?, … } for ${show(name)}, got ${show(given)}`,
    )
  }
  const {
    job,
    payload,
    after = [],
    ...options
  } = given as FlowJob<JobName, string> & { job: string | AnyJobDefinition }
  if (!Array.isArray(after)) throw invalid(`flow: after of ${show(name)}: expected a list of names, got ${show(after)}`)
  return {
    name: requireKey(name, 'name of a job in a flow'),
    job,
    payload: payload ?? {},
    options,
    after: after.map(linkOf),
  }
}

function linkOf(link: unknown): NamedLink {
  if (typeof link === 'string') return { name: link, onFailure: 'cancel' }
  if (typeof link !== 'object' || link === null || !('job' in link) || typeof link.job !== 'string') {
    throw invalid(`flow: after: expected the name of a job or { job: name, onFailure }, got ${show(link)}`)
  }
  return { name: link.job, onFailure: requireOnFailure('onFailure' in link ? link.onFailure : undefined) }
}
