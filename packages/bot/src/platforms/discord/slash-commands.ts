import {
  ApplicationCommandOptionType,
  ApplicationCommandType,
  InteractionContextType,
  PermissionFlagsBits,
  Routes,
  type REST,
} from 'discord.js'
import type { Command, CommandOption } from '../../commands/command.ts'

/** A slash command as it is registered. */
export interface SlashCommand {
  readonly name: string
  readonly description: string
  readonly type: ApplicationCommandType.ChatInput
  readonly contexts: readonly InteractionContextType[]
  readonly default_member_permissions: string | null
  readonly options: readonly SlashOption[]
}

export interface SlashOption {
  readonly type: ApplicationCommandOptionType.String | ApplicationCommandOptionType.User
  readonly name: string
  readonly description: string
  readonly required?: boolean
  readonly autocomplete?: boolean
  readonly choices?: readonly { readonly name: string; readonly value: string }[]
}

/** Longest description [Discord's reference, Application Commands]. */
const LONGEST = 100
/** The one option of a command that says no more of its arguments than a usage line. */
const ARGUMENTS = 'arguments'

/** The options a command asks for. */
export function optionsOf(command: Command): readonly CommandOption[] {
  if (command.options) return command.options
  return command.usage === '' ? [] : [{ name: ARGUMENTS, about: command.usage, kind: 'text' }]
}

/** The slash twins of the commands there are. Those for admins are offered to people who may manage the server. */
export function slashCommandsOf(commands: readonly Command[]): SlashCommand[] {
  return commands.map(command => ({
    name: command.name,
    description: short(command.about),
    type: ApplicationCommandType.ChatInput,
    contexts: command.adminOnly
      ? [InteractionContextType.Guild]
      : [InteractionContextType.Guild, InteractionContextType.BotDM],
    default_member_permissions: command.adminOnly ? String(PermissionFlagsBits.ManageGuild) : null,
    options: optionsOf(command).map(option => ({
      type: option.kind === 'person' ? ApplicationCommandOptionType.User : ApplicationCommandOptionType.String,
      name: option.name,
      description: short(option.about),
      ...(option.required && { required: true }),
      ...(option.kind === 'job' && { autocomplete: true }),
      ...(option.choices && { choices: option.choices.map(value => ({ name: value, value })) }),
    })),
  }))
}

/** The text that a use of a slash command stands for: what somebody would have typed. */
export function textOfUse(
  command: Command,
  { prefix, valueOf }: { prefix: string; valueOf: (option: string) => string | undefined },
): string {
  const values = optionsOf(command).flatMap(({ name, kind }) => {
    const value = valueOf(name)
    return value === undefined ? [] : [kind === 'person' ? `discord:${value}` : value]
  })
  return [`${prefix}${command.name}`, ...values].join(' ')
}

/** Whether Discord has these commands already: Discord writes out what was left out, and leaves out what is false. */
export function areSame(registered: readonly unknown[], wanted: readonly SlashCommand[]): boolean {
  const canonical = (commands: readonly unknown[]) => commands.map(canonicalOf).toSorted()
  return JSON.stringify(canonical(registered)) === JSON.stringify(canonical(wanted))
}

function canonicalOf(command: unknown): string {
  const {
    name,
    description,
    contexts,
    default_member_permissions: permissions,
    options,
  } = command as Partial<SlashCommand>
  return JSON.stringify([
    name,
    description,
    (contexts ?? []).toSorted((a, b) => a - b),
    permissions ?? null,
    (options ?? []).map(option => [
      option.type,
      option.name,
      option.description,
      option.required ?? false,
      option.autocomplete ?? false,
      (option.choices ?? []).map(choice => [choice.name, choice.value]),
    ]),
  ])
}

/**
 * Registers the commands for every server, if what is registered differs. Discord counts registrations.
 * @throws what Discord answers
 */
export async function registerCommands(
  rest: REST,
  { applicationId, commands }: { applicationId: string; commands: readonly Command[] },
): Promise<'unchanged' | 'registered'> {
  const wanted = slashCommandsOf(commands)
  const route = Routes.applicationCommands(applicationId)
  if (areSame((await rest.get(route)) as unknown[], wanted)) return 'unchanged'
  await rest.put(route, { body: wanted })
  return 'registered'
}

function short(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`
}
