import { Scheduler, type Clock, type Logger } from 'belfry'
import { migrate, type Database } from 'belfry/database'
import { ReplyComposer } from './chat/compose-reply.ts'
import { Chat } from './chat/handle-message.ts'
import type { Command } from './commands/command.ts'
import { CommandDispatcher } from './commands/dispatch-command.ts'
import { followUpSettingsCommand } from './commands/followup-settings.ts'
import { helpCommand } from './commands/help.ts'
import { jobStatusCommand } from './commands/job-status.ts'
import { scheduleFollowUpCommand } from './commands/schedule-followup.ts'
import type { Config } from './config.ts'
import { botMigrations } from './database/migrations.ts'
import { FollowUpComposer } from './followups/compose-follow-up.ts'
import { scheduleFollowUpMessage, type FollowUpRequest, type PlannedFollowUp } from './followups/plan-follow-up.ts'
import { policyOf } from './followups/policy.ts'
import { registerFollowUpHandler } from './jobs/follow-up-message.ts'
import { createOpenAiCompatibleClient } from './llm/openai-compatible.ts'
import type { LlmClient } from './llm/llm-client.ts'
import { TurnFeed } from './memory/turn-feed.ts'

export interface AppParts {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
}

/** The bot without its platforms: what terminal, web and demo share. */
export interface App {
  readonly chat: Chat
  readonly feed: TurnFeed
  readonly database: Database
  /** Undefined with `JOB_SCHEDULER_ENABLED=false`. */
  readonly scheduler: Scheduler | undefined
  readonly llm: LlmClient | undefined
  /** Every command, for platforms that offer them in forms of their own. */
  readonly commands: readonly Command[]
  /** The guide's call: plans a follow-up to somebody. */
  scheduleFollowUpMessage(request: FollowUpRequest): Promise<PlannedFollowUp>
  /** Brings the database up to date; nothing runs yet. */
  prepare(): Promise<void>
  /** Runs background jobs. */
  start(): Promise<void>
  /** Answers what is under way, then stops background jobs within their grace period. */
  stop(): Promise<void>
}

/** Leaves time for the rest of a stop within the ten seconds that people wait. */
const GRACE_PERIOD = '5s'

/** Wires everything together; the one place that knows every part. Nothing happens until `prepare` and `start`. */
export function createApp({ config, database, clock, logger }: AppParts): App {
  const policy = policyOf(config.followUps)
  const llm = config.llm && createOpenAiCompatibleClient({ ...config.llm, clock })
  const scheduler = config.scheduler.enabled
    ? new Scheduler({
        database,
        schema: 'public',
        clock,
        logger,
        gracePeriod: GRACE_PERIOD,
        pollInterval: config.scheduler.checkIntervalSeconds * 1_000,
      })
    : undefined
  const planner = scheduler && { database, scheduler, policy, clock }
  const composer = new FollowUpComposer({ database, botName: config.botName, llm, logger })
  if (scheduler) registerFollowUpHandler(scheduler, { database, policy, clock, composer, logger })
  const { commandPrefix: prefix, botName } = config
  const commands: Command[] = [
    scheduleFollowUpCommand({ database, clock, planner }),
    jobStatusCommand({ database, clock, scheduler }),
    followUpSettingsCommand({ database, clock, scheduler, policy, prefix }),
  ]
  const all = [...commands, helpCommand({ prefix, botName, commands })]
  const feed = new TurnFeed({ database, clock, logger })
  const chat = new Chat({
    database,
    clock,
    logger,
    commands: new CommandDispatcher({ prefix, logger, commands: all }),
    replies: new ReplyComposer({ botName, llm, logger }),
    planner,
    replyWindowMs: policy.replyWindowMs,
  })
  return {
    chat,
    feed,
    database,
    scheduler,
    llm,
    commands: all,
    scheduleFollowUpMessage: request => {
      if (!planner) throw new Error('follow-ups need the job scheduler; JOB_SCHEDULER_ENABLED is false')
      return scheduleFollowUpMessage(planner, request)
    },
    prepare: async () => {
      // The scheduler's tables exist even when it is off here: commands read them, other processes run them.
      await (scheduler ?? new Scheduler({ database, schema: 'public', clock })).migrate()
      await migrate(database, botMigrations)
    },
    start: async () => {
      await feed.start()
      await scheduler?.start()
    },
    stop: async () => {
      await chat.whenIdle()
      await scheduler?.stop()
      await feed.stop()
    },
  }
}
