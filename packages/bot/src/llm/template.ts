import { createHash } from 'node:crypto'
import { quotable } from './clean-text.ts'
import { givenName, isQuestion, lastTopic, substance, topicOf, type Line, type Topic } from './topic.ts'

/** A follow-up written without a model. */
export interface TemplateFollowUp {
  readonly text: string
  /** Which template it is, for the report. */
  readonly template: string
}

const CONNECT =
  'I am running without a language model, so I can listen and follow up, but not answer that. ' +
  'Set LLM_BASE_URL and LLM_MODEL (Ollama, LM Studio, OpenAI, …) and I can.'

/**
 * A reply without any language model: takes up what the person said, asks one thing at most, says plainly that it is a
 * program, and tells once per conversation how to connect a model.
 * @param input.lines the conversation so far; its last line is what is answered
 */
export function templateReply(input: { botName: string; displayName: string; lines: readonly Line[] }): string {
  const { lines, botName } = input
  const said = lines.findLast(line => line.author === 'user')?.text ?? ''
  const plain = quotable(said, 300)
  const told = lines.some(line => line.author === 'bot' && line.text.includes('LLM_BASE_URL'))
  const name = givenName(lines)
  const pick = chooser(`${said}${lines.length}`)
  const fixed = fixedAnswer(plain, { botName, name, pick })
  if (fixed !== undefined) return fixed
  if (isQuestion(plain)) return answerQuestion(plain, { told, pick })
  const topic = topicOf(said)
  const introduced = givenName(lines.slice(-1))
  if (introduced && !topic) return greet(introduced, { botName, told, pick })
  const opening = introduced ? `Nice to meet you, ${introduced}. ` : ''
  return topic
    ? opening + takeUp(topic, said, pick)
    : pick(['I see. Tell me more?', 'Go on, I am listening.', 'All right. What is on your mind?'])
}

type Pick = (options: readonly string[]) => string

/** Always the same choice for the same conversation: no die is thrown. */
function chooser(seed: string): Pick {
  const number = createHash('sha256').update(seed).digest().readUInt32BE(0)
  return options => options[number % options.length] ?? ''
}

function greet(name: string, { botName, told, pick }: { botName: string; told: boolean; pick: Pick }): string {
  const hello = pick([`Hello ${name}, good to meet you.`, `Nice to meet you, ${name}.`, `Hi ${name}, welcome.`])
  const self = told
    ? ''
    : ` I am ${botName}, a program; connect a language model (LLM_BASE_URL, LLM_MODEL) and I get wittier.`
  return `${hello}${self} What are you up to these days?`
}

