import { z } from 'zod'
import { choices, snowflake, text } from './shapes.ts'

/** What a bot may register, by Discord's page on application commands. */
const commandName = z
  .string()
  .regex(/^[-_'\p{L}\p{N}]{1,32}$/u, { error: 'APPLICATION_COMMAND_INVALID_NAME' })
  .refine(name => name === name.toLowerCase(), { error: 'APPLICATION_COMMAND_INVALID_NAME' })
const localizations = z.record(z.string(), z.string()).nullish()

const [SUBCOMMAND, SUBCOMMAND_GROUP] = [1, 2]
const isDivision = ({ type }: { type: number }) => type === SUBCOMMAND || type === SUBCOMMAND_GROUP

/** Subcommands stand beside subcommands alone; names once; what is required comes first. */
const optionList = (each: z.ZodType<CommandOption>) =>
  z
    .array(each)
    .max(25, { error: 'BASE_TYPE_MAX_LENGTH' })
    .refine(all => all.every(isDivision) || !all.some(isDivision), {
      error: 'APPLICATION_COMMAND_OPTIONS_TYPE_INVALID',
    })
    .refine(all => all.every(isDivision) || requiredFirst(all), {
      error: 'APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID',
    })
    .refine(all => new Set(all.map(({ name }) => name)).size === all.length, {
      error: 'APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS',
    })

const option: z.ZodType<CommandOption> = z
  .strictObject({
    type: z.number().int().min(1).max(11),
    name: commandName,
    name_localizations: localizations,
    description: text(1, 100),
    description_localizations: localizations,
    required: z.boolean().optional(),
    autocomplete: z.boolean().optional(),
    choices: choices.optional(),
    channel_types: z.array(z.number().int()).optional(),
    min_value: z.number().optional(),
    max_value: z.number().optional(),
    min_length: z.number().int().min(0).max(6_000).optional(),
    max_length: z.number().int().min(1).max(6_000).optional(),
    options: z.lazy(() => optionList(option)).optional(),
  })
  .refine(it => [3, 4, 10].includes(it.type) || (!it.choices && !it.autocomplete), {
    error: 'APPLICATION_COMMAND_OPTIONS_TYPE_INVALID',
  })
  .refine(it => !(it.autocomplete && it.choices), { error: 'APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES' })
  .refine(it => !isDivision(it) || it.required === undefined, { error: 'APPLICATION_COMMAND_OPTIONS_TYPE_INVALID' })
  // Arguments have no options, subcommands no subcommands, and groups nothing but those.
  .refine(it => (it.options ?? []).every(each => mayHold(it.type, each.type)) && (isDivision(it) || !it.options), {
    error: 'APPLICATION_COMMAND_OPTIONS_TYPE_INVALID',
  })
  .refine(it => it.type === 3 || (it.min_length === undefined && it.max_length === undefined), {
    error: 'APPLICATION_COMMAND_OPTIONS_TYPE_INVALID',
  })
  .refine(it => it.type === 4 || it.type === 10 || (it.min_value === undefined && it.max_value === undefined), {
    error: 'APPLICATION_COMMAND_OPTIONS_TYPE_INVALID',
  })

function mayHold(outer: number, inner: number): boolean {
  if (outer === SUBCOMMAND_GROUP) return inner === SUBCOMMAND
  return outer === SUBCOMMAND && inner > SUBCOMMAND_GROUP
}

export interface CommandOption {
  type: number
  name: string
  description: string
  required?: boolean | undefined
  autocomplete?: boolean | undefined
  min_value?: number | undefined
  max_value?: number | undefined
  max_length?: number | undefined
  choices?: { name: string; value: string | number }[] | undefined
  options?: CommandOption[] | undefined
}

/** Bulk overwrite of application commands (chat input). */
export const commands = z
  .array(
    z.strictObject({
      id: snowflake.optional(),
      type: z.literal(1).optional(),
      name: commandName,
      name_localizations: localizations,
      description: text(1, 100),
      description_localizations: localizations,
      options: optionList(option).optional(),
      default_member_permissions: z.string().regex(/^\d+$/).nullish(),
      dm_permission: z.boolean().nullish(),
      contexts: z.array(z.number().int().min(0).max(2)).nullish(),
      integration_types: z.array(z.number().int().min(0).max(1)).nullish(),
      nsfw: z.boolean().optional(),
      handler: z.number().int().optional(),
    }),
  )
  .max(100)
  .refine(all => new Set(all.map(each => each.name)).size === all.length, {
    error: 'APPLICATION_COMMANDS_DUPLICATE_NAME',
  })
  .refine(all => all.every(each => sizeOf(each) <= 8_000), { error: 'APPLICATION_COMMAND_TOO_LARGE' })
export type NewCommand = z.infer<typeof commands>[number]

/** Names, descriptions and values of a command and all within it. */
function sizeOf(it: Pick<CommandOption, 'name' | 'description' | 'options' | 'choices'>): number {
  const choicesSize = (it.choices ?? []).reduce((sum, { name, value }) => sum + name.length + String(value).length, 0)
  const inner = (it.options ?? []).reduce((sum, each) => sum + sizeOf(each), 0)
  return it.name.length + it.description.length + choicesSize + inner
}

function requiredFirst(options: readonly CommandOption[]): boolean {
  const firstOptional = options.findIndex(each => !each.required)
  return firstOptional === -1 || options.slice(firstOptional).every(each => !each.required)
}
