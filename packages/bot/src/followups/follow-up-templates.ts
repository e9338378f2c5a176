import { quotable } from '../llm/clean-text.ts'
import type { Language } from '../llm/language.ts'
import type { Opener } from '../llm/prompts.ts'
import { HARD } from '../llm/template.ts'
import { givenName, lastTopic, turnAround, type Line, type Topic } from '../llm/topic.ts'
import { HELLO, templates, type Template } from './follow-up-wordings.ts'
import { checkFollowUpText } from './safety.ts'

/** A follow-up written without a model. */
export interface TemplateFollowUp {
  readonly text: string
  /** Which template it is, for the report. */
  readonly template: string
}

export interface TemplateInput {
  readonly language: Language
  readonly displayName: string
  /** The talk, without what was said in distress. */
  readonly lines: readonly Line[]
  /** Ids of the templates of earlier follow-ups, newest first. */
  readonly previous: readonly (string | undefined)[]
  /** A topic handed in by whoever scheduled it. */
  readonly hint?: string | undefined
  /** Only templates that open this way. Default: any. */
  readonly opener?: Opener | undefined
}

/** Words that go into a template; each is fit to be sent by itself. */
interface Words {
  readonly name: string
  readonly topic: Topic | undefined
  /** What they last talked about weighs on them: nobody asks for news of that. */
  readonly isHeavy: boolean
}

/** Longest topic in a template, so that what comes out stays under 400 characters. */
const LONGEST_TOPIC = 120

/**
 * Follow-ups without any language model, best first: what takes up their topic, then general ones; what was not used
 * lately before what was, the longest ago first. The last one used is never among them. At the end the general ones
 * without a name, for names that make a harmless text look like something else.
 */
export function templateFollowUps(input: TemplateInput): TemplateFollowUp[] {
  const words = wordsOf(input)
  const usable = templates[input.language].filter(
    ({ id, opener }) => id !== input.previous[0] && (input.opener === undefined || opener === input.opener),
  )
  const written = usable.flatMap(template => fill(template, words, input.language))
  const nameless = usable.flatMap(template =>
    fill(template, { name: '', topic: undefined, isHeavy: false }, input.language),
  )
  const lastUse = ({ template }: TemplateFollowUp) => input.previous.indexOf(template)
  const fresh = written.filter(each => lastUse(each) < 0)
  const used = written.filter(each => lastUse(each) >= 0).toSorted((a, b) => lastUse(b) - lastUse(a))
  return [...fresh, ...used, ...nameless]
}

/** The name by which somebody may be called; undefined when they gave none that is fit to be said. */
export function nameOf(displayName: string, lines: readonly Line[]): string | undefined {
  const name = givenName(lines) ?? addressOf(displayName)
  return name !== '' && isFit(name) ? name : undefined
}

function wordsOf({ displayName, lines, hint, language }: TemplateInput): Words {
  const topic = hint === undefined ? topicOf(lines, language) : handedIn(hint, language)
  return { name: nameOf(displayName, lines) ?? '', topic, isHeavy: HARD.test(topic?.said ?? '') }
}

/** Their own words turned around: known for English only. */
function topicOf(lines: readonly Line[], language: Language): Topic | undefined {
  const found = language === 'en' ? lastTopic(lines) : undefined
  if (!found) return undefined
  const [said, thing] = [found.said, found.thing].map(each => (each !== undefined && isFit(each) ? each : undefined))
  return said === undefined && thing === undefined ? undefined : { said, thing }
}

function handedIn(hint: string, language: Language): Topic | undefined {
  const clean = quotable(hint, LONGEST_TOPIC)
    .replace(/[?？؟¿]/g, '')
    .trim()
  const thing = language === 'en' ? turnAround(clean) : clean
  return thing !== '' && isFit(thing) ? { said: undefined, thing } : undefined
}

function isFit(words: string): boolean {
  return !/[{}]/.test(words) && checkFollowUpText(words, { theirTexts: [], previousFollowUps: [] }) === undefined
}

function fill(template: Template, words: Words, language: Language): TemplateFollowUp[] {
  const { name, topic, isHeavy } = words
  if (template.mood !== undefined && (template.mood === 'heavy') !== isHeavy) return []
  const { named, nameless } = HELLO[language]
  const values: Readonly<Record<string, string | undefined>> = {
    hi: name === '' ? nameless : `${named} ${name}`,
    said: topic?.said,
    topic: topic?.thing,
  }
  const needed = [...template.text.matchAll(/\{(\w+)\}/g)].map(([, key = '']) => values[key])
  if (needed.includes(undefined)) return []
  const text = template.text.replace(/\{(\w+)\}/g, (_all, key: string) => values[key] ?? '')
  return [{ text, template: template.id }]
}

/** A display name as one would call somebody; empty for what is no name. Platforms let people call themselves anything. */
function addressOf(displayName: string): string {
  const name = quotable(displayName, 40)
  return /^[\p{L}\p{M}\p{N} .'-]+$/u.test(name) && !/\bI(?:'?m| am)\b/i.test(name) && /\p{L}/u.test(name) ? name : ''
}
