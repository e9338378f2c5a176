/** A JSON object, as it travels. */
export type Json = Record<string, unknown>

/** What Discord answers instead of doing it. */
export class Refusal extends Error {
  readonly status: number
  readonly body: Json
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, body: Json, headers: Readonly<Record<string, string>> = {}) {
    super(`${status} ${JSON.stringify(body)}`)
    this.status = status
    this.body = body
    this.headers = headers
  }
}

/** Status and text of each code, as Discord's page "Opcodes and Status Codes" has them. */
const CODES = {
  10003: [404, 'Unknown Channel'],
  10004: [404, 'Unknown Guild'],
  10007: [404, 'Unknown Member'],
  10008: [404, 'Unknown Message'],
  10013: [404, 'Unknown User'],
  10015: [404, 'Unknown Webhook'],
  10062: [404, 'Unknown interaction'],
  20009: [403, 'Explicit content cannot be sent to the desired recipient(s)'],
  // Not on that page; seen in the wild.
  20026: [403, 'Your bot has been flagged by our anti-spam system for abusive behavior.'],
  40003: [403, 'You are opening direct messages too fast.'],
  40060: [400, 'Interaction has already been acknowledged.'],
  50001: [403, 'Missing Access'],
  50003: [403, 'Cannot execute action on a DM channel'],
  50005: [403, 'Cannot edit a message authored by another user'],
  50006: [400, 'Cannot send an empty message'],
  50007: [403, 'Cannot send messages to this user'],
  50013: [403, 'Missing Permissions'],
  50027: [401, 'Invalid Webhook Token'],
  50033: [400, 'Invalid Recipient(s)'],
  50083: [400, 'Thread is archived'],
  50109: [400, 'The request body contains invalid JSON.'],
  50278: [403, 'Cannot send messages to this user due to having no mutual guilds'],
  160002: [400, 'Cannot reply without permission to read message history'],
  200000: [400, 'Message was blocked by automatic moderation'],
  240000: [400, 'Message was blocked by harmful links filter'],
} as const satisfies Record<number, readonly [number, string]>

export type DiscordCode = keyof typeof CODES

/** The refusal with one of Discord's JSON codes. */
export function refusal(code: DiscordCode): Refusal {
  const [status, message] = CODES[code]
  return new Refusal(status, { code, message })
}

/** 50035: each wrong field with Discord's own code for it, nested by path. */
export function invalidForm(
  faults: readonly { path: readonly (string | number)[]; code: string; message: string }[],
): Refusal {
  const errors: Json = {}
  for (const { path, code, message } of faults) {
    let place = errors
    for (const key of path) place = (place[key] ??= {}) as Json
    ;((place['_errors'] ??= []) as Json[]).push({ code, message })
  }
  return new Refusal(400, { code: 50035, message: 'Invalid Form Body', errors })
}

export const unauthorized = () => new Refusal(401, { message: '401: Unauthorized', code: 0 })
export const notFound = () => new Refusal(404, { message: '404: Not Found', code: 0 })
export const notAllowed = () => new Refusal(405, { message: '405: Method Not Allowed', code: 0 })
