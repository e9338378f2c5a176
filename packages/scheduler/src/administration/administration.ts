import type { Core } from '../core.ts'
import type { ActorOption } from '../job/actor.ts'
import { requireKey } from '../job/job-id.ts'
import type { Limits } from '../job/limits.ts'
import { readAuditPage, type AuditPage, type AuditQuery } from './audit.ts'
import {
  cancelJobs,
  deleteJobs,
  postponeJobs,
  redriveJobs,
  type ActOptions,
  type CancelJobsOptions,
  type CancelJobsResult,
  type DeleteJobsResult,
  type LocalRunner,
  type Postponement,
  type PostponeJobsResult,
  type RedriveJobsResult,
} from './bulk-acts.ts'
import { readDeadLetters, type DeadLetterGroup } from './dead-letters.ts'
import { explain } from './explain.ts'
import type { Explanation } from './explanation.ts'
import { pauseJobs, readPauses, resumeJobs, setLimits, type Pause, type PauseTarget } from './flow-acts.ts'
import { readForecast, type Forecast } from './forecast.ts'
import { readGraph, type JobGraph } from './graph.ts'
import type { JobFilter } from './job-filter.ts'
import { readJobPage, type JobPage } from './job-list.ts'
import type { PageOptions } from './page.ts'
import { readPayloadKeys, resealPayloads, type PayloadKeyCount, type ResealResult } from './payload-keys.ts'
import { setTimeZone, type SetTimeZoneResult } from './time-zones.ts'
import { eraseSubject, type EraseSubjectResult } from './subjects.ts'

/**
 * What a person asks of a running scheduler: `scheduler.admin`. Every act here is written to `belfry_audit` in its own
 * transaction, with the `actor` of the call; so is every act on a schedule (`pauseSchedule` and the like), and an act of
 * the scheduler on a single job (`cancelJob`, `changeJob`, `redriveJob`) that is given an `actor`. Every filter is
 * checked; a bad one throws a BelfryError (`BELFRY_INVALID_OPTION`, `BELFRY_INVALID_TIME`, `BELFRY_INVALID_JOB_ID`,
 * `BELFRY_INVALID_JOB_TYPE`) before anything is done.
 */
export class Administration {
  readonly #core: Core
  readonly #runner: LocalRunner

  constructor(core: Core, runner: LocalRunner) {
    this.#core = core
    this.#runner = runner
  }

