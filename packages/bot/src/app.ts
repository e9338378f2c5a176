import { Scheduler, type Clock, type Logger, type ScheduleDefinition } from 'belfry'
import { migrate, type Database } from 'belfry/database'
import { ReplyComposer } from './chat/compose-reply.ts'
import { Chat } from './chat/handle-message.ts'
import { databaseNow } from './clock.ts'
import type { Attachment, Command } from './commands/command.ts'
import { CommandDispatcher } from './commands/dispatch-command.ts'
import { followUpExplainCommand } from './commands/followup-explain.ts'
import { followUpPauseCommand, followUpResumeCommand } from './commands/followup-pause.ts'
import { followUpPreviewCommand } from './commands/followup-preview.ts'
import { followUpSettingsCommand } from './commands/followup-settings.ts'
import { followUpStatsCommand } from './commands/followup-stats.ts'
import { forgetMeCommand } from './commands/forget-me.ts'
import { helpCommand } from './commands/help.ts'
import { jobStatusCommand } from './commands/job-status.ts'
import { jobListCommand } from './commands/job-list.ts'
import { jobCancelCommand, jobRetryCommand } from './commands/jobs.ts'
import { myDataCommand } from './commands/my-data.ts'
import { privacyCommand } from './commands/privacy.ts'
import { scheduleFollowUpCommand } from './commands/schedule-followup.ts'
import type { Config } from './config.ts'
import { botMigrations } from './database/migrations.ts'
import { act, type ActionParts, type ActionRequest } from './followups/actions.ts'
import { answerConsent, takeOwnQuestion, type ConsentAnswer, type OwnQuestion } from './followups/consent.ts'
import { placeInTime } from './followups/best-time.ts'
import { FollowUpComposer } from './followups/compose-follow-up.ts'
import { witnessSent, type SeenMessage } from './followups/deliver-sent.ts'
import { onceOnly } from './followups/explain.ts'
import {
  scheduleFollowUpMessage,
  type FollowUpRequest,
  type PlannedFollowUp,
  type PlannerParts,
} from './followups/plan-follow-up.ts'
import type { PlaceInTime, TimingParts } from './followups/plan-timing.ts'
import { policyOf, type FollowUpPolicy } from './followups/policy.ts'
import { experimentOf } from './followups/variants.ts'
import { dataCleanupJob } from './job-catalog.ts'
import { registerCleanupHandler } from './jobs/data-cleanup.ts'
import { findInactiveSchedule, registerFindInactiveHandler } from './jobs/find-inactive-people.ts'
import { registerFollowUpHandler } from './jobs/follow-up-message.ts'
import { DistressGuard } from './llm/distress.ts'
import { createOpenAiCompatibleClient } from './llm/openai-compatible.ts'
import type { LlmClient } from './llm/llm-client.ts'
import { DraftFeed } from './memory/draft-feed.ts'
import { TurnFeed } from './memory/turn-feed.ts'
import type { RemotePlatform } from './messaging/platform.ts'
import { exportData, fileOf, type RightsParts } from './operations/export-data.ts'
import { retentionOf, type RetentionPolicy } from './operations/retention.ts'
import { SuppressedPeople } from './users/suppressed-people-store.ts'

export interface AppParts {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  /** Platforms that are asked over a network to send. Default: none. */
  readonly platforms?: readonly RemotePlatform[]
  /** In place of the configured language model. */
  readonly llm?: LlmClient
}

