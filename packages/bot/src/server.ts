import { systemClock, type Logger } from 'belfry'
import { createApp, type App } from './app.ts'
import { loadEnvironment, readConfig, type Config } from './config.ts'
import { openConfigured, type OpenDatabase } from './database/connect.ts'
import { activeControls, type Control } from './followups/controls-store.ts'
import { isLoopback } from './http/security.ts'
import { createHttpServer } from './http/server.ts'
import type { Health, WebChat } from './http/web-chat.ts'
import { createLogger } from './logger.ts'
import { turnsAfter } from './memory/conversation-store.ts'
import { DiscordDoor } from './platforms/discord/discord-door.ts'
import { MOST_REFUSED } from './platforms/discord/refused-requests.ts'
import type { DiscordApp } from './platforms/discord/parts.ts'

const TURNS_AT_ONCE = 200

/** The bot as one process: web chat, follow-ups, background jobs. Runs until it is told to stop. */
export async function runServer(stop: AbortSignal): Promise<number> {
  const config = readConfig(loadEnvironment())
  const logger = createLogger(config.logLevel)
  const open = await openConfigured(config)
  const discord = discordOf(config, logger)
  const platforms = discord ? [discord.platform] : []
  const app = createApp({ config, database: open.database, clock: systemClock, logger, platforms })
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
    discord?.start(discordAppOf(app))
    const controls = await activeControls(open.database, null)
    process.stdout.write(`${summary({ config, open, app, url, controls }).join('\n')}\n`)
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
    draftOf: userId => app.drafts.draftOf(userId),
    subscribe: (userId, onChange) => {
      const ends = [app.feed.subscribe(userId, onChange), app.drafts.subscribe(userId, onChange)]
      return () => ends.forEach(end => end())
    },
    say: async ({ fromOperator, ...message }) => {
      const isAdmin = fromOperator || config.adminUserIds.includes(message.userId)
      const said = { ...message, platform: 'web', conversationId: message.userId, isAdmin } as const
      const { aside } = await app.chat.handle(said)
      return aside === undefined ? {} : { aside }
    },
    press: async pressed => {
      await app.chat.press({ ...pressed, conversationId: pressed.userId })
    },
    exportData: userId => app.exportData(userId),
  }
}

function discordOf(config: Config, logger: Logger): DiscordDoor | undefined {
  const { discord, adminUserIds, commandPrefix: prefix } = config
  return discord && new DiscordDoor({ ...discord, adminUserIds, prefix, clock: systemClock, logger })
}

function discordAppOf(app: App): DiscordApp {
  const { chat, database, commands, scheduler } = app
  return {
    chat,
    database,
    commands,
    scheduler,
    onAction: async press => (await chat.press(press)).reply?.text ?? 'That was done already.',
    onOwnMessage: seen => app.witnessSent(seen),
    consentQuestion: ({ userId }) => app.consentQuestion(userId),
    onConsent: answer => app.answerConsent(answer),
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
      const followUps = await followUpsOf(app)
      return { ok, checks: { database, scheduler, followUps, ...(discord && discordChecks(discord)) } }
    },
  }
}

/** A pause is no fault of this process: it is told, and the process is ready all the same. */
async function followUpsOf({ database, scheduler }: App): Promise<string> {
  if (!scheduler) return 'off'
  const controls = await activeControls(database, null).catch(() => undefined)
  if (!controls) return 'unknown'
  return controls.length === 0
    ? 'ok'
    : `paused: ${controls.map(({ name, reason }) => `${name} (${reason})`).join(', ')}`
}

function discordChecks(discord: DiscordDoor): Record<string, string> {
  return {
    discord: discord.state,
    discordRefusedRequests: `${discord.refusedRequests} of ${MOST_REFUSED} in 10 minutes`,
  }
}

/** What is on, what is missing, and what that costs: at most ten lines. */
function summary({
  config,
  open,
  app,
  url,
  controls,
}: {
  config: Config
  open: OpenDatabase
  app: App
  url: string
  controls: readonly Control[]
}): string[] {
  const { followUps } = config
  const embedded = open.database.kind === 'embedded'
  const missing = [
    ...(embedded
      ? ['DATABASE_URL: the embedded database survives kill -9, not a power cut, and serves one process']
      : []),
    ...(embedded || config.privacy.keys.length > 0
      ? []
      : ["PRIVACY_KEY: the key of erased people's hashes lies beside them in the database"]),
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
    ...controls.map(
      ({ name, reason, until }) =>
        `  paused      follow-ups (${name}: ${reason}) until ${until ? `${until.toISOString()} or ` : ''}${config.commandPrefix}followup_resume`,
    ),
    `  open        ${url}`,
    ...missing.map(line => `  missing     ${line}`),
  ]
}
