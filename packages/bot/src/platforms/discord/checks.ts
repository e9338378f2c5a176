import { ApplicationFlagsBitField, Routes, type APIGatewayBotInfo, type REST } from 'discord.js'
import type { Clock } from 'belfry'
import type { Command } from '../../commands/command.ts'
import { accessTrouble, inviteLinkOf, NEEDED_PERMISSIONS, restOf, sayTrouble, type DiscordAccess } from './invite.ts'
import { areSame, slashCommandsOf } from './slash-commands.ts'

/** One thing about Discord that was looked at: in order, or with what it costs, or with how to mend it. */
export interface DiscordCheck {
  readonly name: string
  readonly level: 'ok' | 'warning' | 'error'
  readonly text: string
}

/** Clocks that differ by more make times in answers and nonce windows wrong. */
const MOST_OFFSET_MS = 5_000
/** Of a thousand logins a day: so few are left only when something is wrong. */
const FEW_LOGINS = 100
/** Servers Discord gives at once. */
const PAGE = 200
const { GatewayMessageContent, GatewayMessageContentLimited } = ApplicationFlagsBitField.Flags

/** Looks at the token, the application, its intents, its servers and its commands. Changes nothing. */
export async function checkDiscord(
  access: DiscordAccess,
  { commands, shards, clock }: { commands: readonly Command[]; shards: number | 'auto'; clock: Clock },
): Promise<DiscordCheck[]> {
  const rest = restOf(access)
  let application: { id: string; name: string; flags?: number }
  try {
    application = (await rest.get(Routes.currentApplication())) as typeof application
  } catch (error) {
    return [{ name: 'discord token', level: 'error', text: accessTrouble(error) }]
  }
  const looks = [
    () => checkGuilds(rest, application.id),
    () => checkCommands(rest, { applicationId: application.id, commands }),
    () => checkGateway(rest, { shards, clock }),
  ]
  const checks: DiscordCheck[] = [
    {
      name: 'discord token',
      level: 'ok',
      text: `accepted; the application is ${application.name} (${application.id})`,
    },
    intentCheck(application.flags ?? 0),
  ]
  for (const look of looks) {
    checks.push(
      ...(await look().catch((error: unknown) => [
        { name: 'discord', level: 'error', text: sayTrouble(error) } as const,
      ])),
    )
  }
  return checks
}

function intentCheck(flags: number): DiscordCheck {
  const hasContent = (flags & (GatewayMessageContent | GatewayMessageContentLimited)) !== 0
  return hasContent
    ? { name: 'discord intents', level: 'ok', text: 'Message Content is granted' }
    : {
        name: 'discord intents',
        level: 'warning',
        text: 'no Message Content: in servers the bot hears mentions, replies and slash commands, but no bare ! commands and no talk without a mention. Direct messages and follow-ups work. Grant it in the developer portal, Bot',
      }
}

async function checkGuilds(rest: REST, applicationId: string): Promise<DiscordCheck[]> {
  const guilds = (await rest.get(Routes.userGuilds())) as { id: string; name: string; permissions: string }[]
  if (guilds.length === 0) {
    const text = `in no server: nobody can write to it. Open ${inviteLinkOf(applicationId)}`
    return [{ name: 'discord servers', level: 'error', text }]
  }
  const lacking = guilds.flatMap(({ name, permissions }) => {
    const missing = NEEDED_PERMISSIONS.filter(([, bit]) => (BigInt(permissions) & bit) === 0n)
    return missing.map(([permission, , cost]) => `${name} lacks ${permission}: ${cost}`)
  })
  if (lacking.length === 0) {
    const text =
      guilds.length < PAGE
        ? `in ${guilds.length}, with every permission it needs`
        : `every permission it needs in the first ${guilds.length}; the others were not looked at`
    return [{ name: 'discord servers', level: 'ok', text }]
  }
  return lacking.map(text => ({ name: 'discord servers', level: 'warning', text }))
}

async function checkCommands(
  rest: REST,
  { applicationId, commands }: { applicationId: string; commands: readonly Command[] },
): Promise<DiscordCheck[]> {
  const registered = (await rest.get(Routes.applicationCommands(applicationId))) as unknown[]
  const wanted = slashCommandsOf(commands)
  const isCurrent = areSame(registered, wanted)
  return [
    isCurrent
      ? { name: 'discord commands', level: 'ok', text: `${wanted.length} slash commands are registered` }
      : {
          name: 'discord commands',
          level: 'warning',
          text: `${registered.length} registered, ${wanted.length} known: slash commands are not up to date; starting the bot registers them`,
        },
  ]
}

/** The connection that is to be made, and both clocks: Discord says the time with every answer. */
async function checkGateway(
  rest: REST,
  { shards, clock }: { shards: number | 'auto'; clock: Clock },
): Promise<DiscordCheck[]> {
  const answer = await rest.queueRequest({ fullRoute: Routes.gatewayBot(), method: 'GET' as never })
  const gateway = (await answer.json()) as APIGatewayBotInfo
  return [shardCheck(gateway, shards), ...loginCheck(gateway), ...clockCheck(answer.headers.get('date'), clock)]
}

function shardCheck(gateway: APIGatewayBotInfo, shards: number | 'auto'): DiscordCheck {
  const name = 'discord connections'
  if (shards === 'auto') return { name, level: 'ok', text: `${gateway.shards}, as many as Discord recommends` }
  if (shards >= gateway.shards) return { name, level: 'ok', text: String(shards) }
  const text = `${shards}; Discord recommends ${gateway.shards}, and refuses too few beyond 2,500 servers each. Set DISCORD_SHARDS=auto`
  return { name, level: 'warning', text }
}

function loginCheck({
  session_start_limit: { remaining, reset_after: resetAfterMs },
}: APIGatewayBotInfo): DiscordCheck[] {
  if (remaining >= FEW_LOGINS) return []
  const hours = Math.ceil(resetAfterMs / 3_600_000)
  const text = `${remaining} left for the next ${hours} hours: when none is left the bot stays away until then. Something starts it again and again`
  return [{ name: 'discord logins', level: 'warning', text }]
}

function clockCheck(date: string | null, clock: Clock): DiscordCheck[] {
  const told = Date.parse(date ?? '')
  if (Number.isNaN(told)) return []
  const offsetMs = Math.abs(clock.now().getTime() - told)
  const name = "clock beside Discord's"
  if (offsetMs <= MOST_OFFSET_MS) return [{ name, level: 'ok', text: 'the same within 5 seconds' }]
  const text = `${Math.round(offsetMs / 1_000)} seconds apart: times in answers are wrong. Set this machine's clock by NTP`
  return [{ name, level: 'warning', text }]
}