/** The bot without its platforms: what terminal, web and demo share. */
export interface App {
  readonly chat: Chat
  readonly feed: TurnFeed
  /** Answers while they are being written. */
  readonly drafts: DraftFeed
  readonly database: Database
  /** Undefined with `JOB_SCHEDULER_ENABLED=false`. */
  readonly scheduler: Scheduler | undefined
  readonly llm: LlmClient | undefined
  /** Every command, for platforms that offer them in forms of their own. */
  readonly commands: readonly Command[]
  /** The guide's call: plans a follow-up to somebody. */
  scheduleFollowUpMessage(request: FollowUpRequest): Promise<PlannedFollowUp>
  /** All that is stored about a person, as a file for them alone. */
  exportData(userId: string): Promise<Attachment>
  /** What a person does with a follow-up by a button of their platform; answers what they are told. */
  act(request: ActionRequest): Promise<string>
  /** For a platform that asks by buttons of its own: whether follow-ups are wanted, if this is the moment to ask. */
  consentQuestion(userId: string): Promise<OwnQuestion | undefined>
  /** The answer to it; answers what the person is told. */
  answerConsent(answer: ConsentAnswer): Promise<string>
  /** A platform saw a message of the bot's own there: a follow-up whose answer was lost is then known to be sent. */
  witnessSent(seen: SeenMessage): Promise<boolean>
  /** Brings the database up to date; nothing runs yet. */
  prepare(): Promise<void>
  /** Runs background jobs. */
  start(): Promise<void>
  /** Answers what is under way, then stops background jobs within their grace period. */
  stop(): Promise<void>
}

/** Leaves time for the rest of a stop within the ten seconds that people wait. */
const GRACE_PERIOD = '5s'

/** How long answers that a model is writing are waited for when the bot stops; then the built-in writer answers. */
const MODEL_GRACE_MS = 3_000

const DAILY_CLEANUP = 'daily-cleanup'

/** Wires everything together; the one place that knows every part. Nothing happens until `prepare` and `start`. */
export function createApp(parts: AppParts): App {
  const { config, database, clock, logger } = parts
  const core = coreOf(parts)
  const { scheduler, planner, rights, llm, distress } = core
  registerHandlers(parts, core)
  const { botName, commandPrefix: prefix } = config
  const actions = { ...rights, scheduler, prefix, modelLabel: llm?.label }
  const commands = commandsOf(parts, core, actions)
  const feed = new TurnFeed({ database, clock, logger })
  const drafts = new DraftFeed()
  const stopping = new AbortController()
  const chat = new Chat({
    database,
    clock,
    logger,
    commands: new CommandDispatcher({ prefix, ownerIds: config.adminUserIds, logger, commands }),
    replies: new ReplyComposer({ botName, llm, distress, logger, stopping: stopping.signal }),
    distress,
    drafts,
    planner,
    replyWindowMs: core.policy.replyWindowMs,
    suppressedPeople: rights.suppressedPeople,
    actions,
  })
  return {
    chat,
    feed,
    drafts,
    database,
    scheduler,
    llm,
    commands,
    scheduleFollowUpMessage: request => {
      if (!planner) throw new Error('follow-ups need the job scheduler; JOB_SCHEDULER_ENABLED is false')
      return scheduleFollowUpMessage(planner, request)
    },
    exportData: async userId => fileOf(await exportData(rights, userId)),
    act: request => act(actions, request),
    consentQuestion: userId =>
      database.transaction(transaction =>
        takeOwnQuestion(transaction, { userId, policy: core.policy, prefix, now: databaseNow(clock) }),
      ),
    answerConsent: answer => answerConsent(actions, answer),
    witnessSent: seen => witnessSent({ database, clock, logger }, seen),
    prepare: () => prepare(parts, core),
    start: async () => {
      await feed.start()
      await scheduler?.start()
      if (!core.retention) await scheduler?.removeSchedule(DAILY_CLEANUP)
    },
    stop: async () => {
      const impatience = clock.setTimer(MODEL_GRACE_MS, () => stopping.abort())
      await chat.whenIdle()
      impatience.cancel()
      await scheduler?.stop()
      await feed.stop()
    },
  }
}

/** What handlers, commands and the chat share. */
interface Core {
  readonly policy: FollowUpPolicy
  readonly retention: RetentionPolicy | undefined
  readonly scheduler: Scheduler | undefined
  readonly timing: TimingParts
  readonly planner: PlannerParts | undefined
  readonly rights: RightsParts
  readonly llm: LlmClient | undefined
  readonly distress: DistressGuard
}

