import type { Clock, Logger } from 'belfry'
import type { Database, Queryable } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import type { CommandAnswer } from '../commands/command.ts'
import type { CommandDispatcher } from '../commands/dispatch-command.ts'
import { act, type ActionParts } from '../followups/actions.ts'
import { CONSENT_QUESTION_ID, takeConsentRemark } from '../followups/consent.ts'
import { respondToDistress } from '../followups/distress-response.ts'
import { creditResponse } from '../followups/follow-up-store.ts'
import { recordReturn } from '../followups/report-store.ts'
import { planAfterMessage, type PlannedFollowUp, type PlannerParts } from '../followups/plan-follow-up.ts'
import { mustGrant } from '../followups/policy.ts'
import type { DistressGuard } from '../llm/distress.ts'
import { addTurn, findInbound, recentTalk, removeTurn, type NewTurn } from '../memory/conversation-store.ts'
import type { DraftFeed } from '../memory/draft-feed.ts'
import type { InboundMessage, Turn } from '../messaging/message.ts'
import type { FollowUpAction } from '../messaging/platform.ts'
import { lockPerson, recordActivity } from '../users/profile-store.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import type { ReplyComposer } from './compose-reply.ts'
import { ConversationLanes } from './conversation-lanes.ts'
import { plainAnswer } from './plain-words.ts'

export interface ChatParts {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly commands: CommandDispatcher
  readonly replies: ReplyComposer
  readonly distress: DistressGuard
  /** Where answers are shown while they are being written. */
  readonly drafts: DraftFeed
  /** Undefined when there are no background jobs. */
  readonly planner: PlannerParts | undefined
  readonly replyWindowMs: number
  readonly suppressedPeople: SuppressedPeople
  readonly actions: ActionParts
}

/** A button under a follow-up, pressed. */
export interface Press extends Pick<InboundMessage, 'messageId' | 'conversationId' | 'userId'> {
  readonly followUpId: number
  readonly action: FollowUpAction
}

/** What is recorded and answered apart from talk. */
type Asked = Pick<InboundMessage, 'messageId' | 'conversationId' | 'userId' | 'text'>

/** What an inbound message led to, for those who show it (the demo, tests). */
export interface Handled extends Pick<CommandAnswer, 'attachment' | 'card' | 'buttons'> {
  readonly reply: Turn | undefined
  readonly planned: PlannedFollowUp | undefined
  /** The follow-up this message answered. */
  readonly credited: number | undefined
  /** An answer that is no turn, in place of `reply`: the platform shows it at once, and nobody can read it again. */
  readonly aside?: string
}

const NOTHING: Handled = { reply: undefined, planned: undefined, credited: undefined }

/** Longest text that is taken in; what is longer is cut, not lost without a word. */
const LONGEST_TEXT = 4_000
/** Turns that are recalled for a reply. */
const RECALLED_TURNS = 24

/** The one entry for what people say. */
export class Chat {
  readonly #parts: ChatParts
  readonly #lanes = new ConversationLanes()

  constructor(parts: ChatParts) {
    this.#parts = parts
  }

  /** Records, answers and plans; resolves when the answer is stored. A message handed in twice is answered once. */
  handle(message: InboundMessage): Promise<Handled> {
    const text = message.text.slice(0, LONGEST_TEXT).replaceAll('\0', '').toWellFormed().trim()
    if (text === '') return Promise.resolve(NOTHING)
    return this.#lanes.run(message.conversationId, () => this.#handle({ ...message, text }))
  }

