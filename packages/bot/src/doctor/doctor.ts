import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { createApp, type App } from '../app.ts'
import { ConfigError, readConfig, type Config } from '../config.ts'
import { openConfigured } from '../database/connect.ts'
import { FolderInUseError } from '../database/folder-lock.ts'
import { createLogger } from '../logger.ts'
import { activeControls } from '../followups/controls-store.ts'
import { checkDiscord, type DiscordCheck } from '../platforms/discord/checks.ts'
import { noDatabase } from './no-database.ts'

/** One thing looked at. A warning says what a lack costs, an error how to mend it. */
type Check = DiscordCheck

interface DoctorParts {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly output: Writable
}

const MARKS = { ok: 'ok     ', warning: 'warning', error: 'error  ' } as const
/** An embedded database and its log want some room. */
const LITTLE_BYTES = 1_000_000_000
const MOST_OFFSET_MS = 2_000

/** Looks at everything the bot needs and prints a line for each. Answers 1 when something must be mended. */
export async function runDoctor({ environment, clock, output }: DoctorParts): Promise<number> {
  const checks = await examine(environment, clock)
  for (const { level, name, text } of checks) output.write(`${MARKS[level]}  ${name}: ${text}\n`)
  const errors = checks.filter(each => each.level === 'error').length
  const warnings = checks.filter(each => each.level === 'warning').length
  output.write(
    errors === 0
      ? `The bot can start (${count(warnings, 'warning')}).\n`
      : `${count(errors, 'error')} to mend first.\n`,
  )
  return errors === 0 ? 0 : 1
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

async function examine(environment: DoctorParts['environment'], clock: Clock): Promise<Check[]> {
  let config: Config
  try {
    config = readConfig(environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n').map(text => ({ name: 'settings', level: 'error', text }))
  }
  const settings: Check = { name: 'settings', level: 'ok', text: 'every one is understood' }
  return [
    settings,
    ...(await withDatabase(config, clock)),
    zoneCheck(config),
    ...jobChecks(config),
    await diskCheck(config),
  ]
}

/** The database, and what needs one to be looked at. */
async function withDatabase(config: Config, clock: Clock): Promise<Check[]> {
  let open: Awaited<ReturnType<typeof openConfigured>>
  try {
    open = await openConfigured(config)
  } catch (error) {
    return [{ name: 'database', ...databaseTrouble(error) }, ...(await outsideChecks(config, noDatabase, clock))]
  }
  try {
    return [
      ...(await databaseChecks(open.database, { label: open.label, clock })),
      ...(await outsideChecks(config, open.database, clock)),
    ]
  } finally {
    await open.close()
  }
}

/** What the bot asks over a network. */
async function outsideChecks(config: Config, database: Database, clock: Clock): Promise<Check[]> {
  const app = createApp({ config, database, clock, logger: createLogger('silent') })
  return [await modelCheck(app), ...(await discordChecks(config, { app, clock }))]
}

function databaseTrouble(error: unknown): { level: Check['level']; text: string } {
  const text = error instanceof Error ? error.message : String(error)
  if (error instanceof FolderInUseError)
    return { level: 'ok', text: `in use by process ${error.holderPid ?? 'unknown'}, the running bot; not looked into` }
  return { level: 'error', text: `${text}. Look at DATABASE_URL, and whether the server runs` }
}

async function databaseChecks(database: Database, { label, clock }: { label: string; clock: Clock }): Promise<Check[]> {
  try {
    const { rows } = await database.query<{ now_ms: number }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms',
    )
    const offsetMs = Math.abs(clock.now().getTime() - (rows[0]?.now_ms ?? 0))
    const apart = `${Math.round(offsetMs / 1_000)} seconds apart: the database's decides what is due; set both by NTP`
    return [
      { name: 'database', level: 'ok', text: label },
      offsetMs <= MOST_OFFSET_MS
        ? { name: "clock beside the database's", level: 'ok', text: 'the same within 2 seconds' }
        : { name: "clock beside the database's", level: 'warning', text: apart },
      ...(await controlChecks(database)),
    ]
  } catch (error) {
    return [{ name: 'database', ...databaseTrouble(error) }]
  }
}

/** What stops everybody's follow-ups. A database that no bot has used yet holds none. */
async function controlChecks(database: Database): Promise<Check[]> {
  const controls = await activeControls(database, null).catch(() => [])
  return controls.map(({ name, reason, until }) => ({
    name: 'follow-ups',
    level: 'warning',
    text: `${name === 'new_channels' ? 'none to people the bot has no conversation with' : 'paused for everybody'} (${name}: ${reason}) until ${until ? `${until.toISOString()}, or ` : ''}an owner says !followup_resume`,
  }))
}

async function modelCheck({ llm }: App): Promise<Check> {
  const name = 'language model'
  if (!llm) {
    return {
      name,
      level: 'warning',
      text: 'none: replies and follow-ups come from templates. Set LLM_BASE_URL and LLM_MODEL',
    }
  }
  try {
    await llm.complete({ messages: [{ role: 'user', content: 'Say: ok' }], maxTokens: 20 })
    return { name, level: 'ok', text: `${llm.label} answers` }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return {
      name,
      level: 'warning',
      text: `${llm.label} does not answer (${reason}): templates are used until it does`,
    }
  }
}

async function discordChecks(config: Config, { app, clock }: { app: App; clock: Clock }): Promise<Check[]> {
  const { discord } = config
  if (discord) {
    const checks = await checkDiscord(discord, { commands: app.commands, shards: discord.shards, clock })
    return [...checks, ...dutyChecks(config)]
  }
  return [
    {
      name: 'discord',
      level: 'warning',
      text: 'no DISCORD_TOKEN: web and terminal alone. docs/discord.md leads through it',
    },
  ]
}

/** What Discord wants of whoever runs a bot, and what only an owner can do. */
function dutyChecks({ adminUserIds, privacy }: Config): Check[] {
  const checks: Check[] = []
  if (adminUserIds.length === 0) {
    const text =
      'no ADMIN_USER_IDS: nobody can resume follow-ups that the bot stopped by itself, or use admin commands in direct messages'
    checks.push({ name: 'owners', level: 'warning', text })
  }
  if (privacy.url === undefined) {
    const text = "no PRIVACY_URL: Discord's terms want a privacy policy that people can reach; !privacy links it"
    checks.push({ name: 'privacy policy', level: 'warning', text })
  }
  return checks
}

function zoneCheck({ followUps }: Config): Check {
  const name = 'time zone'
  if (followUps.timeZone) return { name, level: 'ok', text: `${followUps.timeZone}, for people who set none` }
  const text =
    'none: people who set none of their own are written to around the time of day they last wrote. Set FOLLOW_UP_TIME_ZONE'
  return { name, level: 'warning', text }
}

function jobChecks({ scheduler, followUps }: Config): Check[] {
  if (!scheduler.enabled) {
    return [{ name: 'job scheduler', level: 'warning', text: 'off (JOB_SCHEDULER_ENABLED): nobody is followed up' }]
  }
  if (followUps.enabled)
    return [{ name: 'follow-ups', level: 'ok', text: `after ${followUps.defaultDelayHours} h of silence` }]
  return [{ name: 'follow-ups', level: 'warning', text: 'off (FOLLOW_UP_ENABLED): nobody is followed up' }]
}

/** Room where the embedded database lies, or will. */
async function diskCheck({ dataDir, databaseUrl }: Config): Promise<Check> {
  const name = 'disk'
  if (databaseUrl) return { name, level: 'ok', text: "the database server's own matter" }
  for (let folder = resolve(dataDir); ; folder = dirname(folder)) {
    const room = await statfs(folder).catch(() => undefined)
    if (!room && folder !== dirname(folder)) continue
    const free = room ? room.bavail * room.bsize : 0
    const gigabytes = `${(free / 1_000_000_000).toFixed(1)} GB free`
    if (free >= LITTLE_BYTES) return { name, level: 'ok', text: gigabytes }
    return {
      name,
      level: 'warning',
      text: `${gigabytes}: a full disk stops the bot. Make room, or set BELFRY_DATA_DIR`,
    }
  }
}
