import type { Turn } from '../messaging/message.ts'

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
  say(said: WebMessage): Promise<void>
}

export interface WebMessage {
  readonly userId: string
  readonly displayName: string
  readonly text: string
  /** Made by the page: a message sent again after a lost answer is recorded once. */
  readonly messageId: string
  /** Whether it came from this very machine, straight and not through a proxy. */
  readonly fromOperator: boolean
}

/** What `/healthz` and `/readyz` answer from. */
export interface Health {
  ready(): Promise<{ readonly ok: boolean; readonly checks: Readonly<Record<string, string>> }>
}
