import { jobsAndHistory } from './0001-jobs-and-history.ts'
import { runnersAndSchedules } from './0002-runners-and-schedules.ts'
import { scheduleJobFunction } from './0003-schedule-job-function.ts'
import { oneRowPerFinishedJob } from './0004-one-row-per-finished-job.ts'
import { scheduleMemory } from './0005-schedules.ts'
import { audit } from './0006-audit.ts'
import { flowControl } from './0007-flow-control.ts'
import { durable } from './0008-durable.ts'
import { afterJobs } from './0009-after-jobs.ts'
import { uniquePeriods } from './0010-unique-periods.ts'
import { overruns } from './0011-overruns.ts'
import { runnerLoad } from './0012-runner-load.ts'
import { meters } from './0013-meters.ts'
import { plannedOnce } from './0014-planned-once.ts'
import { scheduleJobChecks } from './0015-schedule-job-checks.ts'
import { pausedSubjects } from './0016-paused-subjects.ts'
import type { Migration } from './migration.ts'

/** Every step of the schema, oldest first. Append only. */
export const migrations: readonly Migration[] = [
  jobsAndHistory,
  runnersAndSchedules,
  scheduleJobFunction,
  oneRowPerFinishedJob,
  scheduleMemory,
  audit,
  flowControl,
  durable,
  afterJobs,
  uniquePeriods,
  overruns,
  runnerLoad,
  meters,
  plannedOnce,
  scheduleJobChecks,
  pausedSubjects,
]