  /** Jobs that fit, newest first, a page at a time. Without payloads: `getJob` answers those. */
  listJobs(filter: JobFilter = {}, page: PageOptions = {}): Promise<JobPage> {
    return readJobPage(this.#core, filter, page)
  }

  /** Jobs about a subject, such as `user:42`. */
  listSubject(subject: string, page: PageOptions = {}): Promise<JobPage> {
    return this.listJobs({ subject }, page)
  }

  /**
   * Cancels every unfinished job that fits: pending ones never start, running ones are asked to stop. Jobs made after
   * the call began stay.
   */
  cancelJobs(filter: JobFilter, options: CancelJobsOptions = {}): Promise<CancelJobsResult> {
    return cancelJobs(this.#core, filter, { ...options, runner: this.#runner })
  }

  cancelSubject(subject: string, options: CancelJobsOptions = {}): Promise<CancelJobsResult> {
    return this.cancelJobs({ subject }, options)
  }

  /** Gives every failed or cancelled job that fits a new life, due now, with all its retries. */
  redriveJobs(filter: JobFilter, options: ActOptions = {}): Promise<RedriveJobsResult> {
    return redriveJobs(this.#core, filter, { ...options, runner: this.#runner })
  }

  /** Deletes every finished job that fits, with its attempts and logs. */
  deleteJobs(filter: JobFilter, options: ActOptions = {}): Promise<DeleteJobsResult> {
    return deleteJobs(this.#core, filter, { ...options, runner: this.#runner })
  }

  /**
   * Moves the due time of every pending job that fits: `{ to }` an instant, or `{ by }` a span from when it is due or
   * from now, whichever is later. An instant that has passed means now.
   * @throws BelfryError also `BELFRY_INVALID_DURATION`
   */
  postponeJobs(filter: JobFilter, when: Postponement, options: ActOptions = {}): Promise<PostponeJobsResult> {
    return postponeJobs(this.#core, filter, { ...options, when, runner: this.#runner })
  }

  postponeSubject(subject: string, when: Postponement, options: ActOptions = {}): Promise<PostponeJobsResult> {
    return this.postponeJobs({ subject }, when, options)
  }

  /**
   * A person has moved: every pending job of the subject that has a delivery window goes by this zone from now on, and is
   * moved to where its window wants it. Windows of definitions count if this scheduler knows them.
   * @throws BelfryError also `BELFRY_INVALID_TIME_ZONE`
   */
  setTimeZone(subject: string, timeZone: string, options: ActOptions = {}): Promise<SetTimeZoneResult> {
    return setTimeZone(this.#core, { subject, timeZone }, { ...options, runner: this.#runner })
  }

  /**
   * Deletes every recurring schedule and every job of a subject, finished, pending and running, with payload, result,
   * errors, attempts and logs, in one transaction. Nothing a running one answers is stored any more. The audit keeps the subject's name and counts.
   */
  eraseSubject(subject: string, options: ActOptions = {}): Promise<EraseSubjectResult> {
    return eraseSubject(this.#core, subject, { ...options, runner: this.#runner })
  }

  /**
   * Stops jobs from starting, in every process, until they are resumed: everything, a type, one `concurrencyKey` of a type
   * with `limits`, or all that is about a `subject`. What runs goes on; jobs go on being scheduled.
   * @throws BelfryError `BELFRY_INVALID_JOB_ID` for what is no subject, `BELFRY_INVALID_OPTION` for a key of a type that is
   *   known here and has no limits
   */
  pause(target: PauseTarget = {}, options: ActorOption & { readonly reason?: string } = {}): Promise<void> {
    return pauseJobs(this.#core, target, options)
  }

  /** Ends a pause. False when there was none. */
  resume(target: PauseTarget = {}, options: ActorOption = {}): Promise<boolean> {
    return resumeJobs(this.#core, target, options)
  }

  listPauses(): Promise<Pause[]> {
    return readPauses(this.#core)
  }

  /** Sets a type's limits in every process at once; null goes back to those of its definition. */
  setLimits(jobType: string, limits: Limits | null, options: ActorOption = {}): Promise<void> {
    return setLimits(this.#core, { jobType, limits }, options)
  }

  /** What is stored by the key it is encrypted with. Reads every job there is: for a change of keys, not for a dashboard. */
  payloadKeys(): Promise<PayloadKeyCount[]> {
    return readPayloadKeys(this.#core)
  }

  /**
   * Encrypts anew, with the current key of `payloadCipher`, what is under another key or under none and still to be used:
   * unfinished jobs and their steps, schedules, events. In transactions of 200 values; a call that is cut off has done a
   * part. What somebody else holds at that moment is passed over: call it again until `payloadKeys` counts none.
   * @throws BelfryError `BELFRY_INVALID_OPTION` without a `payloadCipher`, `BELFRY_INVALID_JOB_ID`
   */
  resealPayloads(options: ActorOption = {}): Promise<ResealResult> {
    return resealPayloads(this.#core, options)
  }

  /** Failed jobs in groups of equal errors, the most frequent first. Default 50 groups, at most 1,000. */
  deadLetters(query: { jobType?: string; limit?: number } = {}): Promise<DeadLetterGroup[]> {
    return readDeadLetters(this.#core, query)
  }

  /** What was done, latest first. */
  listAudit(query: AuditQuery = {}): Promise<AuditPage> {
    return readAuditPage(this.#core, query)
  }

  /** Why is this job not running? What stands in its way, until when, and what changes it. Undefined: no such job. */
  explain(job: string | { readonly jobId: string }): Promise<Explanation | undefined> {
    return explain(this.#core, requireKey(typeof job === 'string' ? job : job?.jobId, 'job id'))
  }

  /**
   * The workflow a job is part of: every job it is connected with through dependencies, nearest first, and what comes
   * before what. At most `limit` jobs (default 200, at most 2,000). Undefined: no such job.
   */
  graph(job: string | { readonly jobId: string }, options: { limit?: number } = {}): Promise<JobGraph | undefined> {
    return readGraph(this.#core, requireKey(typeof job === 'string' ? job : job?.jobId, 'job id'), options)
  }

  /**
   * What will run when under the present limits: per type and hour, for 24 hours or as many as `hours` says, at most 168.
   * Limits of definitions count if this scheduler knows them.
   */
  forecast(options: { hours?: number } = {}): Promise<Forecast> {
    return readForecast(this.#core, options)
  }
}
