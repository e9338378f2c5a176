import { quotable } from './clean-text.ts'

/** One line of a conversation, as the writers need it. */
export interface Line {
  readonly author: 'user' | 'bot'
  readonly text: string
}

/** What a person talked about, ready to be said back to them. */
export interface Topic {
  /** Their own words turned around: `your recital is on Friday`. */
  readonly said: string
  /** Its heart: `your recital`; undefined when there is no telling. */
  readonly thing: string | undefined
}

/** Longer quotations are no conversation any more. */
const LONGEST_QUOTE = 120
const GREETING = /^(hi|hello|hey|hiya|yo|good (morning|evening|afternoon|day)|greetings|howdy)\b[\s,!.]*/i
const SMALL_TALK =
  /^(thanks?( you)?( (so|very) much)?|thx|ok(ay)?|cool|nice|great|yes|yep|yeah|no|nope|sure|bye|goodbye|good ?night|see you( later| soon)?|later|lol|haha+|hm+|test(ing)?)[\s!.?]*$/i
const INTRODUCTION =
  /^(?:i am|i'm|my name is|this is|call me|it's|its)\s+(\p{Lu}[\p{L}'-]{1,30}|\p{L}[\p{L}'-]{1,20}$)[\s!.,]*/iu
/** Words after "I am" that are no name. */
const NO_NAME =
  /^(a|an|the|so|very|not|fine|good|ok|okay|well|here|back|sad|happy|tired|busy|sorry|afraid|sure|just|going|trying|looking|working|learning|planning|feeling|thinking|in|at|on|from|really|still|also|glad|new|bored|sick|ready|done|home|late|lost|stuck)$/i
const QUESTION = /\?\s*$|^(who|what|when|where|why|how|which|can|could|do|does|did|is|are|am|will|would|should)\b/i

/** The name a person gave themselves, if they did; the last one counts. */
export function givenName(lines: readonly Line[]): string | undefined {
  for (const line of lines.toReversed()) {
    if (line.author !== 'user') continue
    const text = quotable(line.text, LONGEST_QUOTE).replace(GREETING, '')
    const name = INTRODUCTION.exec(text)?.[1]
    if (name && !NO_NAME.test(name) && !/ing$/i.test(name)) return name[0]?.toUpperCase() + name.slice(1)
  }
  return undefined
}

/** What is left of a line when greeting and introduction are taken off; empty for small talk. */
export function substance(text: string): string {
  const plain = quotable(text, LONGEST_QUOTE).replace(GREETING, '')
  const name = INTRODUCTION.exec(plain)?.[1]
  const rest = name && !NO_NAME.test(name) && !/ing$/i.test(name) ? plain.replace(INTRODUCTION, '') : plain
  const clean = rest.replace(/^(and|but|so|well|also|oh|um+)[\s,]+/i, '').replace(/[\s.!,;:]+$/, '')
  return SMALL_TALK.test(clean) || clean.split(/\s+/).length < 2 || !/\p{L}{2}/u.test(clean) ? '' : clean
}

/** Whether a line asks something. */
export function isQuestion(text: string): boolean {
  return QUESTION.test(text.trim())
}

/** The last thing of substance the person said; questions to us count only when there is nothing else. */
export function lastTopic(lines: readonly Line[]): Topic | undefined {
  const theirs = lines
    .filter(line => line.author === 'user')
    .map(line => line.text)
    .toReversed()
  const statements = theirs.filter(text => substance(text) !== '' && !isQuestion(text))
  const found = statements[0] ?? theirs.find(text => substance(text) !== '')
  return found === undefined ? undefined : topicOf(found)
}

/** A line as a topic; undefined when there is nothing in it. */
export function topicOf(text: string): Topic | undefined {
  const plain = substance(text)
  if (plain === '') return undefined
  const said = turnAround(plain.replace(/\?+$/, ''))
  return { said, thing: heart(said) }
}

const TURNED: Readonly<Record<string, string>> = {
  i: 'you',
  me: 'you',
  my: 'your',
  mine: 'yours',
  myself: 'yourself',
  "i'm": "you're",
  "i've": "you've",
  "i'll": "you'll",
  "i'd": "you'd",
  am: 'are',
  we: 'you',
  our: 'your',
  ours: 'yours',
  us: 'you',
  "we're": "you're",
  "we've": "you've",
}

/** Words of the first person become the second's: `my recital is on Friday` → `your recital is on Friday`. */
export function turnAround(text: string): string {
  const turned = text
    .replace(/[’`]/g, "'")
    .replace(/\b(i|we) was\b/gi, 'you were')
    .replace(/\bi'?m\b/gi, "you're")
    .replace(/[\p{L}']+/gu, word => TURNED[word.toLowerCase()] ?? word)
  const [first = ''] = turned.split(/\s/)
  // A capital at the start of their line is no capital in the middle of ours, unless it is a name or an acronym.
  return /^[A-Z][a-z]*$/.test(first) && STARTERS.test(first) ? first.toLowerCase() + turned.slice(first.length) : turned
}

const STARTERS =
  /^(the|a|an|this|that|these|those|your|you|you're|you've|it|there|yesterday|today|tomorrow|next|last|some|every|when|because|after|before)$/i

/** `your recital` out of `your recital is on Friday`; `the cello` out of `you play the cello`. */
function heart(said: string): string | undefined {
  const own =
    /\b(your(?: \p{L}[\p{L}'-]*){1,2}?)(?= (?:is|are|was|were|has|have|will|starts?|begins?|ends?|on|in|at|this|next|tomorrow|today|and|but|with|for|to)\b|$)/iu.exec(
      said,
    )
  if (own?.[1]) return own[1]
  const object =
    /\byou (?:play|love|like|enjoy|study|learn|make|build|write|read|want|need|bought|got|have|watch|teach|practi[cs]e|started|finished) ((?:the |a |an |some |your )?\p{L}[\p{L}'-]*)/iu.exec(
      said,
    )
  return object?.[1]
}
