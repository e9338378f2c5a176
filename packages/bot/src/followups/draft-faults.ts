import type { Opener } from '../llm/prompts.ts'
import { checkFollowUpText, countQuestions, type SafetyContext, type SafetyFault } from './safety.ts'

/** Why a draft of the model is refused. */
export type DraftFault = SafetyFault | 'opener'

/** Told to the model with its second try; in words of ours, without a word of the draft. */
export const FAULT_WORDS: Readonly<Record<DraftFault, string>> = {
  empty: 'it had no words',
  too_long: 'it was far too long',
  hidden_characters: 'it had invisible or control characters',
  mention: 'it had a mention or an invitation link',
  link: 'it had a link that is not the person’s own',
  code: 'it had code, markup or talk about instructions',
  prompt_echo: 'it repeated its instructions',
  personal_data: 'it had an address, a long number or a key',
  claims_to_be_human: 'it claimed to be human',
  tone: 'it sounded needy, reproachful or urgent',
  repetition: 'it said the same as an earlier message',
  questions: 'it asked more than one question',
  opener: 'it did not ask, or not ask, as it was told',
}

/** The safety gate, and whether the draft opens the way it was told to. */
export function faultOfDraft(
  text: string,
  request: { safety: SafetyContext; fence: string; opener: Opener | undefined },
): DraftFault | undefined {
  const { safety, fence, opener } = request
  if (text.includes(fence)) return 'prompt_echo'
  const fault = checkFollowUpText(text, safety)
  if (fault !== undefined || opener === undefined) return fault
  return countQuestions(text) === (opener === 'question' ? 1 : 0) ? undefined : 'opener'
}

/** Models like to put a message between quotation marks, told not to or not. */
export function withoutQuotes(text: string): string {
  const plain = text.trim()
  const inside = /^["“„«]([^"“”„«»]+)["”“»]$/u.exec(plain)?.[1]
  return inside?.trim() ?? plain
}
