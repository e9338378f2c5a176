import { DiscordjsError, DiscordjsErrorCodes, Events, type Client } from 'discord.js'

/**
 * How a login ended. `unreachable`: nobody was asked; `failed`: turned away for another reason. Both may work later.
 * `sharding required`: too many servers for so few connections.
 */
export type LoginOutcome =
  | 'connected'
  | 'token refused'
  | 'intent refused'
  | 'sharding required'
  | 'unreachable'
  | 'failed'

/** Close codes of a login that is turned away [Opcodes and Status Codes]. */
const TURNED_AWAY: ReadonlyMap<number, LoginOutcome> = new Map([
  [4004, 'token refused'],
  [4011, 'sharding required'],
  [4014, 'intent refused'],
])

/** Logs a client in. Never rejects; the library's promise alone says too little, and never ends when an intent is refused. */
export function login(client: Client, token: string, signal: AbortSignal): Promise<LoginOutcome> {
  return new Promise(resolve => {
    const onDisconnect = ({ code }: { code: number }) => end(TURNED_AWAY.get(code) ?? 'failed')
    const onReady = () => end('connected')
    const onAbort = () => end('unreachable')
    const end = (outcome: LoginOutcome) => {
      client.off(Events.ShardDisconnect, onDisconnect)
      client.off(Events.ClientReady, onReady)
      signal.removeEventListener('abort', onAbort)
      resolve(outcome)
    }
    client.once(Events.ClientReady, onReady)
    client.on(Events.ShardDisconnect, onDisconnect)
    signal.addEventListener('abort', onAbort)
    client.login(token).catch((error: unknown) => end(isTokenError(error) ? 'token refused' : 'unreachable'))
  })
}

function isTokenError(error: unknown): boolean {
  if (error instanceof DiscordjsError) return error.code === DiscordjsErrorCodes.TokenInvalid
  return error instanceof Error && 'status' in error && error.status === 401
}
