import { systemClock, type Logger } from 'belfry'
import { createApp, type App } from './app.ts'
import { loadEnvironment, readConfig, type Config } from './config.ts'
import { openConfigured, type OpenDatabase } from './database/connect.ts'
import { isLoopback } from './http/security.ts'
import { createHttpServer } from './http/server.ts'
import type { Health, WebChat } from './http/web-chat.ts'
import { createLogger } from './logger.ts'
import { turnsAfter } from './memory/conversation-store.ts'
import { DiscordDoor } from './platforms/discord/discord-door.ts'
import type { DiscordApp } from './platforms/discord/parts.ts'

const TURNS_AT_ONCE = 200

/** The bot as one process: web chat, follow-ups, background jobs. Runs until it is told to stop. */
export async function runServer(stop: AbortSignal): Promise<number> {
  const config = readConfig(loadEnvironment())
  const logger = createLogger(config.logLevel)
  const open = await openConfigured(config)
  const discord = discordOf(config, logger)
  const app = createApp({ config, database: open.database, clock: systemClock, logger })
  const parts = {
    host: config.host,
    port: config.port,
    webChat: webChatOf(app, config),
    health: healthOf(app, discord),
    clock: systemClock,
    logger,
  }
  const http = createHttpServer(parts)
  try {
    await app.prepare()
    const { url } = await http.listen()
    await app.start()
    discord?.start(discordAppOf(app, config))
    process.stdout.write(`${summary({ config, open, app, url }).join('\n')}\n`)
    await new Promise<void>(resolve => {
      if (stop.aborted) resolve()
      stop.addEventListener('abort', () => resolve(), { once: true })
    })
    process.stdout.write(`${config.botName} is stopping.\n`)
    return 0
  } finally {
    await http.close()
    await discord?.stopListening()
    await app.stop()
    await discord?.close()
    await open.close()
  }
}

function webChatOf(app: App, config: Config): WebChat {
  return {
    botName: config.botName,
    turnsAfter: (userId, afterTurnId) =>
      turnsAfter(app.database, { conversationId: userId, afterTurnId, limit: TURNS_AT_ONCE }),
    subscribe: (userId, onChange) => app.feed.subscribe(userId, onChange),
    say: async ({ userId, displayName, text, messageId, fromOperator }) => {
      const isAdmin = fromOperator || config.adminUserIds.includes(userId)
      await app.chat.handle({ messageId, platform: 'web', conversationId: userId, userId, displayName, text, isAdmin })
    },
  }
}

function discordOf(config: Config, logger: Logger): DiscordDoor | undefined {
  const { discord, adminUserIds, commandPrefix: prefix } = config
  return discord && new DiscordDoor({ ...discord, adminUserIds, prefix, clock: systemClock, logger })
}

function discordAppOf(app: App, config: Config): DiscordApp {
  const { chat, database, commands, scheduler } = app
  return {
    chat,
    database,
    commands,
    scheduler,
    onAction: async ({ action, ...press }) => {
      const text = `${config.commandPrefix}followup_settings ${action === 'stop' ? 'off' : 'status'}`
      const { reply } = await chat.handle({ ...press, platform: 'discord', displayName: '', text, isAdmin: false })
      return reply?.text ?? 'That was done already.'
    },
    onOwnMessage: () => Promise.resolve(),
  }
}

/** Able to work: the database answers, the scheduler runs if it should, Discord takes the token if there is one. */
function healthOf(app: App, discord: DiscordDoor | undefined): Health {
  return {
    ready: async () => {
      const database = await app.database.query('select 1').then(
        () => 'ok',
        () => 'does not answer',
      )
      const scheduler = app.scheduler === undefined ? 'off' : app.scheduler.running ? 'ok' : 'not running'
      const ok = database === 'ok' && scheduler !== 'not running' && discord?.state !== 'token refused'
      return { ok, checks: { database, scheduler, ...(discord && { discord: discord.state }) } }
    },
  }
}

/** What is on, what is missing, and what that costs: at most ten lines. */
function summary({ config, open, app, url }: { config: Config; open: OpenDatabase; app: App; url: string }): string[] {
  const { followUps } = config
  const embedded = open.database.kind === 'embedded'
  const missing = [
    ...(embedded
      ? ['DATABASE_URL: the embedded database survives kill -9, not a power cut, and serves one process']
      : []),
    ...(app.llm ? [] : ['LLM_BASE_URL, LLM_MODEL: replies come from the built-in writer, which knows little']),
    ...(app.scheduler ? [] : ['JOB_SCHEDULER_ENABLED=true: nobody is followed up, no background jobs']),
  ]
  return [
    `${config.botName} is up.`,
    `  database    ${open.label}`,
    `  platforms   ${config.discord ? 'discord, ' : ''}web${isLoopback(config.host) ? '' : ', open to your network without a login'}`,
    `  model       ${app.llm?.label ?? 'built-in writer'}`,
    `  scheduler   ${app.scheduler ? `on, looks at least every ${config.scheduler.checkIntervalSeconds} s` : 'off'}`,
    `  follow-ups  ${app.scheduler && followUps.enabled ? `after ${followUps.defaultDelayHours} h of silence, at most ${followUps.maxPerUserPerWeek} a week, quiet hours ${followUps.quietHours}` : 'off'}`,
    `  open        ${url}`,
    ...missing.map(line => `  missing     ${line}`),
  ]
}
