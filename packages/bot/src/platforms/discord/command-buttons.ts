import { createHmac, timingSafeEqual } from 'node:crypto'
import { ButtonStyle } from 'discord.js'
import type { AnswerButton } from '../../commands/command.ts'
import { buttonRow, type ButtonRow } from './buttons.ts'

/** How long a button may be pressed, in milliseconds. */
export const LASTS_MS: Readonly<Record<AnswerButton['kind'], number>> = { turn: 2 * 60_000, decide: 10 * 60_000 }
/** Longest custom id [Discord's reference, Component Reference]. */
const LONGEST_ID = 100
/** 72 bits: nobody guesses one within the minutes it lasts. */
const SIGNATURE_LENGTH = 12
const KINDS = { t: 'turn', d: 'decide' } as const

/** Whose buttons, and where. */
export interface Issued {
  /** Discord's number of the person. */
  readonly invoker: string
  readonly channelId: string
}

/** What a button under a command's answer asks for. */
export interface CommandPress {
  readonly kind: AnswerButton['kind']
  /** Discord's number of the one it was made for. */
  readonly invoker: string
  readonly until: Date
  /** The command, without its prefix. */
  readonly says: string
}

/**
 * Makes and reads the buttons under answers to commands. All they know is in their id, signed, so that they survive a
 * restart, and nobody but this bot makes them. The key comes of the token: it needs no place, and goes with it.
 */
export class CommandButtons {
  readonly #key: Buffer

  constructor(token: string) {
    this.#key = createHmac('sha256', 'belfry buttons').update(token).digest()
  }

  /** A row of buttons; those whose command is too long for an id are left out: the answer's text says how without them. */
  make(buttons: readonly AnswerButton[], issued: Issued & { readonly now: Date }): ButtonRow[] {
    const made = buttons.flatMap(({ label, says, kind, danger }) => {
      const until = Math.ceil((issued.now.getTime() + LASTS_MS[kind]) / 1_000).toString(36)
      const head = `c:${kind === 'turn' ? 't' : 'd'}:${until}:${BigInt(issued.invoker).toString(36)}`
      const id = `${head}:${this.#sign(head, says, issued.channelId)}:${says}`
      const style = danger ? ButtonStyle.Danger : ButtonStyle.Secondary
      return id.length <= LONGEST_ID ? [{ label, id, style }] : []
    })
    return made.length > 0 ? [buttonRow(made)] : []
  }

  /** What a custom id asks for; undefined: it is of another kind, forged, or made for another channel. */
  read(customId: string, channelId: string): CommandPress | undefined {
    const found = /^(c:([td]):([0-9a-z]{1,8}):([0-9a-z]{1,14})):([\w-]{12}):([^]+)$/.exec(customId)
    if (!found) return undefined
    const [, head = '', kind = '', until = '', invoker = '', signature = '', says = ''] = found
    const wanted = this.#sign(head, says, channelId)
    if (!timingSafeEqual(Buffer.from(signature), Buffer.from(wanted))) return undefined
    return {
      kind: KINDS[kind as keyof typeof KINDS],
      invoker: String(numberOf(invoker)),
      until: new Date(Number.parseInt(until, 36) * 1_000),
      says,
    }
  }

  #sign(head: string, says: string, channelId: string): string {
    const signed = createHmac('sha256', this.#key).update(JSON.stringify([head, says, channelId]))
    return signed.digest('base64url').slice(0, SIGNATURE_LENGTH)
  }
}

/** Numbers of people are beyond what a double holds. */
function numberOf(base36: string): bigint {
  return Array.from(base36).reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n)
}
