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

/** One login: outlives its connection for as long as it can be resumed. */
export interface Session {
  readonly id: string
  readonly intents: number
  sequence: number
  /** What was dispatched, for a resume. */
  readonly sent: GatewayEvent[]
  connection: { deliver(event: GatewayEvent): void } | undefined
}

/** Who lets connections in: what a connection needs of the gateway. */
export interface Doorkeeper {
  readonly application: Application
  readonly heartbeatIntervalMs: number
  identify(connection: NonNullable<Session['connection']>, intents: number): Session
  resume(
    connection: NonNullable<Session['connection']>,
    request: { sessionId: string; sequence: number },
  ): Session | undefined
}
