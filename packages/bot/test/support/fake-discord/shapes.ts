import { z } from 'zod'
import { invalidForm } from './refusals.ts'

/** Limits and fields of the bodies a bot may send, by Discord's pages on messages, embeds, components, commands. */
export const snowflake = z.string().regex(/^\d{15,21}$/, { error: 'NUMBER_TYPE_COERCE' })

/** Discord counts characters, not UTF-16 units. */
export const text = (least: number, most: number) =>
  z
    .string()
    .refine(value => Array.from(value).length >= least, { error: `BASE_TYPE_MIN_LENGTH` })
    .refine(value => Array.from(value).length <= most, { error: `BASE_TYPE_MAX_LENGTH` })

const url = z.string().regex(/^(https?|discord|attachment):\/\//, { error: 'URL_TYPE_INVALID_URL' })

const embed = z.strictObject({
  title: text(0, 256).optional(),
  type: z.string().optional(),
  description: text(0, 4_096).optional(),
  url: url.optional(),
  timestamp: z.string().optional(),
  color: z.number().int().min(0).max(0xff_ff_ff).optional(),
  footer: z.strictObject({ text: text(1, 2_048), icon_url: url.optional() }).optional(),
  image: z.strictObject({ url }).optional(),
  thumbnail: z.strictObject({ url }).optional(),
  author: z.strictObject({ name: text(1, 256), url: url.optional(), icon_url: url.optional() }).optional(),
  fields: z
    .array(z.strictObject({ name: text(1, 256), value: text(1, 1_024), inline: z.boolean().optional() }))
    .max(25, { error: 'BASE_TYPE_MAX_LENGTH' })
    .optional(),
})

const emoji = z.strictObject({ id: snowflake.nullish(), name: z.string().nullish(), animated: z.boolean().optional() })

const button = z
  .strictObject({
    type: z.literal(2),
    id: z.number().int().optional(),
    style: z.number().int().min(1).max(5),
    label: text(0, 80).optional(),
    emoji: emoji.optional(),
    custom_id: text(1, 100).optional(),
    url: url.optional(),
    disabled: z.boolean().optional(),
  })
  .refine(it => (it.style === 5 ? it.url !== undefined && it.custom_id === undefined : it.url === undefined), {
    error: 'BUTTON_COMPONENT_INVALID_URL',
  })
  .refine(it => it.style === 5 || it.custom_id !== undefined, { error: 'BUTTON_COMPONENT_CUSTOM_ID_REQUIRED' })
  .refine(it => Boolean(it.label ?? it.emoji), { error: 'BUTTON_COMPONENT_LABEL_OR_EMOJI_REQUIRED' })

const select = z.strictObject({
  type: z.literal(3),
  id: z.number().int().optional(),
  custom_id: text(1, 100),
  placeholder: text(0, 150).optional(),
  min_values: z.number().int().min(0).max(25).optional(),
  max_values: z.number().int().min(1).max(25).optional(),
  disabled: z.boolean().optional(),
  options: z
    .array(
      z.strictObject({
        label: text(1, 100),
        value: text(1, 100),
        description: text(0, 100).optional(),
        emoji: emoji.optional(),
        default: z.boolean().optional(),
      }),
    )
    .min(1, { error: 'BASE_TYPE_BAD_LENGTH' })
    .max(25, { error: 'BASE_TYPE_BAD_LENGTH' }),
})

const row = z
  .strictObject({
    type: z.literal(1),
    id: z.number().int().optional(),
    components: z
      .array(z.discriminatedUnion('type', [button, select]))
      .min(1, { error: 'BASE_TYPE_BAD_LENGTH' })
      .max(5, { error: 'BASE_TYPE_BAD_LENGTH' }),
  })
  .refine(it => it.components.length === 1 || it.components.every(each => each.type === 2), {
    error: 'COMPONENT_LAYOUT_WIDTH_EXCEEDED',
  })

const allowedMentions = z
  .strictObject({
    parse: z.array(z.enum(['roles', 'users', 'everyone'])).optional(),
    roles: z.array(snowflake).max(100).optional(),
    users: z.array(snowflake).max(100).optional(),
    replied_user: z.boolean().optional(),
  })
  .refine(it => !(it.parse?.includes('users') && it.users?.length), {
    error: 'MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE',
  })
  .refine(it => !(it.parse?.includes('roles') && it.roles?.length), {
    error: 'MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE',
  })

const content = {
  content: text(0, 2_000).nullish(),
  tts: z.boolean().optional(),
  embeds: z
    .array(embed)
    .max(10, { error: 'BASE_TYPE_MAX_LENGTH' })
    .refine(all => all.reduce((sum, each) => sum + embedSize(each), 0) <= 6_000, { error: 'MAX_EMBED_SIZE_EXCEEDED' })
    .nullish(),
  allowed_mentions: allowedMentions.nullish(),
  components: z
    .array(row)
    .max(5, { error: 'BASE_TYPE_BAD_LENGTH' })
    .refine(rows => new Set(customIdsOf(rows)).size === customIdsOf(rows).length, {
      error: 'COMPONENT_CUSTOM_ID_DUPLICATED',
    })
    .nullish(),
  attachments: z.array(z.unknown()).max(10).nullish(),
}

const flags = (allowed: number) =>
  z
    .number()
    .int()
    .refine(value => (value & ~allowed) === 0, { error: 'MESSAGE_FLAGS_INVALID' })
    .nullish()

/** SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS; interactions also EPHEMERAL. */
const [SUPPRESS_EMBEDS, EPHEMERAL, SUPPRESS_NOTIFICATIONS] = [1 << 2, 1 << 6, 1 << 12]

/** Create Message. */
export const newMessage = z.strictObject({
  ...content,
  nonce: z.union([z.number().int(), text(0, 25)]).nullish(),
  enforce_nonce: z.boolean().optional(),
  message_reference: z
    .strictObject({
      type: z.literal(0).optional(),
      message_id: snowflake,
      channel_id: snowflake.optional(),
      guild_id: snowflake.optional(),
      fail_if_not_exists: z.boolean().optional(),
    })
    .nullish(),
  sticker_ids: z.array(snowflake).max(3).nullish(),
  flags: flags(SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS),
})
export type NewMessage = z.infer<typeof newMessage>

/** Edit Message, and an edit of an interaction's answer. */
export const messageEdit = z.strictObject({
  ...content,
  nonce: z.union([z.number(), z.string()]).nullish(),
  enforce_nonce: z.boolean().optional(),
  flags: flags(SUPPRESS_EMBEDS),
})

/** An interaction's answer that is a message, or one that follows it. */
export const interactionMessage = z.strictObject({
  ...content,
  // Libraries send these with every message; for interactions they mean nothing.
  nonce: z.union([z.number(), z.string()]).nullish(),
  enforce_nonce: z.boolean().optional(),
  flags: flags(SUPPRESS_EMBEDS | EPHEMERAL | SUPPRESS_NOTIFICATIONS),
})
export type InteractionMessage = z.infer<typeof interactionMessage>

export const choices = z
  .array(
    z.strictObject({
      name: text(1, 100),
      name_localizations: z.record(z.string(), z.string()).nullish(),
      value: z.union([text(1, 100), z.number()]),
    }),
  )
  .max(25, { error: 'BASE_TYPE_BAD_LENGTH' })

/** Create Interaction Response, by its type. */
export const callback = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal(4), data: interactionMessage }),
  z.strictObject({ type: z.literal(5), data: z.strictObject({ flags: flags(EPHEMERAL) }).nullish() }),
  z.strictObject({ type: z.literal(6), data: z.undefined().optional() }),
  z.strictObject({ type: z.literal(7), data: interactionMessage }),
  z.strictObject({ type: z.literal(8), data: z.strictObject({ choices }) }),
])
export type Callback = z.infer<typeof callback>

export const openDm = z.strictObject({ recipient_id: snowflake })

function embedSize(it: z.infer<typeof embed>): number {
  const parts = [it.title, it.description, it.footer?.text, it.author?.name]
  const fields = (it.fields ?? []).flatMap(field => [field.name, field.value])
  return [...parts, ...fields].reduce((sum, part) => sum + Array.from(part ?? '').length, 0)
}

/** Every custom id of a message's rows. */
export function customIdsOf(rows: readonly z.infer<typeof row>[] | null | undefined): string[] {
  return (rows ?? []).flatMap(each => each.components.flatMap(part => part.custom_id ?? []))
}

/** The body as its shape says, or 50035 with every fault. */
export function parse<T>(shape: z.ZodType<T>, body: unknown): T {
  const result = shape.safeParse(body)
  if (result.success) return result.data
  throw invalidForm(
    result.error.issues.map(({ path, code, message }) => ({
      path: path.map(key => (typeof key === 'symbol' ? String(key) : key)),
      code: /^[A-Z_]+$/.test(message) ? message : `FIELD_${code.toUpperCase()}`,
      message,
    })),
  )
}
