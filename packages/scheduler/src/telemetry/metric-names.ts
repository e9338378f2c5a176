/** One metric: its name in Prometheus' spelling, what it counts, and the labels each value carries. */
export interface Metric {
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[]
}

/** From a millisecond to the default timeout of 15 minutes, in steps that tell quick, slow and stuck apart. */
const RUN_BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900]
/** A healthy scheduler starts a due job within milliseconds; one with a backlog takes up to hours. */
const WAIT_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600, 3_600]
const CLAIM_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2]

/** Every metric of the scheduler. Names and labels are stable across versions. */
export const METRICS = {
  jobsScheduled: {
    name: 'belfry_jobs_scheduled_total',
    kind: 'counter',
    help: 'Jobs this process stored, for callers and for schedules',
    labels: ['type'],
  },
  jobAttempts: {
    name: 'belfry_job_attempts_total',
    kind: 'counter',
    help: 'Attempts that ended, by outcome',
    labels: ['type', 'outcome'],
  },
  jobRunSeconds: {
    name: 'belfry_job_run_seconds',
    kind: 'histogram',
    help: 'How long an attempt ran',
    labels: ['type'],
    buckets: RUN_BUCKETS,
  },
  jobWaitSeconds: {
    name: 'belfry_job_wait_seconds',
    kind: 'histogram',
    help: 'From due to started',
    labels: ['type'],
    buckets: WAIT_BUCKETS,
  },
  jobs: { name: 'belfry_jobs', kind: 'gauge', help: 'Jobs stored, by status', labels: ['type', 'status'] },
  oldestDueSeconds: {
    name: 'belfry_oldest_due_seconds',
    kind: 'gauge',
    help: 'How long the oldest due job has been waiting; 0 when none is due',
    labels: ['type'],
  },
  leasesExpired: {
    name: 'belfry_leases_expired_total',
    kind: 'counter',
    help: 'Jobs this process took back from runners that died',
    labels: [],
  },
  runnerBusySlots: {
    name: 'belfry_runner_busy_slots',
    kind: 'gauge',
    help: 'Attempts this process is running',
    labels: [],
  },
  processCpuShare: {
    name: 'belfry_process_cpu_share',
    kind: 'gauge',
    help: 'CPU time over time since the last heartbeat; 1 is one core kept busy',
    labels: [],
  },
  processMemoryBytes: {
    name: 'belfry_process_memory_bytes',
    kind: 'gauge',
    help: 'Resident memory of this process',
    labels: [],
  },
  eventLoopDelaySeconds: {
    name: 'belfry_event_loop_delay_seconds',
    kind: 'gauge',
    help: 'How late the event loop ran what was due since the last heartbeat: the 99th percentile',
    labels: [],
  },
  eventLoopBlockedSeconds: {
    name: 'belfry_event_loop_blocked_seconds',
    kind: 'gauge',
    help: 'The longest time the event loop stood still within five minutes',
    labels: [],
  },
  claimSeconds: {
    name: 'belfry_claim_seconds',
    kind: 'histogram',
    help: 'How long a look for due jobs took in the database',
    labels: [],
    buckets: CLAIM_BUCKETS,
  },
  dbErrors: {
    name: 'belfry_db_errors_total',
    kind: 'counter',
    help: 'Statements of background loops that failed, and how often LISTEN was lost',
    labels: [],
  },
} as const satisfies Record<string, Metric>
