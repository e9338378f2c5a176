import { isWithin, minutesApart, sayMinute, utcMinute, wallMinute, type Hours } from './local-time.ts'

/** What must never be broken. */
export type Invariant =
  | 'no message to somebody who opted out, or never opted in'
  | 'no message to somebody suppressed'
  | 'no message to somebody erased'
  | 'no message to somebody who said "later"'
  | 'never two for one planned follow-up'
  | 'never above the weekly cap'
  | 'never in quiet hours'
  | 'never more than the allowed unanswered'
  | 'never a text that must not be sent'
  | 'every planned one ends'

export interface Violation {
  readonly invariant: Invariant
  readonly userId: string
  readonly at: number
  readonly detail: string
  /** The last things that had happened to them. */
  readonly story: readonly string[]
}

/** What would be broken by a message that leaves now. */
export type Fault = Pick<Violation, 'invariant' | 'detail'>

/** What a person asks for; it holds from when the bot has answered it. */
export type Wish =
  | { readonly kind: 'off' }
  | { readonly kind: 'on' }
  | { readonly kind: 'zone'; readonly zone: string }
  | { readonly kind: 'quiet'; readonly hours: Hours }
  | { readonly kind: 'snooze'; readonly days: number }
  | { readonly kind: 'forget' }

/** The rules as the operator believes to have set them. */
export interface Rules {
  readonly perWeek: number
  readonly unanswered: number
  readonly quiet: Hours
}

/** What a person has asked for. */
interface Settings {
  readonly consent: 'none' | 'in' | 'out'
  readonly erased: boolean
  readonly snoozedUntil: number
  readonly zone: string | undefined
  readonly quiet: Hours | undefined
}

interface State {
  readonly mustOptIn: boolean
  /** Of each the one that holds; several while an answer is out, or was lost: any of them may. */
  readonly settings: { [Name in keyof Settings]: readonly Settings[Name][] }
  /** Since when the platform has told us never to write to them. */
  suppressedSince: number | undefined
  readonly spokenMinutes: Set<number>
  readonly sent: number[]
  sentSinceSpoken: number
  /** The last things that happened to them. */
  readonly story: string[]
}

const WEEK_MS = 168 * 3_600_000
const DAY_MS = 86_400_000
const STORY_LINES = 50
/** A person whose zone nobody knows: three hours around a time of day at which they wrote, and a minute for rounding. */
const AWAKE_WITHIN_MINUTES = 181

/**
 * Knows of everybody what they said and what they were answered, and says of every message whether it was allowed. Written
 * from the rules, knowing nothing of the bot's gates and tables.
 */
export class Oracle {
  readonly violations: Violation[] = []
  readonly #rules: Rules
  readonly #people = new Map<string, State>()
  readonly #accepted = new Map<string, number>()

  constructor(rules: Rules) {
    this.#rules = rules
  }

  hasSeen(broken: Invariant | undefined): boolean {
    return this.violations.some(({ invariant }) => invariant === broken)
  }

