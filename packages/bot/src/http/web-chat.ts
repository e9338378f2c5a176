import type { Turn } from '../messaging/message.ts'
import type { FollowUpAction } from '../messaging/platform.ts'

/** What the web chat needs of the bot. */
export interface WebChat {
  readonly botName: string
  /** Turns of this person's conversation after one they have seen, oldest first. */
  turnsAfter(userId: string, afterTurnId: number): Promise<readonly Turn[]>
  /** What is being written to this person at this moment, as far as it has come. */
  draftOf(userId: string): string | undefined
  /** Calls `onChange` whenever there may be new turns or more of a draft; the answer ends that. */
  subscribe(userId: string, onChange: () => void): () => void
  /** Hands in what the person said; resolves when it is answered. The answer arrives as a turn. */
  say(said: WebMessage): Promise<WebAnswer>
  /** A button under a follow-up; resolves when it is done and answered. The answer arrives as a turn. */
  press(pressed: WebPress): Promise<void>
  /** All that is stored about a person, as a file. */
  exportData(userId: string): Promise<{ readonly name: string; readonly content: string }>
}

export interface WebMessage {
  readonly userId: string
  readonly displayName: string
  /** The language the browser asks for. */
  readonly locale?: string
  readonly text: string
  /** Made by the page: a message sent again after a lost answer is recorded once. */
  readonly messageId: string
  /** Whether it came from this very machine, straight and not through a proxy. */
  readonly fromOperator: boolean
}

/** What comes with the answer to the request itself. */
export interface WebAnswer {
  /** An answer that is no turn: shown once, kept nowhere. */
  readonly aside?: string
}

export interface WebPress {
  readonly userId: string
  readonly followUpId: number
  readonly action: FollowUpAction
  /** Made by the page, like a message's: a press sent again counts once. */
  readonly messageId: string
}

/** What `/healthz` and `/readyz` answer from. */
export interface Health {
  ready(): Promise<{ readonly ok: boolean; readonly checks: Readonly<Record<string, string>> }>
}
