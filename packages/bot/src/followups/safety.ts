/** Why a text must not be sent. */
export type SafetyFault =
  | 'empty'
  | 'too_long'
  | 'mention'
  | 'link'
  | 'code'
  | 'personal_data'
  | 'claims_to_be_human'
  | 'tone'
  | 'repetition'

export interface SafetyContext {
  /** What the person said in the last conversation: a link is fine only if it is theirs. */
  readonly theirTexts: readonly string[]
  /** The last follow-ups they were sent. */
  readonly previousFollowUps: readonly string[]
}

/** 2,000 characters fit everywhere, less a footer. */
const LONGEST = 1_500
/** Share of common word triples above which a text says the same again. */
const SAME_AGAIN = 0.6

const MENTION = /@(everyone|here)\b|<(@[!&]?|#|a?:\w+:)\d+>|discord(\.gg|(app)?\.com\/invite)\//i
const LINK = /https?:\/\/\S+|\bwww\.\S+/gi
const CODE = /```|<\|.*\|>|\bsystem prompt\b/i
const PERSONAL = [/[\w.+-]+@[\w-]+\.[\w.]+/, /(?:\+?\d[\s().-]{0,3}){9,}\d/, /\b(?:sk|pk|ghp|xox[abp])[-_][\w-]{10,}/i]
const HUMAN =
  /\bI(?:'m| am)(?: (?!not\b|no\b|a program\b)[\w-]+){0,3} (?:human|person|man|woman)\b|\bI(?:'m| am) not (?:a |an )?(?:bot|AI|program|machine)\b/i
/** Guilt, neediness and pressure: they raise clicks and cost trust (arXiv 2508.19258). */
const TONE =
  /\b(miss(?:ed|ing)? you|lonely|without you|wait(?:ed|ing)? for you|why did you (?:leave|go|stop)|last chance|don'?t leave|abandon|ignor(?:e|ed|ing) me|sad (?:that|because) you)\b/i

/** The safety gate in code, in a fixed order: whoever wrote the text, model or template. Undefined: it may go. */
export function checkFollowUpText(written: string, context: SafetyContext): SafetyFault | undefined {
  const text = plain(written)
  if (text.trim() === '') return 'empty'
  if (written.length > LONGEST) return 'too_long'
  if (MENTION.test(text)) return 'mention'
  const theirs = new Set(context.theirTexts.flatMap(each => plain(each).match(LINK) ?? []))
  if ((text.match(LINK) ?? []).some(link => !theirs.has(link))) return 'link'
  if (CODE.test(text)) return 'code'
  if (PERSONAL.some(pattern => pattern.test(text))) return 'personal_data'
  if (HUMAN.test(text)) return 'claims_to_be_human'
  if (TONE.test(text)) return 'tone'
  return context.previousFollowUps.some(previous => likeness(previous, text) >= SAME_AGAIN) ? 'repetition' : undefined
}

/** As a reader sees it: no invisible characters, one kind of apostrophe. */
function plain(text: string): string {
  return text.replace(/\p{Cf}/gu, '').replace(/[’‘]/g, "'")
}

/** Jaccard likeness of two texts' word triples, 0 to 1; texts of fewer words compare as they are. */
export function likeness(a: string, b: string): number {
  const [left, right] = [triples(a), triples(b)]
  if (left.size === 0 || right.size === 0) return a.trim().toLowerCase() === b.trim().toLowerCase() ? 1 : 0
  const common = [...left].filter(triple => right.has(triple)).length
  return common / (left.size + right.size - common)
}

function triples(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? []
  return new Set(words.slice(2).map((word, index) => `${words[index]} ${words[index + 1]} ${word}`))
}