  meet(userId: string, mustOptIn: boolean): void {
    this.#people.set(userId, {
      mustOptIn,
      settings: { consent: ['none'], erased: [false], snoozedUntil: [0], zone: [undefined], quiet: [undefined] },
      suppressedSince: undefined,
      spokenMinutes: new Set(),
      sent: [],
      sentSinceSpoken: 0,
      story: [],
    })
  }

  note(userId: string, at: number, what: string): void {
    const { story } = this.#of(userId)
    story.push(`${new Date(at).toISOString()} ${what}`)
    if (story.length > STORY_LINES) story.shift()
  }

  storyOf(userId: string): readonly string[] {
    return this.#people.get(userId)?.story ?? []
  }

  /** They say something to the bot: the run of unanswered ones ends, and what suppressed them with it. */
  speaks(userId: string, at: number): void {
    const state = this.#of(userId)
    state.spokenMinutes.add(utcMinute(at))
    state.sentSinceSpoken = 0
    state.suppressedSince = undefined
  }

  /** They ask for something; until it is answered nobody knows whether it holds. */
  asks(userId: string, wish: Wish, at: number): void {
    const { settings } = this.#of(userId)
    const wished = settingsOf(wish, at)
    for (const name of Object.keys(wished) as (keyof Settings)[]) {
      const known: readonly unknown[] = settings[name]
      if (!known.includes(wished[name])) Object.assign(settings, { [name]: [...known, wished[name]] })
    }
  }

  /** The bot has said that it is done: from this moment it holds. */
  granted(userId: string, wish: Wish, at: number): void {
    const { settings } = this.#of(userId)
    for (const [name, value] of Object.entries(settingsOf(wish, at))) Object.assign(settings, { [name]: [value] })
  }

  /** The platform has said that they cannot be written to. */
  suppressed(userId: string, at: number): void {
    this.#of(userId).suppressedSince = at
  }

  /** Whoever was told has died with the news. */
  suppressionForgotten(userId: string): void {
    this.#of(userId).suppressedSince = undefined
  }

  /** What a message that leaves now would break. */
  faultsOf(userId: string, at: number): Fault[] {
    const state = this.#of(userId)
    const week = state.sent.filter(sent => at - sent < WEEK_MS)
    const { consent, erased, snoozedUntil } = state.settings
    const found: [Invariant, string | undefined][] = [
      ['no message to somebody who opted out, or never opted in', certain(consent, each => consentFault(state, each))],
      ['no message to somebody erased', certain(erased, each => (each ? 'their data was erased' : undefined))],
      ['no message to somebody who said "later"', certain(snoozedUntil, each => snoozeFault(each, at))],
      ['never in quiet hours', this.#quietFault(state, at)],
      [
        'no message to somebody suppressed',
        state.suppressedSince === undefined ? undefined : `since ${new Date(state.suppressedSince).toISOString()}`,
      ],
      [
        'never above the weekly cap',
        week.length >= this.#rules.perWeek ? `${week.length} within the last 168 hours` : undefined,
      ],
      [
        'never more than the allowed unanswered',
        state.sentSinceSpoken >= this.#rules.unanswered ? `${state.sentSinceSpoken} unanswered before` : undefined,
      ],
    ]
    return found.flatMap(([invariant, detail]) => (detail === undefined ? [] : [{ invariant, detail }]))
  }

  /** A message has reached them; `key` is the same for all of one planned follow-up. */
  received(userId: string, message: { key: string; at: number; faults: readonly Fault[] }): void {
    const { key, at, faults } = message
    const state = this.#of(userId)
    for (const fault of faults) this.blame({ ...fault, userId, at })
    const count = (this.#accepted.get(key) ?? 0) + 1
    this.#accepted.set(key, count)
    if (count > 1) {
      this.blame({ invariant: 'never two for one planned follow-up', detail: `${key} came ${count} times`, userId, at })
    }
    state.sent.push(at)
    state.sentSinceSpoken += 1
  }

  blame(violation: Omit<Violation, 'story'>): void {
    const { userId, at, invariant, detail } = violation
    this.note(userId, at, `VIOLATION ${invariant}: ${detail}`)
    this.violations.push({ ...violation, story: [...this.storyOf(userId)] })
  }

  /** Planned follow-ups of which a message was received. */
  get receivedKeys(): ReadonlyMap<string, number> {
    return this.#accepted
  }

  #quietFault(state: State, at: number): string | undefined {
    const { zone, quiet } = state.settings
    return certain(zone, each =>
      each === undefined
        ? strangeHourFault(state, at)
        : certain(quiet, own => {
            const minute = wallMinute(each, at)
            return isWithin(minute, own ?? this.#rules.quiet) ? `it is ${sayMinute(minute)} in ${each}` : undefined
          }),
    )
  }

  #of(userId: string): State {
    const state = this.#people.get(userId)
    if (!state) throw new Error(`nobody is called ${userId}`)
    return state
  }
}

/** A fault that there is whichever of the values holds. */
function certain<Value>(values: readonly Value[], faultOf: (value: Value) => string | undefined): string | undefined {
  const faults = values.map(faultOf)
  return faults.every(fault => fault !== undefined) ? faults[0] : undefined
}

function settingsOf(wish: Wish, at: number): Partial<Settings> {
  switch (wish.kind) {
    case 'off':
      return { consent: 'out' }
    case 'on':
      return { consent: 'in', erased: false }
    case 'zone':
      return { zone: wish.zone }
    case 'quiet':
      return { quiet: wish.hours }
    case 'snooze':
      return { snoozedUntil: at + wish.days * DAY_MS }
    case 'forget':
      return { consent: 'out', erased: true, snoozedUntil: 0, zone: undefined, quiet: undefined }
  }
}

function consentFault({ mustOptIn }: State, consent: Settings['consent']): string | undefined {
  if (consent === 'out') return 'they said no'
  return mustOptIn && consent !== 'in' ? 'they never said yes' : undefined
}

function snoozeFault(until: number, at: number): string | undefined {
  return at < until ? `not before ${new Date(until).toISOString()}` : undefined
}

/** Nobody knows their zone: it must be near a time of day at which they were awake. */
function strangeHourFault({ spokenMinutes }: State, at: number): string | undefined {
  const minute = utcMinute(at)
  const awake = [...spokenMinutes].some(spoken => minutesApart(minute, spoken) <= AWAKE_WITHIN_MINUTES)
  return awake ? undefined : `${sayMinute(minute)} UTC is far from any time at which they wrote`
}
