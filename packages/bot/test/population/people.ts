import type { PlatformName } from '../../src/messaging/message.ts'
import { Chance } from './chance.ts'
import { nextWithin, sayMinute, type Hours } from './local-time.ts'
import type { Wish } from './oracle.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Zones whose clocks change within ninety days of 15 February 2027, zones that have half hours, and zones that never change. */
const ZONES = [
  'America/New_York',
  'America/Los_Angeles',
  'Europe/Berlin',
  'Europe/London',
  'Australia/Lord_Howe',
  'Australia/Sydney',
  'Africa/Cairo',
  'America/Asuncion',
  'Asia/Kolkata',
  'Asia/Tokyo',
  'Pacific/Kiritimati',
  'Pacific/Chatham',
]
const NAMES = ['Ada', 'Ben', 'Cleo', 'Dara', 'Enzo', 'Fay', 'Gus', 'Hana', 'Ivo', 'Juno', 'Kit', 'Lena', 'Milo', 'Nia']
const TOPICS = [
  'sourdough',
  'my exam',
  'the garden',
  'chess',
  'a trip to the sea',
  'my old bike',
  'Python',
  'the choir',
]
const LINES = [
  'I have been busy with {topic} all week.',
  'Do you know anything about {topic}?',
  'Tomorrow I go on with {topic}, wish me luck.',
  'I wonder whether {topic} is for me.',
  'My brother thinks {topic} is a waste of time.',
  'Hello there!',
  'Thanks, that helps.',
]
const AWAKE: Hours = { start: 8 * 60, end: 21 * 60 + 40 }
const NIGHT_OWL: Hours = { start: 16 * 60, end: 3 * 60 }

/** What a person may do. */
export type Act =
  /** `last`: they have no other conversation in mind after it. */
  | { readonly kind: 'talk'; readonly left: number; readonly last?: boolean }
  | { readonly kind: 'wish'; readonly wish: Wish; readonly texts: readonly string[] }
  /** An administrator asks the bot to write to them. */
  | { readonly kind: 'asked for'; readonly hours: number }
  /** Their direct messages are closed on the platform, or open again. */
  | { readonly kind: 'doors'; readonly closed: boolean }

export interface Plan {
  readonly at: number
  readonly act: Act
}

/** One invented person: where they live, how they are. Everything they do is drawn from a die of their own. */
export class Person {
  readonly userId: string
  readonly name: string
  readonly platform: PlatformName
  readonly zone: string
  readonly chance: Chance
  readonly #hours: Hours
  readonly #answers: number
  #messages = 0
  /** Something they said is not answered yet. */
  busy = false

  constructor(seed: string, number: number, platforms: readonly PlatformName[]) {
    this.chance = new Chance(`${seed}/person ${number}`)
    this.platform = this.chance.pick(platforms)
    this.userId = `${this.platform}:p${number}`
    this.name = `${this.chance.pick(NAMES)} ${number}`
    this.zone = this.chance.pick(ZONES)
    this.#hours = this.chance.happens(0.1) ? NIGHT_OWL : AWAKE
    this.#answers = this.chance.next()
  }

  nextMessageId(): string {
    this.#messages += 1
    return `${this.userId}/${this.#messages}`
  }

  says(): string {
    return this.chance.pick(LINES).replace('{topic}', this.chance.pick(TOPICS))
  }

