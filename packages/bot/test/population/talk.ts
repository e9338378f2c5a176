import type { InboundMessage } from '../../src/messaging/message.ts'
import type { Handled } from '../../src/chat/handle-message.ts'
import type { Chance } from './chance.ts'
import type { Oracle, Wish } from './oracle.ts'
import type { Act, Person, Plan } from './people.ts'
import type { SimulatedPlatform } from './platform.ts'
import type { BotProcess } from './process.ts'
import type { VirtualTime } from './virtual-time.ts'

const MINUTE_MS = 60_000
const ADMIN = 'web:admin'

/** What is seen of the world by those who speak. */
interface Surroundings {
  readonly time: VirtualTime
  readonly chance: Chance
  readonly oracle: Oracle
  readonly platform: SimulatedPlatform
  readonly counts: Record<string, number>
  readonly alive: BotProcess[]
}

interface Hooks {
  erased(userId: string): void
  plan(person: Person, plan: Plan): void
  later(ms: number, run: () => void): void
}

/** Something said that has no answer yet. */
interface Said {
  readonly message: InboundMessage
  readonly process: BotProcess
  answered(reply: string): void
  /** No answer will come; it may have been heard all the same. */
  unanswered(): void
}

/** What the bot answers when it has done what it was asked for. */
const DONE: Readonly<Record<Wish['kind'], RegExp>> = {
  off: /^Follow-ups are off for you/,
  on: /^Follow-ups are on for you/,
  zone: /^Your time zone is/,
  quiet: /^(?:Your q|Q)uiet hours/,
  snooze: /^I will not write by myself until/,
  forget: /^Done\. All that I stored about you is erased/,
}

/** People speak to the bot, through whatever process of it is there, and say it again when no answer comes. */
export class Talk {
  readonly #world: Surroundings
  readonly #hooks: Hooks
  readonly #waiting = new Set<Said>()
  #adminMessages = 0

  constructor(world: Surroundings, hooks: Hooks) {
    this.#world = world
    this.#hooks = hooks
  }

  act(person: Person, act: Act): void {
    const { time, chance, oracle, platform } = this.#world
    if (act.kind === 'doors') {
      oracle.note(person.userId, time.now, act.closed ? 'closes their doors' : 'opens their doors')
      return platform.setDoors(person.userId, act.closed)
    }
    if (act.kind === 'asked for') return this.#askFor(person, act.hours)
    // One thing at a time.
    if (person.busy) return this.#hooks.plan(person, { at: time.now + chance.between(1, 5) * MINUTE_MS, act })
    person.busy = true
    if (act.kind === 'talk') return this.#talk(person, act)
    oracle.asks(person.userId, act.wish, time.now)
    this.#ask(person, act, act.texts)
  }

  #talk(person: Person, act: Act & { kind: 'talk' }): void {
    const { time, oracle } = this.#world
    const goOn = (left: number) => {
      person.busy = false
      for (const plan of person.goesOn(time.now, { ...act, left })) this.#hooks.plan(person, plan)
    }
    this.#say(messageOf(person, person.says()), {
      spoken: () => oracle.speaks(person.userId, time.now),
      answered: () => goOn(act.left - 1),
      givenUp: () => goOn(0),
    })
  }

  /** Some wishes take two commands; the answer to the last tells whether they are granted. */
  #ask(person: Person, act: Act & { kind: 'wish' }, texts: readonly string[]): void {
    const [text = '', ...more] = texts
    this.#say(messageOf(person, text), {
      spoken: () => {},
      answered: reply => {
        if (more.length > 0) return this.#ask(person, act, more)
        person.busy = false
        this.#answered(person, act, reply)
      },
      givenUp: () => {
        person.busy = false
      },
    })
  }

  /** A process is gone: what was said to it is said again to another. */
  died(process: BotProcess): void {
    for (const said of this.#waiting) {
      if (said.process !== process) continue
      this.#waiting.delete(said)
      said.unanswered()
    }
  }

  #answered(person: Person, act: Act & { kind: 'wish' }, reply: string): void {
    const { time, oracle, counts, chance } = this.#world
    const { userId } = person
    if (DONE[act.wish.kind].test(reply)) {
      counts[`wishes: ${act.wish.kind}`] = (counts[`wishes: ${act.wish.kind}`] ?? 0) + 1
      oracle.granted(userId, act.wish, time.now)
      if (act.wish.kind === 'forget') this.#hooks.erased(userId)
    } else {
      counts['wishes not granted'] = (counts['wishes not granted'] ?? 0) + 1
      if (chance.happens(0.7)) this.#hooks.plan(person, { at: time.now + 2 * MINUTE_MS, act })
    }
  }

  #askFor(person: Person, hours: number): void {
    const { time, oracle } = this.#world
    oracle.note(person.userId, time.now, `an administrator asks for a follow-up in ${hours} h`)
    this.command(`!schedule_followup ${person.userId} ${hours}`)
  }

  /** The administrator says something, whatever the answer is. */
  command(text: string): void {
    this.#adminMessages += 1
    const messageId = `admin/${this.#adminMessages}`
    const from = { platform: 'web', conversationId: ADMIN, userId: ADMIN, displayName: 'Admin', isAdmin: true } as const
    this.#say({ ...from, messageId, text }, { spoken: () => {}, answered: () => {}, givenUp: () => {} })
  }

  #say(
    message: InboundMessage,
    then: { spoken: () => void; answered: (reply: string) => void; givenUp: () => void },
  ): void {
    const { chance, alive, counts } = this.#world
    const again = () => this.#hooks.later(chance.between(20_000, 120_000), () => this.#say(message, then))
    then.spoken()
    this.#note(message, `says: ${message.text}`)
    if (alive.length === 0) return again()
    counts['messages'] = (counts['messages'] ?? 0) + 1
    const process = chance.pick(alive)
    const said: Said = {
      message,
      process,
      answered: reply => {
        then.spoken()
        this.#note(message, `is answered: ${reply.slice(0, 70)}`)
        then.answered(reply)
      },
      unanswered: () => {
        const tries = chance.happens(0.9)
        this.#note(message, tries ? 'hears nothing' : 'hears nothing and gives up')
        return tries ? again() : then.givenUp()
      },
    }
    this.#waiting.add(said)
    process.app.chat.handle(message).then(
      handled => this.#heard(said, handled),
      () => this.#waiting.delete(said) && said.unanswered(),
    )
  }

  #heard(said: Said, { reply, aside }: Handled & { aside?: string }): void {
    if (!this.#waiting.delete(said)) return
    const { counts } = this.#world
    counts['answers'] = (counts['answers'] ?? 0) + 1
    said.answered(aside ?? reply?.text ?? '')
  }

  #note({ userId }: InboundMessage, what: string): void {
    if (userId !== ADMIN) this.#world.oracle.note(userId, this.#world.time.now, what.replaceAll('\n', ' '))
  }
}

function messageOf(person: Person, text: string): InboundMessage {
  const { userId, name: displayName, platform } = person
  return {
    messageId: person.nextMessageId(),
    platform,
    conversationId: userId,
    userId,
    displayName,
    text,
    isAdmin: false,
    isPrivate: true,
  }
}
