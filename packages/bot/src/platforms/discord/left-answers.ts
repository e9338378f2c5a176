import type { Client, Message } from 'discord.js'
import type { Database } from 'belfry/database'
import { databaseNow } from '../../clock.ts'
import { answerTo, settleMessage, takeUnsettled, type UnsettledMessage } from '../../memory/unsettled-store.ts'
import { snowflakeOf } from './ids.ts'
import type { DiscordOptions } from './parts.ts'

/** The longest an answer takes while its process lives: a model that is asked twice, and Discord that has to be waited for. */
const ANSWERING_MS = 180_000
/** An answer that comes later than this is none any more. */
const TOO_LATE_MS = 900_000
const AT_ONCE = 20
const MOST_SINCE = 100

/** What a command is answered whose process died: it may have been done, so it is not done again. */
export const INTERRUPTED =
  'I was interrupted while I did that, and cannot tell whether it was done. Please look, and ask me again if it was not.'

/** Who answers what was left: the stored answer, or undefined to write one. */
export type AnswerLeft = (message: Message, text: string | undefined) => Promise<void>

interface Parts {
  readonly database: Database
  readonly options: DiscordOptions
  /** This process has just started: with an embedded database nobody else can be answering. */
  readonly isFirstLook: boolean
}

/**
 * Answers what a process that died has recorded and not answered, or answered and not sent, once: where the conversation
 * shows an answer, or cannot be read, nothing is said.
 */
export async function answerLeft(
  { database, options, isFirstLook }: Parts,
  client: Client<true>,
  answer: AnswerLeft,
): Promise<void> {
  const now = databaseNow(options.clock)
  const olderThanMs = isFirstLook && database.kind === 'embedded' ? 0 : ANSWERING_MS
  const request = { olderThanMs, withinMs: TOO_LATE_MS, limit: AT_ONCE, now }
  for (const left of await takeUnsettled(database, request)) {
    try {
      const message = await findUnanswered(client, left)
      const stored = message && (await answerTo(database, left))
      if (message) await answer(message, stored ?? (left.kind === 'command' ? INTERRUPTED : undefined))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      options.logger.warn({ event: 'discord_left_answer_failed', reason }, 'a message that was left is not answered')
    }
    await settleMessage(database, { ...left, now })
  }
}

/** The message itself, if nothing in its conversation looks like an answer to it. */
async function findUnanswered(client: Client<true>, left: UnsettledMessage): Promise<Message | undefined> {
  const { messageId } = left
  const channel = await client.channels.fetch(snowflakeOf(left.conversationId) ?? '')
  if (!channel?.isTextBased()) return undefined
  const message = await channel.messages.fetch({ message: messageId, cache: false, force: true })
  const since = await channel.messages.fetch({ after: messageId, limit: MOST_SINCE, cache: false })
  const isAnswer = (each: Message) =>
    each.author.id === client.user.id && (channel.isDMBased() || each.reference?.messageId === messageId)
  return since.size < MOST_SINCE && !since.some(isAnswer) ? message : undefined
}
