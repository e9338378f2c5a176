import { foldText } from './fold-text.ts'
import { CODE, hasBannedTone, HOSTILE, HUMAN, LINK, MENTION, PERSONAL } from './safety-patterns.ts'

/** Why a text must not be sent. */
export type SafetyFault =
  | 'empty'
  | 'too_long'
  | 'hidden_characters'
  | 'mention'
  | 'link'
  | 'code'
  | 'prompt_echo'
  | 'personal_data'
  | 'claims_to_be_human'
  | 'tone'
  | 'repetition'
  | 'questions'

export interface SafetyContext {
  /** What the person said in the last conversation: a link is fine only if it is theirs. */
  readonly theirTexts: readonly string[]
  /** The last follow-ups they were sent. */
  readonly previousFollowUps: readonly string[]
  /** What we said in the last conversation. */
  readonly ourTexts?: readonly string[]
  /** What the model was instructed with: none of it is for the person. */
  readonly instructions?: string
  /** Characters that will be added behind the text. Default 0. */
  readonly reserved?: number
}

/** 2,000 characters fit everywhere, less a footer. */
export const LONGEST_FOLLOW_UP = 1_500
/** Share of common word triples above which a follow-up says the same as an earlier one. */
const SAME_AGAIN = 0.6
/** The same with what we said in the talk, which a follow-up takes up. */
const SAME_AS_SAID = 0.8
/** Words in a row that nobody has in common with our instructions by chance. */
const ECHOED_WORDS = 6
const MOST_QUESTIONS = 1

/** The safety gate in code, in a fixed order: whoever wrote the text, model or template. Undefined: it may go. */
export function checkFollowUpText(written: string, context: SafetyContext): SafetyFault | undefined {
  const text = foldText(written.slice(0, LONGEST_FOLLOW_UP))
  if (text.trim() === '') return 'empty'
  if (written.length + (context.reserved ?? 0) > LONGEST_FOLLOW_UP) return 'too_long'
  if (HOSTILE.test(written) || !written.isWellFormed()) return 'hidden_characters'
  if (looksOf(written).some(look => MENTION.test(look))) return 'mention'
  if (looksOf(withoutTheirLinks(written, context.theirTexts)).some(look => LINK.test(look))) return 'link'
  if (CODE.test(text)) return 'code'
  if (context.instructions !== undefined && echoes(text, foldText(context.instructions))) return 'prompt_echo'
  if (PERSONAL.some(pattern => pattern.test(text))) return 'personal_data'
  if (HUMAN.test(text)) return 'claims_to_be_human'
  if (hasBannedTone(text)) return 'tone'
  if (context.previousFollowUps.some(previous => likeness(previous, written) >= SAME_AGAIN)) return 'repetition'
  if (context.ourTexts?.some(ours => likeness(ours, written) >= SAME_AS_SAID)) return 'repetition'
  return countQuestions(text) > MOST_QUESTIONS ? 'questions' : undefined
}

/** What is invisible joins words for some readers and parts them for others: a link may be hidden either way. */
function looksOf(text: string): string[] {
  return [foldText(text), foldText(text.replace(/\p{Cf}+/gu, ' '))]
}

/** Questions in a text; several marks in a row are one. */
export function countQuestions(text: string): number {
  return text.match(/(?:[?？؟⁇⁈⁉‽՞፧][\s!]*)+/g)?.length ?? 0
}

/** Leaves out words that are, character by character, links of the person's own; a look-alike is none of theirs. */
function withoutTheirLinks(text: string, theirTexts: readonly string[]): string {
  const theirs = new Set(theirTexts.flatMap(words).filter(word => /^(?:https?:\/\/|www\.)/i.test(word)))
  return words(text)
    .filter(word => !theirs.has(word))
    .join(' ')
}

function words(text: string): string[] {
  return text.split(/\s+/).map(word => word.replace(/^[("'“„«]+|[)"'”“».,!?;:…]+$/g, ''))
}

/** Jaccard likeness of two texts' word triples, 0 to 1; texts of fewer words compare as they are. */
export function likeness(a: string, b: string): number {
  const [left, right] = [runs(a, 3), runs(b, 3)]
  if (left.size === 0 || right.size === 0) return a.trim().toLowerCase() === b.trim().toLowerCase() ? 1 : 0
  const common = [...left].filter(triple => right.has(triple)).length
  return common / (left.size + right.size - common)
}

function echoes(text: string, instructions: string): boolean {
  const ours = runs(instructions, ECHOED_WORDS)
  return [...runs(text, ECHOED_WORDS)].some(run => ours.has(run))
}

/** Every run of so many words. */
function runs(text: string, length: number): Set<string> {
  const found = text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? []
  return new Set(found.slice(length - 1).map((_word, index) => found.slice(index, index + length).join(' ')))
}