function fixedAnswer(
  plain: string,
  { botName, name, pick }: { botName: string; name: string | undefined; pick: Pick },
): string | undefined {
  const you = name ? `, ${name}` : ''
  if (/\b(are|r) (you|u) (a |an )?(real|human|person|bot|robot|ai|machine|program|alive)/i.test(plain)) {
    return `I am a program called ${botName}. Nobody types these words, and I say so whenever asked.`
  }
  if (/\b(who|what) are you\b|\byour name\b/i.test(plain)) {
    return `I am ${botName}, a chat program. I remember what we talk about here, and if you go quiet I may follow up once. \`!help\` shows what else I can do.`
  }
  if (/^(thanks?|thank you|thx|cheers)\b/i.test(plain))
    return pick([`You are welcome${you}.`, `Gladly${you}.`, `Any time${you}.`])
  if (/^(bye|goodbye|good ?night|see you|see ya|gotta go|talk later)\b/i.test(plain))
    return pick([`Take care${you}.`, `Until next time${you}.`, `Good talking to you${you}.`])
  if (/^how are you\b|^how('s| is) it going\b|^what'?s up\b/i.test(plain))
    return `All systems steady, thanks for asking. How about you${you}?`
  if (
    substance(plain) === '' &&
    /^(hi|hello|hey|yo|good (morning|evening|afternoon))\b/i.test(plain) &&
    !givenName([{ author: 'user', text: plain }])
  ) {
    return pick([
      `Hello${you}! What is on your mind?`,
      `Hi${you}. What are you up to today?`,
      `Hello there${you}. How is your day?`,
    ])
  }
  return undefined
}

function answerQuestion(plain: string, { told, pick }: { told: boolean; pick: Pick }): string {
  if (!told) return CONNECT
  const topic = topicOf(plain)
  const about = topic?.thing ? ` about ${topic.thing}` : ''
  return pick([
    `That one is beyond me without a language model. What do you think yourself${about}?`,
    `I cannot look that up, honestly. What made you wonder${about}?`,
    `I do not know. Tell me what you have found out so far${about}, and I will remember it.`,
  ])
}

const HARD =
  /\b(sad|sick|ill|died|death|lost|afraid|scared|anxious|lonely|depressed|tired|exhausted|stress(ed|ful)?|hard|difficult|failed|broke up|hurt|worried|nervous)\b/i
const GLAD = /\b(happy|glad|excited|won|passed|love|great|finally|finished|proud|wonderful|amazing|fun)\b/i
const AHEAD =
  /\b(tomorrow|tonight|next (week|month|year)|on (monday|tuesday|wednesday|thursday|friday|saturday|sunday)|this (weekend|week|evening)|soon|going to|will)\b/i

/** Says back what was said, in a tone that fits, and asks one thing. */
function takeUp(topic: Topic, said: string, pick: Pick): string {
  const { said: words, thing } = topic
  if (HARD.test(said))
    return pick([
      `That sounds hard: ${words}. Do you want to tell me more?`,
      `I hear you: ${words}. What would help most right now?`,
    ])
  if (AHEAD.test(said)) {
    const it = thing ?? 'it'
    return pick([
      `So ${words}. How are you getting ready for ${it}?`,
      `Noted: ${words}. What are you looking forward to most about ${it}?`,
      `So ${words}. How do you feel about ${it}?`,
    ])
  }
  if (GLAD.test(said))
    return pick([
      `That is good to hear: ${words}. What was the best part?`,
      `Lovely: ${words}. How did that come about?`,
    ])
  if (thing)
    return pick([
      `So ${words}. How did you come to ${thing}?`,
      `Ah, ${thing}. What do you like about it?`,
      `So ${words}. How long has ${thing} been part of your life?`,
    ])
  return pick([
    `So ${words}. What happened then?`,
    `I see: ${words}. What is behind that?`,
    `So ${words}. How do you feel about that?`,
  ])
}

interface FollowUpWords {
  readonly hello: string
  readonly topic: Topic | undefined
}

/** Worded to fit before and after whatever was announced, since nobody knows how much time has passed. */
const FOLLOW_UPS: readonly { id: string; write: (words: FollowUpWords) => string | undefined }[] = [
  {
    id: 'how-are-things',
    write: ({ hello, topic }) => topic?.thing && `${hello}, last time you said ${topic.said}. How is that going?`,
  },
  {
    id: 'glad-to-hear',
    write: ({ hello, topic }) =>
      topic?.thing && `${hello}, you mentioned that ${topic.said}. How do things look by now?`,
  },
  {
    id: 'how-is-it-going',
    write: ({ hello, topic }) => topic && `${hello}, last time you said ${topic.said}. How is it going?`,
  },
  { id: 'any-news', write: ({ hello, topic }) => topic && `${hello}, we talked a while ago: ${topic.said}. Any news?` },
  { id: 'general', write: ({ hello }) => `${hello}, we have not talked for a while. What has been on your mind?` },
  { id: 'general-again', write: ({ hello }) => `${hello}, how have things been since our last chat?` },
]

/**
 * A follow-up without any language model, at most 400 characters and one question. The first template that fits and was
 * not used last time.
 * @param input.previous ids of the templates of earlier follow-ups, newest first
 * @param input.hint a topic handed in by whoever scheduled it
 */
export function templateFollowUp(input: {
  displayName: string
  lines: readonly Line[]
  previous: readonly (string | undefined)[]
  hint?: string
}): TemplateFollowUp {
  const name = givenName(input.lines) ?? quotable(input.displayName, 40)
  const hello = name === '' ? 'Hello' : `Hi ${name}`
  const hint = input.hint === undefined ? '' : quotable(input.hint, 80)
  const topic = hint === '' ? lastTopic(input.lines) : { said: `we talked about ${hint}`, thing: hint }
  for (const { id, write } of FOLLOW_UPS) {
    const text = id === input.previous[0] ? undefined : write({ hello, topic })
    if (text) return { text, template: id }
  }
  return { text: `${hello}, how have things been since our last chat?`, template: 'general-again' }
}
