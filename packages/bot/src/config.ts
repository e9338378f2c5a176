import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { z } from 'zod'
import type { LogLevel } from './logger.ts'
import { variables } from './settings.ts'
import { parseVariants, type Variant } from './variant-list.ts'

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
  readonly llm:
    | {
        readonly baseUrl: string
        readonly model: string
        readonly apiKey: string | undefined
        readonly timeoutMs: number
        readonly temperature: number | undefined
        readonly dailyTokenBudget: number | undefined
      }
    | undefined
  /** By language code; empty: the built-in words alone. */
  readonly distressWords: Readonly<Record<string, DistressEdit>>
  /** Undefined without a token. */
  readonly discord:
    | {
        readonly token: string
        readonly apiBaseUrl: string
        readonly chatChannelIds: readonly string[]
        readonly shards: number | 'auto'
      }
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
    readonly silent: boolean
    readonly holdoutPercent: number
    /** Empty: nothing is being tried. */
    readonly variants: readonly Variant[]
    readonly variantsSalt: string
  }
  readonly privacy: {
    readonly url: string | undefined
    /** The key in use first, then earlier ones; empty: the database's own. */
    readonly keys: readonly string[]
  }
  readonly cleanup: {
    readonly enabled: boolean
    readonly oldConversationsDays: number
    readonly failedJobsDays: number
    readonly tempFilesHours: number
  }
}

/** What an operator changes about the words of one language by which somebody in danger is recognised. */
export interface DistressEdit {
  readonly add?: readonly string[] | undefined
  /** Instead of the built-in ones. */
  readonly replace?: readonly string[] | undefined
  /** Phrases that mean no harm although such a word is in them. */
  readonly except?: readonly string[] | undefined
  /** What the person is answered: where help is. */
  readonly referral?: string | undefined
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
    const why = variable.fault?.(given)
    return [
      `${variable.name}: expected ${variable.expects}, got ${variable.secret || given.includes('@') ? 'something else' : JSON.stringify(given)}${why ? `: ${why}` : ''}`,
    ]
  })
  const value = (name: string) => environment[name]?.trim() || variables.find(each => each.name === name)?.fallback
  const [baseUrl, model] = [value('LLM_BASE_URL'), value('LLM_MODEL')]
  if (baseUrl && !model) faults.push('LLM_MODEL: expected a model name beside LLM_BASE_URL, got nothing')
  if (model && !baseUrl) faults.push('LLM_BASE_URL: expected an http or https URL beside LLM_MODEL, got nothing')
  if (faults.length > 0) throw new ConfigError(faults.join('\n'))
  const wordsFile = value('DISTRESS_WORDS_FILE')
  return Object.freeze({ ...configOf(value), distressWords: wordsFile ? readDistressWords(wordsFile) : {} })
}

/** Words, and `*` for any ending: nothing in a file becomes a pattern of its own. */
const distressPhrases = z
  .array(
    z.string().regex(/^[\p{L}\p{M}\p{N}'’ -]{3,80}\*?$/u, 'expected 3 to 80 letters, the last may be followed by *'),
  )
  .max(1_000)
const distressFile = z.record(
  z.string().regex(/^[a-z]{2,3}$/),
  z.strictObject({
    add: distressPhrases.optional(),
    replace: distressPhrases.optional(),
    except: distressPhrases.optional(),
    referral: z.string().trim().min(20).max(1_000).optional(),
  }),
)

/** @throws ConfigError naming the place in the file */
function readDistressWords(path: string): Config['distressWords'] {
  const fault = (what: string) => new ConfigError(`DISTRESS_WORDS_FILE: ${path}: ${what}`)
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''))
  } catch (error) {
    throw fault(`expected JSON, got ${error instanceof SyntaxError ? error.message : 'something unreadable'}`)
  }
  const checked = distressFile.safeParse(content)
  if (checked.success) return checked.data
  const faults = checked.error.issues.map(issue => {
    const message = issue.code === 'invalid_key' ? 'expected a language code such as en' : issue.message
    return `${issue.path.join('.') || 'the file'}: ${message}`
  })
  throw fault(faults.join('; '))
}

