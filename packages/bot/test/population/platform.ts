import {
  DeliveryError,
  type Delivery,
  type OutboundMessage,
  type RemotePlatform,
  type SentQuery,
} from '../../src/messaging/platform.ts'
import type { Chance } from './chance.ts'
import type { Fault } from './oracle.ts'
import type { VirtualTime } from './virtual-time.ts'

interface Message {
  readonly id: string
  readonly userId: string
  readonly nonce: string
  readonly text: string
  readonly at: number
}

/** How long the platform recognises a nonce, and how long it admits to. */
const REAL_WINDOW_MS = 5 * 60_000
const PROMISED_WINDOW_MS = 90_000

export interface PlatformParts {
  readonly time: VirtualTime
  readonly chance: Chance
  /** It recognises no nonce and shows no history: a platform on which nothing can be sent exactly once. */
  readonly forgetful: boolean
  /** Off: everything is answered, and truthfully. */
  readonly faulty: () => boolean
  readonly onFault: (fault: string) => void
  /** What the message would break if it left now. */
  readonly judge: (userId: string) => readonly Fault[]
  readonly onAccepted: (message: OutboundMessage, faults: readonly Fault[]) => void
  /** The bot's process was told that it may not write to somebody. */
  readonly onSuppressed: (userId: string, process: Caller) => void
}

/** The process that calls, as far as the platform can harm it. */
export interface Caller {
  readonly name: string
  /** It dies now, in mid-call: no answer ever comes. */
  crash(): Promise<void>
  /** It dies within its next statements. */
  crashSoon(): void
}

/** A chat platform in another place, with everything that can go wrong on the way there. */
export class SimulatedPlatform {
  readonly #parts: PlatformParts
  readonly #closed = new Set<string>()
  readonly #byNonce = new Map<string, Message>()
  #ids = 0
  /** Looks that failed, kept up for a while: history is gone for everybody then. */
  #blindUntil = 0

  constructor(parts: PlatformParts) {
    this.#parts = parts
  }

  setDoors(userId: string, closed: boolean): void {
    if (closed) this.#closed.add(userId)
    else this.#closed.delete(userId)
  }

  /** The platform as one process of the bot sees it. */
  doorOf(caller: Caller): RemotePlatform {
    return {
      name: 'discord',
      nonceWindowMs: PROMISED_WINDOW_MS,
      send: (message, signal) => this.#send(caller, message, signal),
      findSent: query => this.#find(caller, query),
    }
  }

  async #send(caller: Caller, message: OutboundMessage, signal: AbortSignal): Promise<Delivery> {
    const { chance, time, judge, faulty, onFault } = this.#parts
    // What left cannot be called back: the moment it leaves is what the bot answers for.
    const faults = judge(message.userId)
    const fate = faulty()
      ? chance.weighted({
          ok: 100,
          retry: 5,
          lost: 4,
          'lost after': 5,
          refused: 1,
          plain: 2,
          'crash before': 3,
          'crash after': 4,
          'crash soon': 4,
          slow: 4,
        })
      : 'ok'
    if (fate !== 'ok') onFault(`platform ${fate}`)
    await time.wait(caller.name, fate === 'slow' ? chance.between(5_000, 45_000) : chance.between(30, 600))
    if (signal.aborted && chance.happens(0.5)) throw new DeliveryError('uncertain', 'aborted', 'simulated: given up')
    if (fate === 'crash before') await caller.crash()
    if (fate === 'retry') {
      const retryAfterMs = Math.round(chance.between(500, 900_000))
      throw new DeliveryError('retry', 'rate_limited', 'simulated: too fast', { retryAfterMs })
    }
    if (fate === 'lost') throw new DeliveryError('uncertain', 'server_error', 'simulated: no answer')
    if (fate === 'refused') throw new DeliveryError('refused', 'content_refused', 'simulated: not this text')
    if (fate === 'plain') throw new DeliveryError('plain', 'filtered', 'simulated: not these words')
    const delivery = this.#accept(message, faults)
    if (!delivery) {
      this.#parts.onSuppressed(message.userId, caller)
      throw new DeliveryError('suppress', 'dm_closed', 'simulated: their doors are closed')
    }
    if (fate === 'crash after') await caller.crash()
    if (fate === 'lost after') throw new DeliveryError('uncertain', 'timeout', 'simulated: no answer')
    if (fate === 'crash soon') caller.crashSoon()
    return delivery
  }

  #accept(message: OutboundMessage, faults: readonly Fault[]): Delivery | undefined {
    const { time, onAccepted } = this.#parts
    const known = this.#parts.forgetful ? undefined : this.#byNonce.get(message.nonce)
    if (known && time.now - known.at < REAL_WINDOW_MS) return { platformMessageId: known.id, deduplicated: true }
    if (this.#closed.has(message.userId)) return undefined
    this.#ids += 1
    const { userId, nonce, text } = message
    const accepted = { id: `m${this.#ids}`, userId, nonce, text, at: time.now }
    this.#byNonce.set(nonce, accepted)
    onAccepted(message, faults)
    return { platformMessageId: accepted.id, deduplicated: false }
  }

  async #find(caller: Caller, query: SentQuery): Promise<Delivery | 'absent' | 'unreadable'> {
    const { chance, time, faulty, onFault } = this.#parts
    await time.wait(caller.name, chance.between(30, 400))
    if (faulty() && chance.happens(0.1)) this.#blindUntil = time.now + chance.between(60_000, 14_400_000)
    if (faulty() && time.now < this.#blindUntil) {
      onFault('platform unreadable')
      return 'unreadable'
    }
    const found = this.#parts.forgetful ? undefined : this.#byNonce.get(query.nonce)
    if (!found || found.at < query.since.getTime()) return 'absent'
    return { platformMessageId: found.id, deduplicated: true }
  }
}
