/** Milliseconds since 1970 at which Discord's ids begin. */
const EPOCH = 1_420_070_400_000n

/** A person as the rest of the bot knows them: Discord's number, with the platform before it. */
export function userIdOf(id: string): string {
  return `discord:${id}`
}

/** A conversation: a channel, a thread or a direct message. */
export function conversationIdOf(channelId: string): string {
  return `discord:${channelId}`
}

/** Discord's own number of a person or conversation; undefined: it is of another platform. */
export function snowflakeOf(id: string): string | undefined {
  return /^discord:(\d{15,21})$/.exec(id)?.[1]
}

/** When an id was made, in milliseconds since 1970. */
export function timeOf(snowflake: string): number {
  return Number((BigInt(snowflake) >> 22n) + EPOCH)
}

/** The lowest id of an instant: what is after it in a channel was written then or later. */
export function snowflakeAt(instant: Date): string {
  const ms = BigInt(instant.getTime()) - EPOCH
  return String((ms > 0n ? ms : 0n) << 22n)
}
