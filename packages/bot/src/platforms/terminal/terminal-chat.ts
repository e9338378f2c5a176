import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { sleep, type Clock } from 'belfry'
import type { Database } from 'belfry/database'
import type { Chat } from '../../chat/handle-message.ts'
import { databaseNow } from '../../clock.ts'
import { pendingFollowUps } from '../../followups/follow-up-store.ts'
import { lastTurnId, turnsAfter } from '../../memory/conversation-store.ts'
import type { TurnFeed } from '../../memory/turn-feed.ts'
import type { Turn } from '../../messaging/message.ts'
import { saveAttachment } from './save-attachment.ts'

export interface TerminalChatOptions {
  readonly database: Database
  readonly chat: Chat
  readonly feed: TurnFeed
  /** Whether background jobs run; without them there is nothing to linger for. */
  readonly jobsRun: boolean
  readonly clock: Clock
  readonly botName: string
  /** The person's name; `terminal:<name>` is their id. */
  readonly user: string
  /** How long to wait for follow-ups that are due within it after the input has ended. */
  readonly lingerMs: number
  readonly input: Readable
  readonly output: Writable
  readonly stop: AbortSignal
  /** Where files for the person are saved. */
  readonly folder: string
}

const TURNS_AT_ONCE = 100
/** What stands below a follow-up: words that may be typed. */
const ACTIONS_LINE = '(stop · later · why)'
/** Between two looks at a follow-up that is due and being written. */
const LOOK_AGAIN_MS = 200

/** A chat in the terminal: lines in, the bot's turns out. Resolves when the input has ended and nothing more is due. */
export async function runTerminalChat(options: TerminalChatOptions): Promise<void> {
  const { chat, feed, input, stop } = options
  const conversationId = `terminal:${options.user}`
  const printer = new TurnPrinter(options, conversationId)
  await printer.begin()
  const unsubscribe = feed.subscribe(conversationId, () => void printer.printNew())
  const session = randomUUID()
  const lines = createInterface({ input, signal: stop, crlfDelay: Number.POSITIVE_INFINITY })
  let count = 0
  try {
    for await (const text of lines) {
      count += 1
      const { aside, attachment } = await chat.handle({
        messageId: `${session}:${count}`,
        platform: 'terminal',
        conversationId,
        userId: conversationId,
        displayName: options.user,
        text,
        // Whoever sits at the machine's own terminal can read the database anyway.
        isAdmin: true,
      })
      await printer.printNew()
      if (aside !== undefined) printer.print(aside)
      if (attachment) printer.print(await saveAttachment(options.folder, attachment))
    }
    await linger(options, conversationId, printer)
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    unsubscribe()
    lines.close()
  }
}

/** Prints each of the bot's turns once, in order, whoever notices it first. */
class TurnPrinter {
  readonly #options: TerminalChatOptions
  readonly #conversationId: string
  #seen = 0
  #printing: Promise<void> = Promise.resolve()

  constructor(options: TerminalChatOptions, conversationId: string) {
    this.#options = options
    this.#conversationId = conversationId
  }

  /** Shows follow-ups that came while the person was away; the rest of the past is past. */
  async begin(): Promise<void> {
    const last = await lastTurnId(this.#options.database, this.#conversationId)
    const recent = await this.#read(Math.max(0, last - TURNS_AT_ONCE))
    const unseen = recent.slice(recent.findLastIndex(turn => turn.author === 'user') + 1)
    for (const turn of unseen) if (turn.kind === 'follow_up') this.printTurn(turn)
    this.#seen = last
  }

  printNew(): Promise<void> {
    this.#printing = this.#printing.then(async () => {
      for (const turn of await this.#read(this.#seen)) {
        this.#seen = turn.turnId
        if (turn.author === 'bot') this.printTurn(turn)
      }
    })
    return this.#printing
  }

  #read(afterTurnId: number): Promise<Turn[]> {
    const request = { conversationId: this.#conversationId, afterTurnId, limit: TURNS_AT_ONCE }
    return turnsAfter(this.#options.database, request)
  }

  /** A turn, with what can be answered to a follow-up below it. */
  printTurn({ kind, text }: Turn): void {
    this.print(kind === 'follow_up' ? `${text}\n${ACTIONS_LINE}` : text)
  }

  print(text: string): void {
    for (const line of text.split('\n')) this.#options.output.write(`${this.#options.botName}: ${line}\n`)
  }
}

/** Waits for the follow-ups of this person that are due before the time is up, and no longer than they need. */
async function linger(options: TerminalChatOptions, userId: string, printer: TurnPrinter): Promise<void> {
  const { database, clock, lingerMs, stop } = options
  if (lingerMs === 0 || !options.jobsRun) return
  const end = clock.monotonic() + lingerMs
  while (!stop.aborted) {
    const left = end - clock.monotonic()
    const [next] = await pendingFollowUps(database, userId, databaseNow(clock))
    if (!next || left <= 0 || next.dueInMs > left) break
    await sleep(clock, Math.min(left, Math.max(next.dueInMs, LOOK_AGAIN_MS)), stop)
  }
  await printer.printNew()
}
