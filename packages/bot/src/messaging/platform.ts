import type { PlatformName } from './message.ts'

/**
 * Whether people read their conversations from the database there, so that storing a turn is sending it. On any other
 * platform a message is sent by a `RemotePlatform` or not at all.
 */
export function isReadFromDatabase(platform: PlatformName): boolean {
  return platform === 'terminal' || platform === 'web'
}

/** What a person can do with a follow-up: no more of these, not now, why this one. */
export type FollowUpAction = 'stop' | 'later' | 'why'

/** A message a platform is asked to send by itself, frozen: a retry carries exactly the same. */
export interface OutboundMessage {
  readonly userId: string
  readonly conversationId: string
  /** Their conversation with the bot alone, where it is known: it goes there and opens none. */
  readonly privateConversationId?: string | undefined
  /** They chose that conversation although others read along: it goes there and nowhere else, and mentions them alone. */
  readonly inChannel?: boolean
  readonly text: string
  /** Without a sound on their phone, where the platform can. */
  readonly silent?: boolean
  /** At most 25 characters, the same at every try. A platform that can, refuses to accept it twice. */
  readonly nonce: string
  /** The outbox row; buttons are keyed by it, so that they work after restarts and months. */
  readonly followUpId: number
  readonly actions: readonly FollowUpAction[]
  /** The language the text is in, such as `de`; unset: not known. */
  readonly language?: string
}

/** What a platform says of a message it has accepted. */
export interface Delivery {
  readonly platformMessageId: string
  /** The platform answered with a message it had accepted earlier under the same nonce. */
  readonly deduplicated: boolean
  /** The conversation it went to, where that is another than the one asked for: never a public one. */
  readonly conversationId?: string
}

/** What is asked when nobody knows whether a message went out. */
export interface SentQuery {
  readonly userId: string
  readonly conversationId: string
  readonly privateConversationId?: string | undefined
  readonly inChannel?: boolean
  readonly nonce: string
  readonly text: string
  /** Nothing earlier than this can be it. */
  readonly since: Date
}

/**
 * A platform that is asked over a network to send a message. Terminal and web are none: they read conversations from the
 * database, so storing a turn is sending it.
 */
export interface RemotePlatform {
  readonly name: PlatformName
  /** How long after a first try the same nonce is surely recognised, in milliseconds. 0: never. */
  readonly nonceWindowMs: number
  /** @throws DeliveryError whatever goes wrong; anything else counts as `uncertain` */
  send(message: OutboundMessage, signal: AbortSignal): Promise<Delivery>
  /** Looks in the conversation itself. `unreadable` when it cannot be looked at: then nothing may be sent on a guess. */
  findSent(query: SentQuery, signal: AbortSignal): Promise<Delivery | 'absent' | 'unreadable'>
}

/**
 * What a failed delivery means.
 * - `retry`: surely not sent; try again, at `retryAfterMs` at the earliest
 * - `uncertain`: may have been sent
 * - `refused`: never to this target or with this text; the job ends
 * - `suppress`: never to this person until they write first (DMs closed, no common server, unknown user)
 * - `plain`: the text was refused by a filter; once more with a plain template, then `refused`
 * - `no_new`: surely not sent; for a while no channel may be opened to anybody new, those there are go on
 * - `halt`: the whole bot must stop writing (flagged as spam); only a person lets it go on
 */
export type DeliveryFailure = 'retry' | 'uncertain' | 'refused' | 'suppress' | 'plain' | 'no_new' | 'halt'

export class DeliveryError extends Error {
  override readonly name = 'DeliveryError'
  readonly failure: DeliveryFailure
  /** Stable and short, e.g. `dm_closed`, `flagged`, `server_error`; kept in `follow_up_history.failure_code`. */
  readonly code: string
  readonly retryAfterMs: number | undefined

  /** Arguments: failure, code, message for people, and where known when to try again and what was caught. */
  constructor(
    failure: DeliveryFailure,
    code: string,
    ...[message, options = {}]: [message: string, options?: { retryAfterMs?: number; cause?: unknown }]
  ) {
    super(message, { cause: options.cause })
    this.failure = failure
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }
}
