import type { Json } from './refusals.ts'
import type { Application } from './records.ts'

export const Intent = {
  guilds: 1 << 0,
  guildMembers: 1 << 1,
  guildPresences: 1 << 8,
  guildMessages: 1 << 9,
  directMessages: 1 << 12,
  messageContent: 1 << 15,
} as const

/** One event as it is dispatched. */
export interface GatewayEvent {
  readonly s: number
  readonly t: string
  readonly d: Json
}

/** Its number, and how many there are. */
export type Shard = readonly [id: number, count: number]

/** What a login asks for. */
export interface Login {
  readonly intents: number
  readonly shard: Shard
}

/** The shard of a guild's events by Discord's formula; direct messages and everything else are on the first. */
export function shardOf(guildId: string | undefined, count: number): number {
  return guildId === undefined ? 0 : Number((BigInt(guildId) >> 22n) % BigInt(count))
}

/** One login: outlives its connection for as long as it can be resumed. */
export interface Session {
  readonly id: string
  readonly intents: number
  readonly shard: Shard
  sequence: number
  /** What was dispatched, for a resume. */
  readonly sent: GatewayEvent[]
  connection: { deliver(event: GatewayEvent): void } | undefined
}

/** Who lets connections in: what a connection needs of the gateway. */
export interface Doorkeeper {
  readonly application: Application
  readonly heartbeatIntervalMs: number
  /** The close code of a login that is turned away; 0: its bucket is asked too fast, which invalidates the session. */
  identify(connection: NonNullable<Session['connection']>, login: Login): Session | number
  resume(
    connection: NonNullable<Session['connection']>,
    request: { sessionId: string; sequence: number },
  ): Session | undefined
}
