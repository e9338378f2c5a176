import { randomBytes } from 'node:crypto'
import type { FakeCommand } from './records.ts'
import type { Gateway } from './gateway.ts'
import { channelObject, memberObject, messageObject, userObject } from './objects.ts'
import { refusal, type Json } from './refusals.ts'
import type { CommandOption } from './command-shapes.ts'
import type { Callback } from './shapes.ts'
import { Permission, type FakeChannel, type World } from './world.ts'

/** What a person saw of the bot's answer. */
export interface InteractionAnswer {
  readonly kind: 'message' | 'update' | 'choices' | 'follow-up' | 'edit'
  readonly content: string
  readonly ephemeral: boolean
  /** The message that was made or changed. */
  readonly messageId: string | undefined
  readonly embeds: readonly unknown[]
  readonly components: readonly unknown[]
  readonly choices: readonly { name: string; value: string | number }[]
}

/** One use of a command or button by a person. */
export interface LiveInteraction {
  readonly id: string
  readonly token: string
  /** 2 command, 3 button, 4 autocomplete. */
  readonly type: 2 | 3 | 4
  readonly at: number
  readonly channelId: string
  /** Type of the first response, once there is one. */
  acknowledged: Callback['type'] | undefined
  ephemeral: boolean
  /** The message that answers, and the one that holds the button. */
  originalId: string | undefined
  readonly messageId: string | undefined
  readonly payload: Json
  readonly answers: InteractionAnswer[]
  /** Resolves with the first thing the person sees. */
  readonly answered: Promise<InteractionAnswer>
  readonly show: (answer: InteractionAnswer) => void
}

export interface CommandUse {
  readonly userId: string
  readonly channelId: string
  readonly name: string
  readonly subcommand?: string
  readonly options?: Readonly<Record<string, string | number | boolean>>
}

const SUBCOMMAND = 1
/** Longest text, and numbers furthest from zero, that a client lets through. */
const [LONGEST_TEXT, MOST] = [6_000, 2 ** 53]

/** Registered commands, and people who use them and press buttons. */
export class Interactions {
  readonly #world: World
  readonly #gateway: Gateway
  #commands: FakeCommand[] = []
  readonly #live = new Map<string, LiveInteraction>()

  constructor(world: World, gateway: Gateway) {
    this.#world = world
    this.#gateway = gateway
  }

  commandsOf(guildId: string | undefined): FakeCommand[] {
    return this.#commands.filter(each => each.guildId === guildId)
  }

  replaceCommands(guildId: string | undefined, commands: readonly FakeCommand[]): void {
    this.#commands = [...this.#commands.filter(each => each.guildId !== guildId), ...commands]
  }

  /** Somebody uses a slash command, as their client would let them. @throws when it would not */
  use(use: CommandUse): LiveInteraction {
    const { channel, command } = this.#offered(use)
    return this.#begin({ type: 2, userId: use.userId, channel, data: this.#commandData(command, use) })
  }

  /** Somebody types into an option that completes itself. */
  complete(use: CommandUse, focused: string): LiveInteraction {
    const { channel, command } = this.#offered(use)
    return this.#begin({ type: 4, userId: use.userId, channel, data: this.#commandData(command, use, focused) })
  }

  /** Somebody presses a button. `forged`: with an id the message does not have, as only a hand-made client could. */
  press(request: { userId: string; messageId: string; customId: string; forged?: boolean }): LiveInteraction {
    const message = this.#world.messages.get(request.messageId)
    const channel = this.#world.channels.get(message?.channelId ?? '')
    if (!message || !channel) throw new Error(`no message ${request.messageId} to press a button on`)
    const has = JSON.stringify(message.components).includes(JSON.stringify(request.customId))
    if (!has && !request.forged) throw new Error(`the message has no button ${request.customId}`)
    const data = { component_type: 2, custom_id: request.customId, id: 1 }
    return this.#begin({ type: 3, userId: request.userId, channel, data, messageId: message.id })
  }

  /** The gateway hands an interaction in once more, as after a resume. */
  repeat({ payload }: LiveInteraction): void {
    this.#gateway.interaction(payload)
  }

  byToken(token: string): LiveInteraction | undefined {
    return this.#live.get(token)
  }