type Value = (name: string) => string | undefined

/** Reads values that have been checked. */
function readersOf(value: Value) {
  const asText = (name: string) => value(name) ?? ''
  const asNumber = (name: string) => Number(value(name))
  return {
    asText,
    asNumber,
    asFlag: (name: string) => /^(true|1|yes|on)$/i.test(asText(name)),
    asList: (name: string) => listOf(value(name)),
    asOptional: (name: string) => (value(name) === undefined ? undefined : asNumber(name)),
  }
}

function configOf(value: Value): Omit<Config, 'distressWords'> {
  const { asText, asNumber, asFlag, asList } = readersOf(value)
  return {
    databaseUrl: value('DATABASE_URL'),
    dataDir: asText('BELFRY_DATA_DIR'),
    host: asText('HOST'),
    port: asNumber('PORT'),
    botName: asText('BOT_NAME'),
    logLevel: asText('LOG_LEVEL') as LogLevel,
    adminUserIds: asList('ADMIN_USER_IDS').map(discordIdOf),
    commandPrefix: asText('DISCORD_COMMAND_PREFIX'),
    llm: llmOf(value),
    discord: discordOf(value),
    scheduler: {
      enabled: asFlag('JOB_SCHEDULER_ENABLED'),
      checkIntervalSeconds: asNumber('JOB_SCHEDULER_CHECK_INTERVAL_SECONDS'),
    },
    followUps: followUpsOf(value),
    privacy: { url: value('PRIVACY_URL'), keys: asList('PRIVACY_KEY') },
    cleanup: {
      enabled: asFlag('CLEANUP_ENABLED'),
      oldConversationsDays: asNumber('CLEANUP_OLD_CONVERSATIONS_DAYS'),
      failedJobsDays: asNumber('CLEANUP_FAILED_JOBS_DAYS'),
      tempFilesHours: asNumber('CLEANUP_TEMP_FILES_HOURS'),
    },
  }
}

function llmOf(value: Value): Config['llm'] {
  const { asText, asNumber, asOptional } = readersOf(value)
  const baseUrl = value('LLM_BASE_URL')
  if (!baseUrl) return undefined
  return {
    baseUrl,
    model: asText('LLM_MODEL'),
    apiKey: value('LLM_API_KEY'),
    timeoutMs: asNumber('LLM_TIMEOUT_SECONDS') * 1_000,
    temperature: asOptional('LLM_TEMPERATURE'),
    dailyTokenBudget: asOptional('LLM_DAILY_TOKEN_BUDGET'),
  }
}

function followUpsOf(value: Value): Config['followUps'] {
  const { asText, asNumber, asFlag } = readersOf(value)
  return {
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
    silent: asFlag('FOLLOW_UP_SILENT'),
    holdoutPercent: asNumber('FOLLOW_UP_HOLDOUT_PERCENT'),
    variants: variantsOf(asText('FOLLOW_UP_VARIANTS')),
    variantsSalt: asText('FOLLOW_UP_VARIANTS_SALT'),
  }
}

/** The text has been checked. */
function variantsOf(text: string): readonly Variant[] {
  const variants = parseVariants(text)
  return typeof variants === 'string' ? [] : variants
}

function discordOf(value: (name: string) => string | undefined): Config['discord'] {
  const token = value('DISCORD_TOKEN')
  const chatChannelIds = listOf(value('DISCORD_CHAT_CHANNEL_IDS'))
  if (!token) return undefined
  const asked = value('DISCORD_SHARDS')
  const shards = asked === 'auto' ? asked : Number(asked)
  return { token, apiBaseUrl: value('DISCORD_API_BASE_URL') ?? '', chatChannelIds, shards }
}

function listOf(text = ''): string[] {
  return text
    .split(',')
    .map(each => each.trim())
    .filter(Boolean)
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
