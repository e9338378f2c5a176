import { createHash } from 'node:crypto'
import { quotable } from './clean-text.ts'
import {
  givenName,
  isAhead,
  isDistress,
  isQuestion,
  lastTopic,
  substance,
  topicOf,
  turnAround,
  type Line,
  type Topic,
} from './topic.ts'

/** A follow-up written without a model. */
export interface TemplateFollowUp {
  readonly text: string
  /** Which template it is, for the report. */
  readonly template: string
}

const CONNECT =
  'I am running without a language model, so I can listen and follow up, but not answer that. ' +
  'Set LLM_BASE_URL and LLM_MODEL (Ollama, LM Studio, OpenAI, …) and I can.'
const CONNECT_IN_PASSING =
  '(I am a program, for now without a language model: set LLM_BASE_URL and LLM_MODEL and I have more to say.)'

/**
 * A reply without any language model: takes up what the person said, asks one thing at most, says plainly that it is a
 * program, and tells once per conversation how to connect a model.
 * @param input.lines the conversation so far; its last line is what is answered
 */
export function templateReply(input: { botName: string; displayName: string; lines: readonly Line[] }): string {
  const { lines, botName } = input
  const said = lines.findLast(line => line.author === 'user')?.text ?? ''
  const ours = lines.filter(line => line.author === 'bot').map(line => line.text)
  const told = ours.some(text => text.includes('LLM_BASE_URL'))
  const pick = chooser(`${said}${lines.length}`, ours)
  const plain = quotable(said, 300)
  if (isDistress(said)) return HELP
  const fixed = fixedAnswer(plain, { botName, name: givenName(lines), pick })
  if (fixed === undefined && isQuestion(plain) && !told) return CONNECT
  const reply = fixed ?? (isQuestion(plain) ? answerQuestion(plain, pick) : takeUpOrAsk(lines, said, pick))
  return told || ours.length > 0 ? reply : `${reply}\n${CONNECT_IN_PASSING}`
}

type Pick = (options: readonly string[]) => string

/** Always the same choice for the same conversation, no die is thrown; what was asked before is not asked again. */
function chooser(seed: string, ours: readonly string[]): Pick {
  const number = createHash('sha256').update(seed.toWellFormed()).digest().readUInt32BE(0)
  return options => {
    const fresh = options.filter(option => !ours.some(text => text.includes(lastSentence(option))))
    const from = fresh.length > 0 ? fresh : options
    return from[number % from.length] ?? ''
  }
}

function lastSentence(text: string): string {
  return text.split(/(?<=[.!?]) /).at(-1) ?? text
}

/** No question, no wit, no wordplay: where help is, and what we are. */
const HELP =
  'That sounds very serious, and I am only a program. Please talk to somebody now: a person you trust, a doctor, ' +
  'a crisis line, or your local emergency number if you are in danger. You do not have to be alone with this.'

const THANKS = /^(?:ok(?:ay)?[\s,]+)?(?:thanks?|thank you|thx|cheers)\b/i
const FAREWELL =
  /\b(?:bye|goodbye|good ?night|see (?:you|ya)|gotta go|talk (?:to you )?later)\b[\s\p{L},]{0,20}[.!\s]*$/iu

