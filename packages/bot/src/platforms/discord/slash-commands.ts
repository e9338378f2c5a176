import {
  ApplicationCommandOptionType,
  ApplicationCommandType,
  InteractionContextType,
  PermissionFlagsBits,
  Routes,
  type REST,
} from 'discord.js'
import type { Command, CommandOption, Subcommand } from '../../commands/command.ts'
import { LAST_PAGE } from '../../commands/pages.ts'

/** A slash command as it is registered. */
export interface SlashCommand {
  readonly name: string
  readonly description: string
  readonly type: ApplicationCommandType.ChatInput
  readonly contexts: readonly InteractionContextType[]
  readonly default_member_permissions: string | null
  /** Either subcommands or arguments. */
  readonly options: readonly SlashOption[]
}

export interface SlashOption {
  readonly type:
    | ApplicationCommandOptionType.Subcommand
    | ApplicationCommandOptionType.String
    | ApplicationCommandOptionType.Integer
    | ApplicationCommandOptionType.User
  readonly name: string
  readonly description: string
  readonly required?: boolean
  readonly autocomplete?: boolean
  readonly min_value?: number
  readonly max_value?: number
  readonly max_length?: number
  readonly choices?: readonly { readonly name: string; readonly value: string }[]
  /** Of a subcommand. */
  readonly options?: readonly SlashOption[]
}

/** What a use of a slash command names: the command, and the subcommand chosen of it. */
export interface SlashName {
  readonly name: string
  readonly subcommand: string | undefined
}

/** Longest description, and longest text that is worth typing; Discord takes 6,000 [its reference, Application Commands]. */
const LONGEST = 100
const LONGEST_TEXT = 300
/** The one option of a command that says no more of its arguments than a usage line. */
const ARGUMENTS = 'arguments'

/** The options a command, or a way of using it, asks for. */
export function optionsOf(command: Command | Subcommand): readonly CommandOption[] {
  if (command.options) return command.options
  return 'usage' in command && command.usage !== '' ? [{ name: ARGUMENTS, about: command.usage, kind: 'text' }] : []
}

/** The slash twins of the commands there are. Those for admins are offered to people who may manage the server. */
export function slashCommandsOf(commands: readonly Command[]): SlashCommand[] {
  const groups = new Map<string, Command[]>()
  for (const command of commands) {
    const name = command.group ?? command.name
    groups.set(name, [...(groups.get(name) ?? []), command])
  }
  return [...groups].map(([name, members]) => slashCommandOf(name, members))
}

function slashCommandOf(name: string, members: readonly Command[]): SlashCommand {
  const isGroup = members.some(({ group }) => group !== undefined)
  // Discord lets a server open a command to people as a whole: one for admins among them makes all of them theirs.
  const adminOnly = members.some(member => member.adminOnly)
  const about = isGroup ? `What there is: ${members.map(subcommandName).join(', ')}.` : (members[0]?.about ?? '')
  return {
    name,
    description: short(about),
    type: ApplicationCommandType.ChatInput,
    contexts: adminOnly ? [InteractionContextType.Guild] : [InteractionContextType.Guild, InteractionContextType.BotDM],
    default_member_permissions: adminOnly ? String(PermissionFlagsBits.ManageGuild) : null,
    options: isGroup ? members.map(member => subcommandOf(member, subcommandName(member))) : members.flatMap(inside),
  }
}

function inside(command: Command): SlashOption[] {
  if (command.subcommands) return command.subcommands.map(each => subcommandOf(each, each.name))
  return optionsOf(command).map(argumentOf)
}

/** `job_list` of the group `job` is `list`. */
function subcommandName({ name, group }: Command): string {
  return group === undefined ? name : name.slice(group.length + 1)
}

function subcommandOf(form: Command | Subcommand, name: string): SlashOption {
  return {
    type: ApplicationCommandOptionType.Subcommand,
    name,
    description: short(form.about),
    options: optionsOf(form).map(argumentOf),
  }
}

const TYPES = {
  person: ApplicationCommandOptionType.User,
  page: ApplicationCommandOptionType.Integer,
  text: ApplicationCommandOptionType.String,
  job: ApplicationCommandOptionType.String,
  zone: ApplicationCommandOptionType.String,
} as const

function argumentOf({ name, about, kind, required, choices }: CommandOption): SlashOption {
  const type = TYPES[kind]
  const isText = type === ApplicationCommandOptionType.String
  return {
    type,
    name,
    description: short(about),
    ...(required && { required: true }),
    ...((kind === 'job' || kind === 'zone') && { autocomplete: true }),
    ...(kind === 'page' && { min_value: 1, max_value: LAST_PAGE }),
    ...(isText && !choices && { max_length: LONGEST_TEXT }),
    ...(choices && { choices: choices.map(value => ({ name: value, value })) }),
  }
}

/** The command that is used, and the way of using it that is chosen; undefined: there is none any more. */
export function usedCommand(
  commands: readonly Command[],
  { name, subcommand }: SlashName,
): { command: Command; form: Command | Subcommand } | undefined {
  const member = commands.find(each => each.group === name && subcommandName(each) === subcommand)
  if (member) return { command: member, form: member }
  const command = commands.find(each => each.group === undefined && each.name === name)
  const form = command?.subcommands ? command.subcommands.find(each => each.name === subcommand) : command
  return command && form && { command, form }
}

/** The text that a use of a slash command stands for: what somebody would have typed. */
export function textOfUse(
  { command, form }: { command: Command; form: Command | Subcommand },
  { prefix, valueOf }: { prefix: string; valueOf: (option: string) => string | undefined },
): string {
  const values = optionsOf(form).flatMap(({ name, kind }) => {
    const value = valueOf(name)
    return value === undefined ? [] : [kind === 'person' ? `discord:${value}` : value]
  })
  return [`${prefix}${command.name}`, ...(form === command ? [] : [form.name]), ...values].join(' ')
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
    (options ?? []).map(canonicalOption),
  ])
}

/** In order: Discord shows options in the order in which they were registered. */
function canonicalOption(option: SlashOption): unknown[] {
  return [
    option.type,
    option.name,
    option.description,
    option.required ?? false,
    option.autocomplete ?? false,
    [option.min_value ?? null, option.max_value ?? null, option.max_length ?? null],
    (option.choices ?? []).map(choice => [choice.name, choice.value]),
    (option.options ?? []).map(canonicalOption),
  ]
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
