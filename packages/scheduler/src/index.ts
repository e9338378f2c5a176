export type { Administration } from './administration/administration.ts'
export type { AuditEntry, AuditPage, AuditQuery } from './administration/audit.ts'
export type {
  ActOptions,
  ActResult,
  CancelJobsOptions,
  CancelJobsResult,
  DeleteJobsResult,
  Postponement,
  PostponeJobsResult,
  RedriveJobsResult,
} from './administration/bulk-acts.ts'
export type { DeadLetterGroup } from './administration/dead-letters.ts'
export type { Explanation } from './administration/explanation.ts'
export type { Forecast } from './administration/forecast.ts'
export type { ForecastHour, TypeForecast } from './administration/forecasting.ts'
export type { Pause, PauseTarget } from './administration/flow-acts.ts'
export type { GraphEdge, GraphNode, JobGraph } from './administration/graph.ts'
export type { Hindrance, HindranceKind, RunnerName } from './administration/hindrance.ts'
export type { JobFilter, TimeRange } from './administration/job-filter.ts'
export type { JobPage, JobSummary } from './administration/job-list.ts'
export type { PageOptions } from './administration/page.ts'
export type { PayloadKeyCount, ResealResult } from './administration/payload-keys.ts'
export type { SchemaCheck, SchemaDifference } from './administration/schema.ts'
export type { SetTimeZoneResult } from './administration/time-zones.ts'
export type { EraseSubjectResult } from './administration/subjects.ts'
export type { SendEventOptions } from './durable/send-event.ts'
export { BelfryError, type BelfryErrorCode } from './errors.ts'
export type { SchedulerEventName, SchedulerEvents } from './events.ts'
export {
  isolated,
  type IsolatedContext,
  type IsolatedHandler,
  type IsolatedOptions,
} from './isolation/isolated.ts'
export type { ActorOption, NamedActorOption } from './job/actor.ts'
export type { Backoff, BackoffRule } from './job/backoff.ts'
export type { BatchAnswer, BatchCall, BatchHandler, BatchJob, BatchOptions } from './job/batch.ts'
export type {
  ConfirmedEffect,
  DependencyCounts,
  EffectAttempt,
  JobContext,
  PastDependency,
  SchedulableJob,
  WaitOptions,
} from './job/context.ts'
export type { EndedJob } from './job-reader.ts'
export type { WaitForOptions } from './aftermath/waiters.ts'
export type { FlowJob, FlowJobs, FlowLink, ScheduledFlow } from './scheduling/flow-graph.ts'
export type { ScheduledBatch } from './scheduling/workflows.ts'
export { CancelError, NonRetryableError, RetryAfterError, SnoozeError } from './job/control-errors.ts'
export {
  defineBatchJob,
  defineJob,
  type AnyJobDefinition,
  type BatchJobDefinitionOptions,
  type HandlerOptions,
  type JobDefinition,
  type JobDefinitionOptions,
  type JobHandler,
  type TransactionalContext,
  type TransactionalHandler,
} from './job/definition.ts'
export type { CommonJobOptions } from './job/common-options.ts'
export type { WindowOptions } from './job/delivery.ts'
export type { DeliveryWindow, OpeningHours, Weekday } from './job/delivery-window.ts'
export type { CarriedOptions, Dependency, JobOptions, OnFailure } from './job/job-options.ts'
export type { JobReference, KeyReference } from './job/job-reference.ts'
export { JobType } from './job/job-type.ts'
export type { Budget, KeyLimits, Limits, Rate } from './job/limits.ts'
export type { Attempt, AttemptOutcome, Job, JobStatus } from './job/job.ts'
export type { AsStored } from './job/as-stored.ts'
export type { InputOf, JobName, JobWithPayload, ResultOf } from './job/job-with-payload.ts'
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
export type { Revalidate, RevalidateAnswer, RevalidateContext } from './job/revalidate.ts'
export type { HandlerObject } from './job/registry.ts'
export type { Schema } from './job/standard-schema.ts'
export type { PruneCounts } from './maintenance/prune.ts'
export type { CatchUp } from './recurring/catch-up.ts'
export type { DstPolicy } from './recurring/daylight-saving.ts'
export { parseRule, previewOccurrences, type Rule, type RuleBounds, type RuleInput } from './recurring/rule.ts'
export type { AppliedSchedule, Backfill, Schedule, SchedulePlan } from './recurring/schedule.ts'
export type {
  Overlap,
  ScheduleDefinition,
  ScheduleDefinitions,
  StoredJobOptions,
} from './recurring/schedule-definition.ts'
export type { ApplySchedulesOptions, BackfillRange } from './recurring/call-options.ts'
export { sleep, systemClock, type Clock, type Timer } from './runtime/clock.ts'
export { parseDuration, type Duration } from './runtime/duration.ts'
export { silentLogger, type LogFields, type Logger } from './runtime/logger.ts'
export type { ClockSkew } from './runtime/clock-skew.ts'
export type { ProcessLoad, ProcessMeter } from './runtime/process-meter.ts'
export { Scheduler, type SchedulerOptions } from './scheduler.ts'
export type {
  BulkJob,
  BulkJobs,
  JobChanges,
  ScheduledJob,
  ScheduledJobs,
  ScheduleOptions,
} from './scheduling/schedule-options.ts'
export type { TransactionOption } from './scheduling/transaction-option.ts'
export type { RunnerInfo, SchedulerStats, TableHealth, TypeStats } from './stats.ts'
export type { AuditAction } from './store/audit.ts'
export type { CancelResult } from './store/cancel-job.ts'
export { collectMetrics, recordStats, type MetricSink } from './telemetry/collect-metrics.ts'
export { METRICS, type Metric } from './telemetry/metric-names.ts'
export { openTelemetry, type OpenTelemetryMiddleware } from './telemetry/open-telemetry.ts'
export type { OpenTelemetryApi } from './telemetry/open-telemetry-api.ts'
export type { EventStream, WatchOptions } from './watching/event-stream.ts'
export type { WatchedEvent, WatchedEventName } from './watching/watched-event.ts'
export type { FailureReport, WebhookEvent } from './webhooks/delivery.ts'
export { failureWebhooks, type FailureWebhookOptions, type FailureWebhooks } from './webhooks/failure-webhooks.ts'
export { signWebhook, verifyWebhookSignature, type ReceivedWebhook } from './webhooks/signature.ts'
export { VERSION } from './version.ts'
