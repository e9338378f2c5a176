import { BelfryError, show } from '../errors.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import { refuseUnknown, type KnownNames } from '../job/known-names.ts'
import type { JobReference, KeyReference } from '../job/job-reference.ts'
import type { JobIntake } from './job-intake.ts'
import { namedRequest, uncheckedJob } from './job-requests.ts'
import type { SingleActOptions } from './noted-act.ts'
import type { BulkJob, JobChanges, ScheduledJob, ScheduleOptions } from './schedule-options.ts'
import { transactionOf, type TransactionOption } from './transaction-option.ts'
import type { ScheduledBatch, Workflows } from './workflows.ts'

const CHANGES: KnownNames<JobChanges> = {
  scheduledTime: true,
  delay: true,
  window: true,
  timeZone: true,
  payload: true,
  priority: true,
  maxRetries: true,
}

/** The calls by which jobs are stored and changed, as people write them: what they pass becomes what the intake takes. */
export class SchedulingCalls {
  readonly #intake: JobIntake
  readonly #workflows: Workflows

  constructor(intake: JobIntake, workflows: Workflows) {
    this.#intake = intake
    this.#workflows = workflows
  }

  /** @param given the payload for a definition; for a type's name, the guide's way, the options with the payload */
  async one(job: string | AnyJobDefinition, given: unknown, options: ScheduleOptions = {}): Promise<ScheduledJob> {
    if (typeof job === 'string' && Object.keys(options).length > 0) {
      throw new BelfryError(
        'BELFRY_INVALID_OPTION',
        'scheduleJob(type, options): expected everything in the options, the payload as options.payload, got a third argument',
      )
    }
    const request = typeof job === 'string' ? namedRequest(job, given) : { job, payload: given, options }
    const [scheduled] = await this.#intake.schedule([request], transactionOf(request.options))
    if (!scheduled)
      throw new BelfryError('BELFRY_DATABASE_UNAVAILABLE', 'the database answered nothing for a stored job')
    return scheduled
  }

  async many(jobs: readonly BulkJob[], options: TransactionOption = {}): Promise<readonly ScheduledJob[]> {
    return this.#intake.schedule(listOf(jobs).map(uncheckedJob), transactionOf(options))
  }

  async flow(jobs: unknown, options: TransactionOption = {}): Promise<Readonly<Record<string, ScheduledJob>>> {
    return this.#workflows.scheduleFlow(jobs, transactionOf(options))
  }

  async batch(jobs: readonly BulkJob[], completion: BulkJob, options: TransactionOption = {}): Promise<ScheduledBatch> {
    const batch = { jobs: listOf(jobs).map(uncheckedJob), completion: uncheckedJob(completion) }
    return this.#workflows.scheduleBatch(batch, transactionOf(options))
  }

  async change(
    job: JobReference | KeyReference,
    changes: JobChanges,
    options: SingleActOptions = {},
  ): Promise<boolean> {
    if (typeof changes !== 'object' || changes === null) {
      throw new BelfryError('BELFRY_INVALID_OPTION', `changes of a job: expected an object, got ${show(changes)}`)
    }
    refuseUnknown(changes, CHANGES, 'changes of a job')
    return this.#intake.change(job, changes, options)
  }
}

function listOf(jobs: readonly BulkJob[]): readonly BulkJob[] {
  if (Array.isArray(jobs)) return jobs
  throw new BelfryError('BELFRY_INVALID_OPTION', `jobs: expected a list of { job, payload, … }, got ${show(jobs)}`)
}
