import { Scheduler, type Clock, type Logger, type ScheduleDefinition } from 'belfry'
import { migrate, type Database } from 'belfry/database'
import { ReplyComposer } from './chat/compose-reply.ts'
import { Chat } from './chat/handle-message.ts'
import type { Attachment, Command } from './commands/command.ts'
import { CommandDispatcher } from './commands/dispatch-command.ts'
import { followUpSettingsCommand } from './commands/followup-settings.ts'
import { forgetMeCommand } from './commands/forget-me.ts'
import { helpCommand } from './commands/help.ts'
import { jobStatusCommand } from './commands/job-status.ts'
import { myDataCommand } from './commands/my-data.ts'
import { privacyCommand } from './commands/privacy.ts'
import { scheduleFollowUpCommand } from './commands/schedule-followup.ts'
import type { Config } from './config.ts'
import { botMigrations } from './database/migrations.ts'
import { act, type ActionRequest } from './followups/actions.ts'
import { FollowUpComposer } from './followups/compose-follow-up.ts'
import { scheduleFollowUpMessage, type FollowUpRequest, type PlannedFollowUp } from './followups/plan-follow-up.ts'
import { policyOf } from './followups/policy.ts'
import { dataCleanupJob } from './job-catalog.ts'
import { registerCleanupHandler } from './jobs/data-cleanup.ts'
import { registerFollowUpHandler } from './jobs/follow-up-message.ts'
import { DistressGuard } from './llm/distress.ts'
import { createOpenAiCompatibleClient } from './llm/openai-compatible.ts'
import type { LlmClient } from './llm/llm-client.ts'
import { DraftFeed } from './memory/draft-feed.ts'
import { TurnFeed } from './memory/turn-feed.ts'
import type { RemotePlatform } from './messaging/platform.ts'
import type { ErasureParts } from './operations/erase-person.ts'
import { exportData, fileOf } from './operations/export-data.ts'
import { retentionOf, type RetentionPolicy } from './operations/retention.ts'
import { SuppressedPeople } from './users/suppressed-people-store.ts'

export interface AppParts {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  /** In place of the one that the settings name: tests and simulations bring their own. */
  readonly llm?: LlmClient
  /** Platforms that are asked over a network to send; none for terminal and web. */
  readonly platforms?: readonly RemotePlatform[]
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
  /** The guide's call: plans a follow-up to somebody. */
  scheduleFollowUpMessage(request: FollowUpRequest): Promise<PlannedFollowUp>
  /** All that is stored about a person, as a file for them alone. */
  exportData(userId: string): Promise<Attachment>
  /** What a person does with a follow-up by a button of their platform; answers what they are told. */
  act(request: ActionRequest): Promise<string>
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

/** Once a day, at night in most of the bot's likely zones; a bot that is off then does it when it is back. */
function schedulesOf(retention: RetentionPolicy | undefined): ScheduleDefinition[] {
  if (!retention) return []
  const daily = { rule: '30 3 * * *', catchUp: 'last', overlap: 'skip' } as const
  return [{ scheduleId: DAILY_CLEANUP, job: dataCleanupJob, payload: { type: 'all' }, ...daily }]
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
    schedules: schedulesOf(retention),
    ...(retention && { retention: { failed: retention.failedJobDays * 86_400_000 } }),
  })
}

function rightsCommands(config: Config, parts: ErasureParts): Command[] {
  const { botName, commandPrefix: prefix, llm, privacy } = config
  const modelHost = llm && new URL(llm.baseUrl).host
  return [
    myDataCommand(parts),
    forgetMeCommand({ ...parts, prefix }),
    privacyCommand({ botName, prefix, modelHost, privacyUrl: privacy.url, retention: retentionOf(config) }),
  ]
}

function modelOf({ config, llm, database, clock, logger }: AppParts): LlmClient | undefined {
  return llm ?? (config.llm && createOpenAiCompatibleClient({ ...config.llm, database, clock, logger }))
}

/** Wires everything together; the one place that knows every part. Nothing happens until `prepare` and `start`. */
export function createApp(parts: AppParts): App {
  const { config, database, clock, logger } = parts
  const policy = policyOf(config.followUps)
  const retention = retentionOf(config)
  const suppressedPeople = new SuppressedPeople(config.privacy.keys)
  const llm = modelOf(parts)
  const distress = new DistressGuard(config.distressWords)
  const drafts = new DraftFeed()
  const stopping = new AbortController()
  const scheduler = config.scheduler.enabled ? createScheduler(parts, retention) : undefined
  const planner = scheduler && { database, scheduler, policy, clock, suppressedPeople }
  const composer = new FollowUpComposer({ database, botName: config.botName, llm, distress, clock, logger })
  if (scheduler) registerFollowUpHandler(scheduler, { database, policy, clock, composer, logger, suppressedPeople })
  if (scheduler && retention) registerCleanupHandler(scheduler, { database, clock, scheduler, policy: retention })
  const { commandPrefix: prefix, botName } = config
  const rights = { database, clock, suppressedPeople }
  const actions = { ...rights, scheduler, prefix, modelLabel: llm?.label }
  const commands: Command[] = [
    scheduleFollowUpCommand({ database, clock, planner }),
    jobStatusCommand({ database, clock, scheduler }),
    followUpSettingsCommand({ ...actions, policy }),
    ...rightsCommands(config, { ...rights, scheduler }),
  ]
  const all = [...commands, helpCommand({ prefix, botName, commands })]
  const feed = new TurnFeed({ database, clock, logger })
  const chat = new Chat({
    database,
    clock,
    logger,
    commands: new CommandDispatcher({ prefix, logger, commands: all }),
    replies: new ReplyComposer({ botName, llm, distress, logger, stopping: stopping.signal }),
    distress,
    drafts,
    planner,
    replyWindowMs: policy.replyWindowMs,
    suppressedPeople,
    actions,
  })
  return {
    chat,
    feed,
    drafts,
    database,
    scheduler,
    llm,
    scheduleFollowUpMessage: request => {
      if (!planner) throw new Error('follow-ups need the job scheduler; JOB_SCHEDULER_ENABLED is false')
      return scheduleFollowUpMessage(planner, request)
    },
    exportData: async userId => fileOf(await exportData(rights, userId)),
    act: request => act(actions, request),
    prepare: async () => {
      // The scheduler's tables exist even when it is off here: commands read them, other processes run them.
      await (scheduler ?? new Scheduler({ database, schema: 'public', clock })).migrate()
      await migrate(database, botMigrations)
      await suppressedPeople.requireKnownKeys(database)
    },
    start: async () => {
      await feed.start()
      await scheduler?.start()
      if (!retention) await scheduler?.removeSchedule(DAILY_CLEANUP)
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
