import { quotable } from './clean-text.ts'

/** One line of a conversation, as the writers need it. */
export interface Line {
  readonly author: 'user' | 'bot'
  readonly text: string
}

/** What a person talked about, ready to be said back to them. At least one of the two is there. */
export interface Topic {
  /** Their own words turned around: `your recital is on Friday`; undefined when they do not turn around well. */
  readonly said: string | undefined
  /** Its heart: `your recital`; undefined when there is no telling. */
  readonly thing: string | undefined
}

/** Longer quotations are no conversation any more. */
const LONGEST_QUOTE = 120
const GREETING =
  /^(?:hi(?:ya)?|hello|hey|yo|greetings|howdy|good (?:morning|evening|afternoon|day))(?: there)?(?=[\s,!.]|$)[\s,!.]*/i
const FILLER = /^(?:and|but|so|well|also|oh|um+|ok(?:ay)?|yes|yeah|no|nah|thanks|actually|because|anyway|lol)[\s,.!]+/i
const SMALL_TALK = new Set(
  (
    'hi hello hey yo there thanks thank you thx ok okay cool nice great good fine yes yep yeah no nope nah sure bye goodbye ' +
    'night see later soon lol haha hm hmm test testing idk dunno not nothing much same very so too and all right well maybe ' +
    "guess i'm i am oh wow really"
  ).split(' '),
)
/** A name is written with a capital, or said to be one; `I'm nervous` is none. */
const INTRODUCTION =
  /^(?:[Ii] am|[Ii]'?m|[Tt]his is|[Mm]y name is|[Mm]y name's|[Cc]all me)\s+(\p{Lu}[\p{L}'-]{1,30})(?=[\s!.,]|$)[\s!.,]*|^(?:[Mm]y name is|[Mm]y name's|[Cc]all me)\s+(\p{L}[\p{L}'-]{1,20})[\s!.]*$/u
/** Words after "I am" or "call me" that are no name, capital or not. */
const NO_NAME =
  /^(?:a|an|the|so|very|not|fine|good|ok|okay|well|here|back|later|tomorrow|maybe|when|sad|happy|tired|busy|sorry|sure|just|in|at|on|from|really|still|also|glad|new|sick|ready|done|home|late|lost|stuck|my|your|human|german|english|french|spanish|italian|american|british|irish|dutch|polish|turkish|greek|swiss|chinese|japanese|indian|canadian|australian|russian|ukrainian|\p{L}+ing)$/iu
const QUESTION =
  /[?？؟]\s*$|^(?:who|what|when|where|why|how|which|can|could|do|does|did|is|are|am|will|would|should)(?:'?s)?\b/i
/** Words that show that a line is English; others would be turned around into nonsense. */
const ENGLISH =
  /\b(?:i|i'?m|i've|i'll|my|me|the|we|our|us|is|are|and|it|it's|have|has|of|to|not|with|they|she|he|this|that|on|at|for)\b/i
/** What somebody announces: worth asking about afterwards. */
const AHEAD =
  /\b(?:tomorrow|tonight|next (?:week|month|year|\p{L}+day)|(?:on |this )?(?:mon|tues|wednes|thurs|fri|satur|sun)day|this (?:weekend|week|evening|afternoon)|soon|going to|will|(?:i|we|you)'ll)\b/iu

/** The name a person gave themselves, if they did; the last one counts. */
export function givenName(lines: readonly Line[]): string | undefined {
  for (const line of lines.toReversed()) {
    const name = line.author === 'user' ? introductionOf(opened(line.text))?.name : undefined
    if (name) return name
  }
  return undefined
}

function introductionOf(plain: string): { name: string; rest: string } | undefined {
  const found = INTRODUCTION.exec(plain)
  const name = found?.[1] ?? found?.[2]
  if (!found || !name || NO_NAME.test(name)) return undefined
  return { name: name.slice(0, 1).toUpperCase() + name.slice(1), rest: plain.slice(found[0].length) }
}

/** A line fit to be quoted, with one kind of apostrophe and without its greeting. */
function opened(text: string): string {
  return quotable(text, LONGEST_QUOTE)
    .replace(/[’‘`´ʼ′]/g, "'")
    .replace(GREETING, '')
}

/** What is left of a line when greeting, introduction and fillers are taken off; empty for small talk. */
export function substance(text: string): string {
  const plain = opened(text)
  let clean = (introductionOf(plain)?.rest ?? plain).replace(/[\s.!,;:]+$/, '')
  while (FILLER.test(clean)) clean = clean.replace(FILLER, '')
  const words = clean.toLowerCase().match(/[\p{L}\p{M}\p{N}']+/gu) ?? []
  return words.length < 2 || words.every(word => SMALL_TALK.has(word)) || !/\p{L}{2}/u.test(clean) ? '' : clean
}

/** Whether a line asks something. */
export function isQuestion(text: string): boolean {
  return QUESTION.test(text.trim())
}

/** Whether a line announces something that is yet to come. */
export function isAhead(text: string): boolean {
  return AHEAD.test(text)
}

/** How far back an announcement is preferred to what was said last. */
const REMEMBERED_LINES = 8

/**
 * What to take up again: what the person announced lately, else the last thing of substance they said. Questions to us
 * count only when there is nothing else.
 */
export function lastTopic(lines: readonly Line[]): Topic | undefined {
  const theirs = lines
    .filter(line => line.author === 'user')
    .map(line => line.text)
    .toReversed()
  const statements = theirs.filter(text => !isQuestion(text) && topicOf(text))
  const announced = statements.slice(0, REMEMBERED_LINES).find(text => isAhead(text) && topicOf(text)?.thing)
  const found = announced ?? statements[0] ?? theirs.find(text => topicOf(text))
  return found === undefined ? undefined : topicOf(found)
}

/** A line as a topic; undefined when there is nothing in it that can be said back. */
export function topicOf(text: string): Topic | undefined {
  const plain = statementOf(substance(text))
  if (plain === '' || !ENGLISH.test(plain)) return undefined
  const turned = turnAround(plain)
  const thing = heart(turned)
  // What they said to us does not turn around: whose "you" would it be?
  const toUs = /\byou(?:'|r|rs|rself)?\b/i.test(plain)
  const said = !toUs && CLAUSE.test(turned) ? turned : undefined
  const own = toUs ? heart(turnAround(plain.replace(/\byou(?:r|rs|rself)?\b/gi, ''))) : thing
  return said === undefined && own === undefined ? undefined : { said, thing: own }
}

/** The first sentence that says something; asking is cut off, and no question mark is left. */
function statementOf(plain: string): string {
  const sentences = plain.split(/(?<=[.!?…])\s+/)
  const statement = sentences.find(each => !isQuestion(each) && substance(each) !== '') ?? sentences[0] ?? ''
  return statement.replace(/[?？؟¿]/g, '').replace(/[\s.!,;:…]+$/, '')
}

const CLAUSE = /^(?:you|your|you're|you've|you'll|you'd|it|it's|he|he's|she|she's|they|they're|there|the|this|that)\b/i

const TURNED: Readonly<Record<string, string>> = {
  i: 'you',
  im: "you're",
  me: 'you',
  my: 'your',
  mine: 'yours',
  myself: 'yourself',
  "i'm": "you're",
  "i've": "you've",
  ive: "you've",
  "i'll": "you'll",
  "i'd": "you'd",
  am: 'are',
  we: 'you',
  our: 'your',
  ours: 'yours',
  ourselves: 'yourselves',
  us: 'you',
  "we're": "you're",
  "we've": "you've",
  "we'll": "you'll",
  "we'd": "you'd",
}

/** Words of the first person become the second's: `my recital is on Friday` → `your recital is on Friday`. */
export function turnAround(text: string): string {
  const turned = text
    .replace(/[’‘`´ʼ′]/g, "'")
    .replace(/\b(?:i|we) (was|wasn't)\b/gi, (_all, verb: string) => (/n't/i.test(verb) ? "you weren't" : 'you were'))
    .replace(/\bwas (?:i|we)\b/gi, 'were you')
    .replace(/[\p{L}']+/gu, word => {
      const key = word.toLowerCase()
      return Object.hasOwn(TURNED, key) ? (TURNED[key] ?? word) : word
    })
  const [first = ''] = turned.split(/\s/)
  // A capital at the start of their line is no capital in the middle of ours, unless it is a name or an acronym.
  return /^[A-Z][a-z']*$/.test(first) && STARTERS.test(first)
    ? first.toLowerCase() + turned.slice(first.length)
    : turned
}

const STARTERS =
  /^(?:the|a|an|this|that|these|those|your|you|you're|you've|it|it's|he|she|he's|she's|they|there|yesterday|today|tomorrow|next|last|some|every|when|because|after|before|work|school|everything|nothing|someone)$/i

/** What may follow the name of a thing. */
const AFTER =
  "(?=(?: (?:is|are|was|were|has|have|had|will|can|does|says?|said|thinks?|wants?|likes?|starts?|begins?|ends?|goes|went|yells|died|\\p{L}+ed|left|got|keeps?|on|in|at|this|next|tomorrow|tonight|today|soon|and|or|but|with|for|to|of|from|about|because|since|again|a lot|so|very|lol)\\b|'s|n't|[,;.:!]|$))"
const OWN = new RegExp(`\\b(your(?: (?!own\\b)\\p{L}[\\p{L}'-]*){1,2}?)${AFTER}`, 'iu')
const OBJECT = new RegExp(
  "\\byou(?:'ve)? (?:play|love|like|enjoy|study|learn|make|build|write|read|want|need|bought|got|have|watch|teach|practi[cs]e|started|finished) " +
    `((?:the |a |an |some |your )?(?!(?:to|it|that|this|them|him|her|you|when|how|what|not|been|no)\\b)\\p{L}[\\p{L}'-]*(?: \\p{L}[\\p{L}'-]*)??)${AFTER}`,
  'iu',
)

/** `your recital` out of `your recital is on Friday`; `the cello` out of `you play the cello`. */
function heart(turned: string): string | undefined {
  // Announced with an article, it is theirs by now: `you have an interview tomorrow` → `the interview`.
  const found = OBJECT.exec(turned)?.[1] ?? OWN.exec(turned)?.[1]
  return found?.replace(/^an? /i, 'the ')
}
