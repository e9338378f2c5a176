export type { SendEventOptions } from './durable/send-event.ts'
export { BelfryError, type BelfryErrorCode } from './errors.ts'
export type { SchedulerEventName, SchedulerEvents } from './events.ts'
export {
  isolated,
  type IsolatedContext,
  type IsolatedHandler,
  type IsolatedOptions,
} from './isolation/isolated.ts'
export type { Backoff } from './job/backoff.ts'
export type { ConfirmedEffect, EffectAttempt, JobContext, SchedulableJob, WaitOptions } from './job/context.ts'
export { CancelError, NonRetryableError, RetryAfterError, SnoozeError } from './job/control-errors.ts'
export {
  defineJob,
  type AnyJobDefinition,
  type JobDefinition,
  type JobDefinitionOptions,
  type JobHandler,
} from './job/definition.ts'
export type { JobOptions } from './job/job-options.ts'
export { JobType } from './job/job-type.ts'
export type { Attempt, AttemptOutcome, Job, JobStatus } from './job/job.ts'
export type {
  ExecutionCall,
  ExecutionMiddleware,
  JobToStore,
  Middleware,
  SchedulingCall,
  SchedulingMiddleware,
  StoredJob,
} from './job/middleware.ts'
export { payloadCipher, type PayloadCipher, type PayloadCipherOptions } from './job/payload-cipher.ts'
export type { HandlerObject } from './job/registry.ts'
export type { Schema } from './job/standard-schema.ts'
export type { PruneCounts } from './maintenance/prune.ts'
export type { CatchUp } from './recurring/catch-up.ts'
export { parseRule, previewOccurrences, type Rule, type RuleInput } from './recurring/rule.ts'
export type { AppliedSchedule, Schedule, ScheduleDefinition } from './recurring/schedule.ts'
export { sleep, systemClock, type Clock, type Timer } from './runtime/clock.ts'
export { parseDuration, type Duration } from './runtime/duration.ts'
export { silentLogger, type LogFields, type Logger } from './runtime/logger.ts'
export { Scheduler, type JobReference, type SchedulerOptions } from './scheduler.ts'
export type { BulkJob, JobChanges, ScheduledJob, ScheduleOptions } from './scheduling/schedule-options.ts'
export type { RunnerInfo, SchedulerStats, TypeStats } from './stats.ts'
export type { CancelResult } from './store/cancel-job.ts'
export { collectMetrics, recordStats, type MetricSink } from './telemetry/collect-metrics.ts'
export { METRICS, type Metric } from './telemetry/metric-names.ts'
export { openTelemetry, type OpenTelemetryMiddleware } from './telemetry/open-telemetry.ts'
export type { OpenTelemetryApi } from './telemetry/open-telemetry-api.ts'
export type { FailureReport, WebhookEvent } from './webhooks/delivery.ts'
export { failureWebhooks, type FailureWebhookOptions, type FailureWebhooks } from './webhooks/failure-webhooks.ts'
export { signWebhook, verifyWebhookSignature, type ReceivedWebhook } from './webhooks/signature.ts'
export { VERSION } from './version.ts'