  /** Does what a button says, and stores the answer; pressed once, however often the press is handed in. */
  press({ followUpId, action, ...press }: Press): Promise<Handled> {
    const { userId, messageId: reference } = press
    return this.#lanes.run(press.conversationId, () =>
      this.#exchange({ ...press, text: action }, async () => ({
        text: await act(this.#parts.actions, { userId, followUpId, action, source: 'button', reference }),
      })),
    )
  }

  /** Resolves when every message handed in has its answer. */
  whenIdle(): Promise<void> {
    return this.#lanes.whenIdle()
  }

  async #handle(message: InboundMessage): Promise<Handled> {
    if (this.#parts.commands.isCommand(message.text)) return this.#handleCommand(message)
    const answer = await plainAnswer(this.#parts.actions, message)
    if (answer) return this.#exchange(message, answer)
    const recorded = await this.#record(message)
    if (!recorded) return NOTHING
    const reply = await this.#reply(message, recorded.turn)
    return { reply, planned: recorded.planned, credited: recorded.credited }
  }

  /** One transaction: what was said, that they are active, the answer credited, the next follow-up planned. */
  async #record(message: InboundMessage) {
    const { database, clock, planner, replyWindowMs, suppressedPeople, distress, logger } = this.#parts
    const now = databaseNow(clock)
    const { conversationId, userId, messageId } = message
    const recorded = await database.transaction(async transaction => {
      // Against a follow-up that is being sent this very moment: either it sees this message, or it went out before.
      await lockPerson(transaction, userId)
      const turn = await addTurn(transaction, {
        conversationId,
        userId,
        messageId,
        author: 'user',
        kind: 'chat',
        text: message.text,
        now,
      })
      if (!turn) return undefined
      const credited = await creditResponse(transaction, { userId, conversationId, windowMs: replyWindowMs, now })
      await recordReturn(transaction, { userId, now })
      const isNew = await recordActivity(transaction, { ...message, now, ...this.#countHours(message) })
      if (isNew) await suppressedPeople.keepTheNo(transaction, { userId, now })
      if (distress.isDistress(message.text)) await respondToDistress(transaction, { userId, now, logger })
      const planned = planner && (await planAfterMessage(planner, transaction, userId))
      return { turn, credited, planned }
    })
    if (recorded || message.handedToMany) return recorded
    const turn = await this.#unanswered(message)
    return turn && { turn, credited: undefined, planned: undefined }
  }

  async #reply(message: InboundMessage, turn: Turn): Promise<Turn | undefined> {
    const { database, clock, replies, drafts } = this.#parts
    const { conversationId, displayName } = message
    const now = databaseNow(clock)
    const turns = await recentTalk(database, { conversationId, limit: RECALLED_TURNS })
    const readAlong = drafts.hasReaders(conversationId)
    const onDraft = readAlong ? (draft: string) => drafts.show(conversationId, draft) : undefined
    try {
      const text = await replies.compose({ displayName, turns, onDraft })
      return await this.#store(message, { turn, text, now })
    } finally {
      drafts.clear(conversationId)
    }
  }

  #store(message: InboundMessage, answer: { turn: Turn; text: string; now: string | null }): Promise<Turn | undefined> {
    const { conversationId, userId } = message
    const { turn, text, now } = answer
    const common = { conversationId, userId, author: 'bot', kind: 'chat', now } as const
    return this.#answer(userId, async transaction => {
      const { notice, question } = await this.#remark(transaction, message, now)
      const whole = notice ? `${text}\n${notice}` : text
      const reply = await addTurn(transaction, { ...common, text: whole, answers: turn.turnId })
      if (question) await addTurn(transaction, { ...common, text: question, messageId: CONSENT_QUESTION_ID })
      return reply
    })
  }

  /** Under the person's lock: an answer that comes after they were erased is not kept. */
  #answer(userId: string, write: (transaction: Queryable) => Promise<Turn | undefined>): Promise<Turn | undefined> {
    return this.#parts.database.transaction(async transaction => {
      await lockPerson(transaction, userId)
      return write(transaction)
    })
  }

  async #remark(transaction: Queryable, { userId }: InboundMessage, now: string | null) {
    const { planner, actions } = this.#parts
    if (!planner) return {}
    return takeConsentRemark(transaction, { userId, policy: planner.policy, prefix: actions.prefix, now })
  }

  /** Hours are counted of people who may be followed up, and of nobody else. */
  #countHours({ platform }: InboundMessage): { countHours?: 'unless_off' | 'if_granted' } {
    const { planner } = this.#parts
    if (!planner?.policy.enabled) return {}
    return { countHours: mustGrant(planner.policy, platform === 'discord') ? 'if_granted' : 'unless_off' }
  }

  #handleCommand(message: InboundMessage): Promise<Handled> {
    const run = () => this.#parts.commands.dispatch(message)
    return this.#exchange(message, run, { isLeft: message.handedToMany ?? false })
  }

  /**
   * Commands and their answers are kept apart from talk: they are no activity and no answer to a follow-up. Recorded
   * before it is run: a command that is handed in again, because its answer was lost on the way, does not act again.
   * @param isLeft one that is recorded already is left alone, answered or not: somebody else may be doing it
   */
  async #exchange(
    message: Asked,
    run: () => Promise<CommandAnswer>,
    { isLeft }: { isLeft: boolean } = { isLeft: false },
  ): Promise<Handled> {
    const { database, clock } = this.#parts
    const now = databaseNow(clock)
    const { conversationId, userId, messageId, text } = message
    const common = { conversationId, userId, kind: 'command', now } as const
    const fresh = await addTurn(database, { ...common, messageId, author: 'user', text })
    const asked = fresh ?? (isLeft ? undefined : await this.#unanswered(message))
    if (!asked) return NOTHING
    const { text: answer, aside, ...more } = await run()
    if (aside) {
      await removeTurn(database, asked.turnId)
      return { ...NOTHING, aside: answer }
    }
    const turn: NewTurn = { ...common, author: 'bot', text: answer, answers: asked.turnId }
    const reply = await this.#answer(userId, transaction => addTurn(transaction, turn))
    return { ...NOTHING, reply, ...more }
  }

  /** A message that was handed in before and has no answer: a process may have died between recording and answering. */
  async #unanswered({ conversationId, messageId }: Asked): Promise<Turn | undefined> {
    const known = await findInbound(this.#parts.database, { conversationId, messageId })
    return known && !known.answered ? known.turn : undefined
  }
}
