const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu
const MENTION = /@(everyone|here)\b|<(@[!&]?|#|a?:\w+:)\d+>/gi
const LINK = /\b(?:https?:\/\/|www\.)\S+/gi
const MARKUP = /[*_~`|>#]+/g
const SECRETS = /[\w.+-]+@[\w-]+\.[\w.]+|(?:\+?\d[\s().-]{0,3}){9,}\d|\b(?:sk|pk|ghp|xox[abp])[-_][\w-]{10,}/gi
/** Nothing further in is ever quoted, and patterns over long hostile text take long. */
const READ_AT_MOST = 1_000

/**
 * What somebody said, fit to be quoted back: one line, without control and direction marks, mentions, links, markup, and
 * without what looks like an address, a number or a key; cut at a word.
 */
export function quotable(text: string, longest: number): string {
  const clean = text
    .slice(0, READ_AT_MOST)
    .toWellFormed()
    .replace(CONTROL, ' ')
    .replace(SECRETS, ' ')
    .replace(LINK, ' ')
    .replace(MENTION, ' ')
    .replace(MARKUP, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  if (clean.length <= longest) return clean
  const cut = clean.slice(0, longest)
  return (cut.includes(' ') ? cut.slice(0, cut.lastIndexOf(' ')) : cut).toWellFormed()
}

/** A text up to the end of its last whole sentence; empty when there is none. */
export function wholeSentences(text: string): string {
  return /^[\s\S]*(?:[.!?…]["'”’»)]?(?=\s|$)|[。！？])/u.exec(text.trim())?.[0] ?? ''
}

/** Cuts a text after its last whole sentence, or at a word when there is none. */
export function trimAtSentence(text: string): string {
  const plain = text.trim()
  const whole = wholeSentences(plain)
  if (whole !== '') return whole
  return plain.includes(' ') ? `${plain.slice(0, plain.lastIndexOf(' ')).trimEnd()}…` : plain
}
