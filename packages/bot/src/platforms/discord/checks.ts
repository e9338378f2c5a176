import { ApplicationFlagsBitField, DiscordAPIError, Routes, type REST } from 'discord.js'
import type { Clock } from 'belfry'
import type { Command } from '../../commands/command.ts'
import { inviteLinkOf, NEEDED_PERMISSIONS, restOf, type DiscordAccess } from './invite.ts'
import { areSame, slashCommandsOf } from './slash-commands.ts'

/** One thing about Discord that was looked at: in order, or with what it costs, or with how to mend it. */
export interface DiscordCheck {
  readonly name: string
  readonly level: 'ok' | 'warning' | 'error'
  readonly text: string
}

/** Clocks that differ by more make times in answers and nonce windows wrong. */
const MOST_OFFSET_MS = 5_000
const { GatewayMessageContent, GatewayMessageContentLimited } = ApplicationFlagsBitField.Flags

/** Looks at the token, the application, its intents, its servers and its commands. Changes nothing. */
export async function checkDiscord(
  access: DiscordAccess,
  { commands, clock }: { commands: readonly Command[]; clock: Clock },
): Promise<DiscordCheck[]> {
  const rest = restOf(access)
  let application: { id: string; name: string; flags?: number }
  try {
    application = (await rest.get(Routes.currentApplication())) as typeof application
  } catch (error) {
    return [tokenTrouble(error)]
  }
  const looks = [
    () => checkGuilds(rest, application.id),
    () => checkCommands(rest, { applicationId: application.id, commands }),
    () => checkClock(rest, clock),
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

function tokenTrouble(error: unknown): DiscordCheck {
  const isRefused = error instanceof DiscordAPIError && error.status === 401
  const text = isRefused
    ? 'Discord refuses the token. Make a new one (developer portal, Bot, Reset Token) and set DISCORD_TOKEN'
    : `Discord cannot be asked: ${sayTrouble(error)}. Look at the network, and at DISCORD_API_BASE_URL`
  return { name: 'discord token', level: 'error', text }
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
    return [{ name: 'discord servers', level: 'ok', text: `in ${guilds.length}, with every permission it needs` }]
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

async function checkClock(rest: REST, clock: Clock): Promise<DiscordCheck[]> {
  const { headers } = await rest.queueRequest({ fullRoute: Routes.gatewayBot(), method: 'GET' as never })
  const told = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(told)) return []
  const offsetMs = Math.abs(clock.now().getTime() - told)
  const name = "clock beside Discord's"
  if (offsetMs <= MOST_OFFSET_MS) return [{ name, level: 'ok', text: 'the same within 5 seconds' }]
  const text = `${Math.round(offsetMs / 1_000)} seconds apart: times in answers are wrong. Set this machine's clock by NTP`
  return [{ name, level: 'warning', text }]
}

function sayTrouble(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}
