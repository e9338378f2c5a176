import { DiscordAPIError, Routes, type APIEmbed, type REST } from 'discord.js'
import { sleep, type Clock, type Logger, type Timer } from 'belfry'
import type { Attachment } from '../../commands/command.ts'
import type { ButtonRow } from './buttons.ts'
import { failureOf } from './failures.ts'
import { splitMessage } from './split-message.ts'
import { calm } from './text.ts'

/** What is said where. */
export interface Said {
  readonly channelId: string
  readonly text: string
  /** The message it answers: tells a second sending of the same answer from another one, and is shown above it. */
  readonly answers: string
  /** Show above the answer what it answers; needless where two people talk. */
  readonly asReply: boolean
  readonly buttons?: readonly ButtonRow[]
  /** In place of the text, which says the same. */
  readonly embed?: APIEmbed
  /** Goes with the last message. */
  readonly file?: Attachment
  /** Tells apart several things said about one message; one letter. Default: `a`. */
  readonly mark?: string
}

/** Tries of one message, and the pause after the first; it doubles. */
const TRIES = 3
const PAUSE_MS = 500
/** Typing is shown when an answer takes longer than this, and lasts ten seconds. */
const TYPING_AFTER_MS = 400
const TYPING_AGAIN_MS = 8_000
/** Codes of an answer to a message that cannot be shown above it. */
const NO_REFERENCE: ReadonlySet<number | string> = new Set([50_035, 160_002])

/** A message as it is sent. */
interface Outgoing {
  readonly body: { readonly message_reference?: object } & object
  readonly files: { name: string; data: Buffer }[]
}

/** Says things in channels: whole, in order, each once, ringing nobody. */
export class Speaker {
  readonly #parts: { rest: REST; clock: Clock; logger: Logger }

  constructor(parts: { rest: REST; clock: Clock; logger: Logger }) {
    this.#parts = parts
  }

  /** Sends a text in as many messages as it needs. False when Discord did not take it. */
  async say(said: Said): Promise<boolean> {
    const parts = said.embed ? [''] : splitMessage(calm(said.text))
    for (const [index, content] of parts.entries()) {
      const isLast = index === parts.length - 1
      const body = {
        content,
        // 25 characters at most: an id has 20 at most.
        nonce: `${said.mark ?? 'a'}${said.answers}.${index}`.slice(0, 25),
        enforce_nonce: true,
        allowed_mentions: { parse: [], replied_user: false },
        ...(said.asReply &&
          index === 0 && { message_reference: { message_id: said.answers, fail_if_not_exists: false } }),
        ...(isLast && said.embed && { embeds: [said.embed] }),
        ...(isLast && said.buttons && { components: said.buttons }),
      }
      const files = isLast && said.file ? [{ name: said.file.name, data: Buffer.from(said.file.content) }] : []
      if (!(await this.#send(said.channelId, { body, files }))) return false
    }
    return true
  }

  /** Shows that an answer is being written until the work is done. A failure to show it is none of the answer's. */
  async whileTyping<T>(channelId: string, work: Promise<T>): Promise<T> {
    const { clock } = this.#parts
    let timer: Timer
    const show = () => {
      void this.#parts.rest.post(Routes.channelTyping(channelId)).catch(() => {})
      timer = clock.setTimer(TYPING_AGAIN_MS, show)
    }
    timer = clock.setTimer(TYPING_AFTER_MS, show)
    try {
      return await work
    } finally {
      timer.cancel()
    }
  }

  /** A few tries with one nonce: Discord makes one message of them. */
  async #send(channelId: string, message: Outgoing, attempt = 1): Promise<boolean> {
    const { rest, clock, logger } = this.#parts
    try {
      await rest.post(Routes.channelMessages(channelId), message)
      return true
    } catch (error) {
      if (error instanceof DiscordAPIError && NO_REFERENCE.has(error.code) && message.body.message_reference) {
        const { message_reference: _, ...body } = message.body
        return this.#send(channelId, { ...message, body }, attempt)
      }
      const { failure, code } = failureOf(error)
      const mayHelp = failure === 'uncertain' || failure === 'retry'
      if (mayHelp && attempt < TRIES) {
        await sleep(clock, PAUSE_MS * 2 ** (attempt - 1))
        return this.#send(channelId, message, attempt + 1)
      }
      logger.warn({ event: 'discord_reply_failed', code, channel: channelId }, 'an answer could not be sent on Discord')
      return false
    }
  }
}