function fixedAnswer(
  plain: string,
  { botName, name, pick }: { botName: string; name: string | undefined; pick: Pick },
): string | undefined {
  const you = name ? `, ${name}` : ''
  if (
    /\b(?:are|r) (?:you|u) (?:really )?(?:a |an )?(?:real|human|person|bot|robot|ai|machine|program|alive)\b/i.test(
      plain,
    )
  )
    return `I am a program called ${botName}. Nobody types these words, and I say so whenever asked.`
  if (/\b(?:remember|know|what(?:'s| is)) my name\b/i.test(plain)) {
    return name ? `You are ${name}, if I got that right.` : 'You have not told me yet. What shall I call you?'
  }
  if (/\b(?:who|what) are you\b(?! \p{L}+ing)|\byour name\b/iu.test(plain))
    return `I am ${botName}, a chat program. I remember what we talk about here, and if you go quiet I may follow up once. \`!help\` shows what else I can do.`
  if (substance(plain) === '' || plain.length < 40) {
    if (FAREWELL.test(plain)) return pick([`Take care${you}.`, `Until next time${you}.`, `Good talking to you${you}.`])
    if (THANKS.test(plain)) return pick([`You are welcome${you}.`, `Gladly${you}.`, `Any time${you}.`])
  }
  if (/^(?:(?:hi|hello|hey)[\s,!.]+)?(?:how are (?:you|things)|how(?:'s| is) it going|what'?s up)\b/i.test(plain))
    return `All systems steady, thanks for asking. How about you${you}?`
  if (/^(?:hi(?:ya)?|hello|hey|yo|good (?:morning|evening|afternoon|day))\b/i.test(plain) && substance(plain) === '')
    return hello({ name, pick, introduced: givenName([{ author: 'user', text: plain }]) })
  return undefined
}

function hello(input: { name: string | undefined; introduced: string | undefined; pick: Pick }): string {
  const { name, introduced, pick } = input
  if (introduced) {
    return pick([
      `Hello ${introduced}, good to meet you. What are you up to these days?`,
      `Nice to meet you, ${introduced}. What is on your mind?`,
      `Hi ${introduced}, welcome. What has your day been like?`,
    ])
  }
  const you = name ? ` ${name}` : ''
  return pick([
    `Hello${you}! What is on your mind?`,
    `Hi${you}. What are you up to today?`,
    `Hello there${you && `,${you}`}. How is your day?`,
  ])
}

function answerQuestion(plain: string, pick: Pick): string {
  const thing = topicOf(plain)?.thing
  return pick([
    ...(thing ? [`That one is beyond me without a language model. What do you think about ${thing} yourself?`] : []),
    'I cannot look that up, honestly. What made you wonder?',
    'I do not know. Tell me what you have found out so far, and I will remember it.',
    'No idea, without a language model. What would you guess?',
  ])
}

function takeUpOrAsk(lines: readonly Line[], said: string, pick: Pick): string {
  const introduced = givenName(lines.slice(-1))
  const topic = topicOf(said)
  if (topic) return (introduced ? `Nice to meet you, ${introduced}. ` : '') + takeUp(topic, said, pick)
  if (introduced) return hello({ name: undefined, introduced, pick })
  if (substance(said) !== '' && (HARD.test(said) || GLAD.test(said))) {
    return takeUp({ said: undefined, thing: undefined }, said, pick)
  }
  const before = lastTopic(lines.slice(0, -1))
  return pick([
    'I see. Tell me more?',
    'Go on, I am listening.',
    'All right. What is on your mind?',
    'Understood. What else is going on?',
    ...(before?.thing ? [`All right. And what about ${before.thing}?`] : []),
  ])
}

const HARD =
  /\b(?:sad|sick|ill|died|death|lost|afraid|scared|anxious|lonely|depressed|tired|exhausted|stress(?:ed|ful)?|hard|difficult|failed|broke up|hurt|worried|nervous|miss|yell(?:ed|s)|fired|cried|crying|argument|terrible|awful)\b/i
const GLAD =
  /\b(?:happy|glad|excited|won|passed|great|finally|finished|proud|wonderful|amazing|fun)\b|\bi (?:really )?(?:love|enjoy)\b/i
const PAST = /\b(?:was|were|had|went|did|yesterday|ago|last (?:week|month|year|night))\b/i
const WISH = /\b(?:want|would like|i'd like|hope|hoping|plan|planning|wish|thinking (?:about|of)|should)\b/i
const PEOPLE =
  /\b(?:sister|brother|mother|father|mum|mom|dad|parents?|wife|husband|partner|boyfriend|girlfriend|friends?|son|daughter|kids?|child(?:ren)?|boss|teacher|colleagues?|neighbou?rs?|cats?|dogs?|grand(?:ma|pa|mother|father)|aunt|uncle|cousin)\b/i

/** Takes up what was said, in a tone that fits, and asks one thing. */
function takeUp({ said: words, thing }: Topic, said: string, pick: Pick): string {
  const echo = words ? `So ${words}.` : thing ? `Ah, ${thing}.` : 'I see.'
  const someone = thing !== undefined && PEOPLE.test(thing)
  if (HARD.test(said)) {
    return pick([
      'That sounds hard. Do you want to tell me more?',
      `${echo} What would help most right now?`,
      'I hear you. What is the worst part of it?',
      `${echo} How are you coping?`,
    ])
  }
  if (isAhead(said)) {
    return pick([
      `${echo} How do you feel about it?`,
      `${echo} What are you hoping for?`,
      ...(thing && !someone ? [`${echo} How are you getting ready for ${thing}?`] : []),
      `${echo} What comes first?`,
    ])
  }
  if (WISH.test(said)) {
    return pick([
      `${echo} What draws you to it?`,
      `${echo} What would be the first step?`,
      `${echo} What is holding you back?`,
    ])
  }
  if (GLAD.test(said)) {
    return pick([
      'That is good to hear. What was the best part?',
      `${echo} How did that come about?`,
      ...(thing && !someone ? [`Lovely. What do you like most about ${thing}?`] : ['Lovely. Tell me more?']),
    ])
  }
  if (someone)
    return pick([`${echo} What is the story there?`, `${echo} Tell me more about ${thing}?`, `${echo} And you?`])
  if (PAST.test(said))
    return pick([`${echo} How was that?`, `${echo} What happened then?`, `${echo} What has changed since?`])
  return pick([
    ...(thing ? [`${echo} What is that like?`, `${echo} What matters most to you about ${thing}?`] : []),
    `${echo} How long has that been so?`,
    `${echo} How do you feel about that?`,
    `${echo} What is that like for you?`,
  ])
}

interface FollowUpWords {
  readonly hi: string
  readonly topic: Topic | undefined
  /** What they last talked about weighs on them: nobody asks for news of that. */
  readonly heavy: boolean
}

/** Worded to fit before and after whatever was announced, since nobody knows how much time has passed. */
const FOLLOW_UPS: readonly { id: string; write: (words: FollowUpWords) => string | undefined }[] = [
  {
    id: 'how-are-things',
    write: ({ hi, topic, heavy }) =>
      topic?.said && `${hi}, last time you said ${topic.said}. ${heavy ? 'How are you now?' : 'How is that going?'}`,
  },
  {
    id: 'any-news',
    write: ({ hi, topic, heavy }) =>
      topic?.thing && !heavy ? `${hi}, we talked a while ago about ${topic.thing}. Any news?` : undefined,
  },
  {
    id: 'how-does-it-look',
    write: ({ hi, topic, heavy }) =>
      topic?.said && !heavy ? `${hi}, you mentioned that ${topic.said}. How do things look by now?` : undefined,
  },
  {
    id: 'what-became-of-it',
    write: ({ hi, topic }) =>
      topic?.thing && `${hi}, I have kept ${topic.thing} in mind. Would you like to tell me more?`,
  },
  { id: 'general', write: ({ hi }) => `${hi}, we have not talked for a while. What has been on your mind?` },
  { id: 'general-again', write: ({ hi }) => `${hi}, how have things been since our last chat?` },
]

/**
 * A follow-up without any language model, at most 400 characters and one question. The first template that fits and was
 * not used lately; when all were, the first that was not used last time.
 * @param input.previous ids of the templates of earlier follow-ups, newest first
 * @param input.hint a topic handed in by whoever scheduled it
 */
export function templateFollowUp(input: {
  displayName: string
  lines: readonly Line[]
  previous: readonly (string | undefined)[]
  hint?: string
}): TemplateFollowUp {
  const name = givenName(input.lines) ?? addressOf(input.displayName)
  const hint = input.hint === undefined ? '' : turnAround(quotable(input.hint, 80).replace(/[?？؟¿]/g, '')).trim()
  const inDistress = input.lines.some(line => line.author === 'user' && isDistress(line.text))
  const handedIn = hint === '' ? undefined : { said: undefined, thing: hint }
  const topic = handedIn ?? (inDistress ? undefined : lastTopic(input.lines))
  const heavy = HARD.test(topic?.said ?? '')
  const words = { hi: name === '' ? 'Hello' : `Hi ${name}`, topic, heavy }
  const fitting = FOLLOW_UPS.flatMap(({ id, write }) => {
    const text = write(words)
    return text ? [{ text, template: id }] : []
  })
  const fresh = fitting.find(each => !input.previous.includes(each.template))
  const found = fresh ?? fitting.find(each => each.template !== input.previous[0])
  return found ?? { text: `${words.hi}, how have things been since our last chat?`, template: 'general-again' }
}

/** A display name as one would call somebody; empty for what is no name. Platforms let people call themselves anything. */
function addressOf(displayName: string): string {
  const name = quotable(displayName, 40)
  return /^[\p{L}\p{M}\p{N} .'-]+$/u.test(name) && !/\bI(?:'?m| am)\b/i.test(name) && /\p{L}/u.test(name) ? name : ''
}