function coreOf(parts: AppParts): Core {
  const { config, database, clock, logger } = parts
  const policy = policyOf(config.followUps)
  const retention = retentionOf(config)
  const scheduler = config.scheduler.enabled ? createScheduler(parts, retention) : undefined
  const experiment = experimentOf(config.followUps)
  const timing = { policy, placeInTime: bestTimeUnder(policy), ...(experiment && { experiment }) }
  const suppressedPeople = new SuppressedPeople(config.privacy.keys)
  return {
    policy,
    retention,
    scheduler,
    timing,
    planner: scheduler && { ...timing, database, scheduler, clock, suppressedPeople },
    rights: { database, clock, suppressedPeople },
    llm: parts.llm ?? (config.llm && createOpenAiCompatibleClient({ ...config.llm, clock, database, logger })),
    distress: new DistressGuard(config.distressWords),
  }
}

function bestTimeUnder(policy: FollowUpPolicy): PlaceInTime {
  return ({ person }, earliest) => (person === 'unreadable' ? earliest : placeInTime({ person, policy }, earliest))
}

function createScheduler(parts: AppParts, retention: RetentionPolicy | undefined): Scheduler {
  const { config, database, clock, logger } = parts
  return new Scheduler({
    database,
    schema: 'public',
    clock,
    logger,
    gracePeriod: GRACE_PERIOD,
    pollInterval: config.scheduler.checkIntervalSeconds * 1_000,
    schedules: [findInactiveSchedule, ...cleanupSchedules(retention)],
    ...(retention && { retention: { failed: retention.failedJobDays * 86_400_000 } }),
  })
}

/** Once a day, at night in most of the bot's likely zones; a bot that is off then does it when it is back. */
function cleanupSchedules(retention: RetentionPolicy | undefined): ScheduleDefinition<typeof dataCleanupJob>[] {
  if (!retention) return []
  const daily = { rule: '30 3 * * *', catchUp: 'last', overlap: 'skip' } as const
  return [{ scheduleId: DAILY_CLEANUP, job: dataCleanupJob, payload: { type: 'all' }, ...daily }]
}

function registerHandlers(parts: AppParts, core: Core): void {
  const { config, database, clock, logger, platforms = [] } = parts
  const { scheduler, planner, llm, distress, retention } = core
  if (!scheduler || !planner) return
  const composer = new FollowUpComposer({ database, botName: config.botName, llm, distress, clock, logger })
  registerFollowUpHandler(scheduler, { ...planner, composer, logger, platforms, silent: config.followUps.silent })
  registerFindInactiveHandler(scheduler, planner)
  if (retention) registerCleanupHandler(scheduler, { database, clock, scheduler, policy: retention })
}

function commandsOf(parts: AppParts, core: Core, actions: ActionParts): Command[] {
  const { config, database, clock, logger } = parts
  const { policy, timing, planner, scheduler, rights, llm, distress } = core
  const { botName, commandPrefix: prefix, privacy, adminUserIds: ownerIds } = config
  const shared = { database, clock, scheduler, prefix, ownerIds, planner, policy }
  const previewComposer = () =>
    new FollowUpComposer({ database, botName, llm: llm && onceOnly(llm), distress, clock, logger })
  const modelHost = config.llm && new URL(config.llm.baseUrl).host
  const commands = [
    scheduleFollowUpCommand(shared),
    jobStatusCommand(shared),
    followUpSettingsCommand({ ...actions, policy }),
    followUpExplainCommand({ ...rights, ...timing }),
    followUpPreviewCommand({ ...rights, ...timing, ownerIds, previewComposer }),
    followUpStatsCommand(shared),
    followUpPauseCommand(shared),
    followUpResumeCommand(shared),
    jobListCommand(shared),
    jobCancelCommand(shared),
    jobRetryCommand(shared),
    myDataCommand(rights),
    forgetMeCommand({ ...rights, scheduler, prefix }),
    privacyCommand({ botName, prefix, modelHost, privacyUrl: privacy.url, retention: core.retention }),
  ]
  return [...commands, helpCommand({ prefix, botName, ownerIds, commands })]
}

/** The scheduler's tables exist even when it is off here: commands read them, other processes run them. */
async function prepare({ database, clock }: AppParts, { scheduler, rights }: Core): Promise<void> {
  await (scheduler ?? new Scheduler({ database, schema: 'public', clock })).migrate()
  await migrate(database, botMigrations)
  await rights.suppressedPeople.requireKnownKeys(database)
}
