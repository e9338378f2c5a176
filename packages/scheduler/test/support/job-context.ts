import { silentLogger, type JobContext } from '../../src/index.ts'

const unused = () => Promise.reject(new Error('not part of this story'))

/** A handler's context made by hand, for stories without a scheduler. */
export function jobContext(parts: Partial<JobContext> = {}): JobContext {
  return {
    jobId: 'job-1',
    jobType: 'mail',
    attempt: 1,
    retryCount: 0,
    maxRetries: 3,
    scheduledTime: new Date(0),
    occurrence: null,
    signal: new AbortController().signal,
    logger: silentLogger,
    log: () => {},
    progress: () => Promise.resolve(),
    spend: () => {},
    heartbeat: unused,
    step: unused,
    sleep: unused,
    waitForEvent: unused,
    effectKey: () => 'key',
    confirmEffect: unused,
    confirmedEffect: unused,
    once: unused,
    schedule: unused,
    dependencies: unused,
    dependency: unused,
    dependencyCounts: unused,
    ...parts,
  }
}
