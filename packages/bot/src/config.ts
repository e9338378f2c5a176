import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import type { LogLevel } from './logger.ts'
import { variables } from './settings.ts'

/** Everything the bot is told from outside, checked and complete. */
export interface Config {
  readonly databaseUrl: string | undefined
  readonly dataDir: string
  readonly host: string
  readonly port: number
  readonly botName: string
  readonly logLevel: LogLevel
  readonly adminUserIds: readonly string[]
  readonly commandPrefix: string
  readonly llm: { readonly baseUrl: string; readonly model: string; readonly apiKey: string | undefined } | undefined
  /** Undefined without a token. */
  readonly discord:
    | { readonly token: string; readonly apiBaseUrl: string; readonly chatChannelIds: readonly string[] }
    | undefined
  readonly scheduler: { readonly enabled: boolean; readonly checkIntervalSeconds: number }
  readonly followUps: {
    readonly enabled: boolean
    readonly consent: 'opt_out' | 'opt_in' | 'auto'
    readonly defaultDelayHours: number
    readonly maxPerUserPerWeek: number
    readonly minHoursBetween: number
    readonly quietHours: string
    readonly timeZone: string | undefined
    readonly minMessages: number
    readonly maxUnanswered: number
    readonly maxAgeDays: number
    readonly replyWindowHours: number
    readonly maxLateHours: number
    readonly perMinute: number
    readonly holdoutPercent: number
  }
}

/** A wrong setting: which variable, what it says, what it should say. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'CONFIG_INVALID'
}

/**
 * Checks an environment and answers what it means. Unset and empty mean the default.
 * @throws ConfigError naming every variable at fault, its value (secrets hidden) and what was expected
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const faults = variables.flatMap(variable => {
    const given = environment[variable.name]?.trim()
    if (!given || variable.accepts(given)) return []
    return [
      `${variable.name}: expected ${variable.expects}, got ${variable.secret || given.includes('@') ? 'something else' : JSON.stringify(given)}`,
    ]
  })
  const value = (name: string) => environment[name]?.trim() || variables.find(each => each.name === name)?.fallback
  const [baseUrl, model] = [value('LLM_BASE_URL'), value('LLM_MODEL')]
  if (baseUrl && !model) faults.push('LLM_MODEL: expected a model name beside LLM_BASE_URL, got nothing')
  if (model && !baseUrl) faults.push('LLM_BASE_URL: expected an http or https URL beside LLM_MODEL, got nothing')
  if (faults.length > 0) throw new ConfigError(faults.join('\n'))
  return configOf(value)
}

function configOf(value: (name: string) => string | undefined): Config {
  const asText = (name: string) => value(name) ?? ''
  const asNumber = (name: string) => Number(value(name))
  const asFlag = (name: string) => /^(true|1|yes|on)$/i.test(asText(name))
  const asList = (name: string) =>
    asText(name)
      .split(',')
      .map(each => each.trim())
      .filter(Boolean)
  const baseUrl = value('LLM_BASE_URL')
  const token = value('DISCORD_TOKEN')
  return Object.freeze({
    databaseUrl: value('DATABASE_URL'),
    dataDir: asText('BELFRY_DATA_DIR'),
    host: asText('HOST'),
    port: asNumber('PORT'),
    botName: asText('BOT_NAME'),
    logLevel: asText('LOG_LEVEL') as LogLevel,
    adminUserIds: asList('ADMIN_USER_IDS').map(discordIdOf),
    commandPrefix: asText('DISCORD_COMMAND_PREFIX'),
    llm: baseUrl ? { baseUrl, model: asText('LLM_MODEL'), apiKey: value('LLM_API_KEY') } : undefined,
    discord: token
      ? { token, apiBaseUrl: asText('DISCORD_API_BASE_URL'), chatChannelIds: asList('DISCORD_CHAT_CHANNEL_IDS') }
      : undefined,
    scheduler: {
      enabled: asFlag('JOB_SCHEDULER_ENABLED'),
      checkIntervalSeconds: asNumber('JOB_SCHEDULER_CHECK_INTERVAL_SECONDS'),
    },
    followUps: {
      enabled: asFlag('FOLLOW_UP_ENABLED'),
      consent: asText('FOLLOW_UP_CONSENT') as Config['followUps']['consent'],
      defaultDelayHours: asNumber('FOLLOW_UP_DEFAULT_DELAY_HOURS'),
      maxPerUserPerWeek: asNumber('FOLLOW_UP_MAX_PER_USER_PER_WEEK'),
      minHoursBetween: asNumber('FOLLOW_UP_MIN_HOURS_BETWEEN'),
      quietHours: asText('FOLLOW_UP_QUIET_HOURS'),
      timeZone: value('FOLLOW_UP_TIME_ZONE'),
      minMessages: asNumber('FOLLOW_UP_MIN_MESSAGES'),
      maxUnanswered: asNumber('FOLLOW_UP_MAX_UNANSWERED'),
      maxAgeDays: asNumber('FOLLOW_UP_MAX_AGE_DAYS'),
      replyWindowHours: asNumber('FOLLOW_UP_REPLY_WINDOW_HOURS'),
      maxLateHours: asNumber('FOLLOW_UP_MAX_LATE_HOURS'),
      perMinute: asNumber('FOLLOW_UP_PER_MINUTE'),
      holdoutPercent: asNumber('FOLLOW_UP_HOLDOUT_PERCENT'),
    },
  })
}

/** The system before knew Discord's people alone, by their bare numbers. */
function discordIdOf(id: string): string {
  return /^\d{15,21}$/.test(id) ? `discord:${id}` : id
}

/** The process's environment over the `.env` file of the working folder, if there is one. */
export function loadEnvironment(): Record<string, string | undefined> {
  return { ...readEnvFile('.env'), ...process.env }
}

function readEnvFile(path: string): Record<string, string | undefined> {
  try {
    // Editors on Windows begin files with a byte-order mark, which would become part of the first name.
    return parseEnv(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {}
    throw new ConfigError(`.env: cannot be read (${error instanceof Error ? error.message : String(error)})`)
  }
}