  /** What they have in mind for the time ahead. */
  intentions(from: number, days: number): Plan[] {
    const { chance } = this
    const span = days * DAY_MS
    const sometime = () => this.#awake(from + chance.between(0.1, 0.95) * span)
    const first = this.#awake(from + chance.between(0, 0.4) * span)
    const plans: Plan[] = [{ at: first, act: this.#conversation() }]
    const wish = (at: number, what: Wish) =>
      plans.push({ at, act: { kind: 'wish', wish: what, texts: textsOf(what, chance) } })
    if (this.platform === 'discord' && chance.happens(0.75)) wish(first + 5 * MINUTE_MS, { kind: 'on' })
    if (chance.happens(0.6)) wish(first + 8 * MINUTE_MS, { kind: 'zone', zone: this.zone })
    if (chance.happens(0.15)) wish(first + 12 * MINUTE_MS, { kind: 'quiet', hours: this.#quietHours() })
    if (chance.happens(0.08)) wish(sometime(), { kind: 'zone', zone: chance.pick(ZONES) })
    if (chance.happens(0.08)) wish(sometime(), { kind: 'quiet', hours: this.#quietHours() })
    if (chance.happens(0.1)) wish(sometime(), { kind: 'off' })
    if (chance.happens(0.1)) wish(sometime(), { kind: 'on' })
    if (chance.happens(0.1)) wish(sometime(), { kind: 'snooze', days: chance.pick([1, 3, 7, 14]) })
    if (chance.happens(0.05)) wish(sometime(), { kind: 'forget' })
    const asks = chance.pick([0, 0, 0, 1, 1, 3])
    for (let each = 0; each < asks; each += 1) {
      plans.push({ at: sometime(), act: { kind: 'asked for', hours: chance.pick([1, 5, 12, 24, 30, 70]) } })
    }
    if (this.platform === 'discord' && chance.happens(0.15)) {
      const closes = sometime()
      plans.push({ at: closes, act: { kind: 'doors', closed: true } })
      plans.push({ at: closes + chance.between(1, 12) * DAY_MS, act: { kind: 'doors', closed: false } })
    }
    return plans
  }

  /** After a message of a conversation was answered: the next one, or the next conversation. */
  goesOn(now: number, talk: Act & { kind: 'talk' }): Plan[] {
    const { chance } = this
    if (talk.left > 0) return [{ at: now + chance.between(15, 150) * 1_000, act: talk }]
    if (talk.last) return []
    const gapDays = chance.happens(0.4) ? chance.between(0.3, 6) : chance.between(8, 50)
    return [{ at: this.#awake(now + gapDays * DAY_MS), act: this.#conversation() }]
  }

  /** What they do about a follow-up that has reached them; often nothing. */
  reactsTo(now: number): Plan[] {
    const { chance } = this
    const later = this.#awake(now + chance.between(0.03, 50) * HOUR_MS)
    const wish = (what: Wish, texts = textsOf(what, chance)): Plan[] => [
      { at: now + chance.between(0, 6) * MINUTE_MS, act: { kind: 'wish', wish: what, texts } },
    ]
    if (chance.happens(0.05)) return wish({ kind: 'off' }, [chance.pick(['stop', 'Unsubscribe', 'opt out'])])
    if (chance.happens(0.04)) return wish({ kind: 'snooze', days: 7 })
    if (chance.happens(0.02)) return wish({ kind: 'forget' })
    if (chance.happens(this.#answers))
      return [{ at: later, act: { kind: 'talk', left: 1 + chance.below(4), last: true } }]
    return []
  }

  #conversation(): Act {
    return { kind: 'talk', left: this.chance.pick([1, 3, 3, 3, 4, 5]) }
  }

  #quietHours(): Hours {
    const { chance } = this
    return { start: ((19 + chance.below(6)) % 24) * 60 + chance.pick([0, 30]), end: (5 + chance.below(6)) * 60 }
  }

  #awake(instant: number): number {
    return nextWithin(this.zone, this.#hours, Math.round(instant))
  }
}

function textsOf(wish: Wish, chance: Chance): readonly string[] {
  const settings = '!followup_settings'
  switch (wish.kind) {
    case 'off':
      return [chance.pick([`${settings} off`, `${settings} disable`, 'stop'])]
    case 'on':
      return [`${settings} on`]
    case 'zone':
      return [`${settings} timezone ${wish.zone}`]
    case 'quiet':
      return [`${settings} quiet ${sayMinute(wish.hours.start)}-${sayMinute(wish.hours.end)}`]
    case 'snooze':
      return [`${settings} snooze ${wish.days}d`]
    case 'forget':
      return ['!forget_me', '!forget_me confirm']
  }
}
