import { createHash } from 'node:crypto'
import { quotable } from './clean-text.ts'
import { givenName, isAhead, isQuestion, lastTopic, substance, topicOf, type Line, type Topic } from './topic.ts'

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

/** What weighs on somebody. */
export const HARD =
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