  /** The command as a person's client offers it. */
  #offered({ userId, channelId, name }: CommandUse): { channel: FakeChannel; command: FakeCommand } {
    const channel = this.#world.channels.get(channelId)
    if (!channel) throw new Error(`no channel ${channelId}`)
    const command = this.#commands.find(
      each => each.definition.name === name && (each.guildId === undefined || each.guildId === channel.guildId),
    )
    if (!command) throw new Error(`no command /${name} is registered`)
    const { contexts, default_member_permissions: needed } = command.definition
    const context = channel.guildId === undefined ? 1 : 0
    if (contexts && !contexts.includes(context)) throw new Error(`/${name} is not offered here`)
    const has = this.#world.permissions(userId, channel)
    if (needed && context === 0 && !(has & Permission.administrator) && (has & BigInt(needed)) !== BigInt(needed))
      throw new Error(`/${name} is not offered to ${userId}`)
    return { channel, command }
  }

  #commandData(command: FakeCommand, { name, subcommand, options: given = {} }: CommandUse, focused?: string): Json {
    const whole = command.definition.options ?? []
    const chosen = whole.find(each => each.type === SUBCOMMAND && each.name === subcommand)
    const isDivided = whole.some(each => each.type === SUBCOMMAND)
    if (isDivided && !chosen)
      throw new Error(`/${name} is used by one of its subcommands, not by ${String(subcommand)}`)
    if (!isDivided && subcommand !== undefined) throw new Error(`/${name} has no subcommand ${subcommand}`)
    const known = chosen ? (chosen.options ?? []) : whole
    const options = argumentsOf(known, { name, given, focused })
    const users = known.flatMap(each =>
      each.type === 6 ? (this.#world.users.get(String(given[each.name])) ?? []) : [],
    )
    const resolved = { users: Object.fromEntries(users.map(user => [user.id, userObject(user)])) }
    return {
      id: command.id,
      name: command.definition.name,
      type: 1,
      options: chosen ? [{ type: SUBCOMMAND, name: chosen.name, options }] : options,
      ...(users.length > 0 && { resolved }),
      ...(command.guildId && { guild_id: command.guildId }),
    }
  }

  #begin(request: {
    type: 2 | 3 | 4
    userId: string
    channel: FakeChannel
    data: Json
    messageId?: string
  }): LiveInteraction {
    const { world } = { world: this.#world }
    const { type, userId, channel, data, messageId } = request
    let show: (answer: InteractionAnswer) => void = () => {}
    const answered = new Promise<InteractionAnswer>(resolve => (show = resolve))
    const live: LiveInteraction & { payload: Json } = {
      id: world.snowflake(),
      token: randomBytes(32).toString('base64url'),
      type,
      at: world.now(),
      channelId: channel.id,
      acknowledged: undefined,
      ephemeral: false,
      originalId: undefined,
      messageId,
      payload: {},
      answers: [],
      answered,
      show: answer => {
        live.answers.push(answer)
        show(answer)
      },
    }
    this.#live.set(live.token, live)
    live.payload = this.#payload(live, { userId, channel, data })
    this.#gateway.interaction(live.payload)
    return live
  }

  #payload(
    live: LiveInteraction,
    { userId, channel, data }: { userId: string; channel: FakeChannel; data: Json },
  ): Json {
    const world = this.#world
    const user = world.users.get(userId)
    if (!user) throw refusal(10_013)
    const guild = world.guilds.get(channel.guildId ?? '')
    const message = world.messages.get(live.messageId ?? '')
    const permissions = String(world.permissions(userId, channel))
    return {
      id: live.id,
      application_id: world.applicationId,
      type: live.type,
      token: live.token,
      version: 1,
      data,
      channel_id: channel.id,
      channel: channelObject(world, channel),
      locale: user.locale,
      app_permissions: String(world.permissions(world.bot.id, channel)),
      entitlements: [],
      authorizing_integration_owners: { 0: guild?.id ?? '0' },
      context: guild ? 0 : 1,
      attachment_size_limit: 10_485_760,
      ...(guild
        ? {
            guild_id: guild.id,
            guild: { id: guild.id, locale: 'en-US', features: [] },
            guild_locale: 'en-US',
            member: { ...memberObject(world, guild, userId), permissions },
          }
        : { user: userObject(user) }),
      ...(message && { message: messageObject(world, message) }),
    }
  }
}

/** The options as a person's client would send them. @throws when it would not let them through */
function argumentsOf(
  known: readonly CommandOption[],
  { name, given, focused }: { name: string; given: NonNullable<CommandUse['options']>; focused: string | undefined },
): Json[] {
  const unknown = Object.keys(given).filter(each => !known.some(option => option.name === each))
  if (unknown.length > 0) throw new Error(`/${name} has no option ${unknown.join(', ')}`)
  const missing = known.filter(each => each.required && !(each.name in given))
  if (missing.length > 0 && focused === undefined) throw new Error(`needs ${missing.map(each => each.name).join(', ')}`)
  return known
    .filter(each => each.name in given)
    .map(each => {
      const value = given[each.name]
      const isFocused = focused === each.name
      if (isFocused && !each.autocomplete) throw new Error(`${each.name} does not complete itself`)
      if (!isFocused && !fits(each, value)) throw new Error(`${each.name} does not take ${String(value)}`)
      return { name: each.name, type: each.type, value, ...(isFocused && { focused: true }) }
    })
}

/** Whether a person's client would let this value through. */
function fits(option: CommandOption, value: unknown): boolean {
  if (option.choices) return option.choices.some(each => each.value === value)
  if (option.type === 3) return typeof value === 'string' && value.length <= (option.max_length ?? LONGEST_TEXT)
  if (option.type === 6 || option.type === 7) return typeof value === 'string'
  if (option.type === 4)
    return (
      Number.isInteger(value) &&
      Number(value) >= (option.min_value ?? -MOST) &&
      Number(value) <= (option.max_value ?? MOST)
    )
  if (option.type === 10) return typeof value === 'number'
  return option.type === 5 ? typeof value === 'boolean' : true
}
