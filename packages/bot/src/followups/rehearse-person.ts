import type { PersonFacts } from './gates.ts'

const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS

/** Something that happened to a person, whatever the bot did or did not do then. */
export type PersonEvent =
  | { readonly kind: 'message'; readonly at: Date; readonly userId: string; readonly conversationId: string }
  | { readonly kind: 'granted' | 'revoked'; readonly at: Date; readonly userId: string }
  | { readonly kind: 'snoozed'; readonly at: Date; readonly userId: string; readonly until: Date }
  /** A follow-up that really was sent. */
  | { readonly kind: 'sent'; readonly at: Date; readonly userId: string }

/**
 * One person at one instant of a rehearsal. What the events tell moves with time; everything else (zone, quiet hours,
 * frequency, suppression) is as it is today, since nobody stored when it changed.
 */
export class RehearsedPerson {
  readonly #today: PersonFacts
  readonly #talks = new Map<string, Date[]>()
  #lastTalk = ''
  #lastMessageAt: Date | undefined
  #consent: PersonFacts['consent']
  #enabled: boolean
  #snoozedUntil: Date | undefined
  #unanswered = 0
  /** Newest first. */
  #sent: Date[] = []

  /** @param events everything known of the person, so that the time before their first yes or no can be told from today */
  constructor(today: PersonFacts, events: readonly PersonEvent[]) {
    this.#today = today
    const spoke = events.some(({ kind }) => kind === 'granted' || kind === 'revoked')
    // Before their first word on it, follow-ups were as everybody's are: the column's default.
    this.#enabled = spoke ? true : today.followUpsEnabled
    this.#consent = spoke ? undefined : today.consent
    this.#snoozedUntil = events.some(({ kind }) => kind === 'snoozed') ? undefined : today.snoozedUntil
    const [first] = events
    if (today.lastSentAt && first && today.lastSentAt < first.at) this.#sent = [today.lastSentAt]
  }

  apply(event: PersonEvent): void {
    switch (event.kind) {
      case 'message':
        return this.#speak(event.at, event.conversationId)
      case 'granted':
      case 'revoked':
        this.#consent = event.kind
        this.#enabled = event.kind === 'granted'
        return
      case 'snoozed':
        this.#snoozedUntil = event.until
        return
      case 'sent':
        this.send(event.at)
    }
  }

  send(at: Date): void {
    this.#sent.unshift(at)
    this.#unanswered += 1
  }

  #speak(at: Date, conversationId: string): void {
    const talk = (this.#talks.get(conversationId) ?? []).filter(said => at.getTime() - said.getTime() < DAY_MS)
    this.#talks.set(conversationId, [...talk, at])
    this.#lastTalk = conversationId
    this.#lastMessageAt = at
    this.#unanswered = 0
  }

  factsAt(now: Date): PersonFacts {
    return {
      ...this.#today,
      followUpsEnabled: this.#enabled,
      consent: this.#consent,
      snoozedUntil: this.#snoozedUntil,
      lastMessageAt: this.#lastMessageAt,
      messagesInLastTalk: this.#talks.get(this.#lastTalk)?.length ?? 0,
      unanswered: this.#unanswered,
      sentThisWeek: this.#sent.filter(sent => now.getTime() - sent.getTime() < WEEK_MS),
      lastSentAt: this.#sent[0],
    }
  }
}
