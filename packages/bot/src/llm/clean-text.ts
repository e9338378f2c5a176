const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu
const MENTION = /@(everyone|here)\b|<(@[!&]?|#|a?:\w+:)\d+>/gi
const LINK = /\b(?:https?:\/\/|www\.)\S+/gi
const MARKUP = /[*_~`|>#]+/g
const SECRETS = /[\w.+-]+@[\w-]+\.[\w.]+|(?:\+?\d[\s().-]?){9,}\d|\b(?:sk|pk|ghp|xox[abp])[-_][\w-]{10,}/gi

/**
 * What somebody said, fit to be quoted back: one line, without control and direction marks, mentions, links, markup, and
 * without what looks like an address, a number or a key; cut at a word.
 */
export function quotable(text: string, longest: number): string {
  const clean = text
    .replace(SECRETS, ' ')
    .replace(LINK, ' ')
    .replace(MENTION, ' ')
    .replace(CONTROL, ' ')
    .replace(MARKUP, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  if (clean.length <= longest) return clean
  const cut = clean.slice(0, longest)
  return (cut.includes(' ') ? cut.slice(0, cut.lastIndexOf(' ')) : cut).toWellFormed()
}

/** Cuts a text after its last whole sentence, or at a word when there is none. */
export function trimAtSentence(text: string): string {
  const end = Math.max(text.lastIndexOf('. '), text.lastIndexOf('! '), text.lastIndexOf('? '), text.lastIndexOf('.\n'))
  if (/[.!?…]$/.test(text.trim())) return text.trim()
  if (end > 0) return text.slice(0, end + 1).trim()
  return text.includes(' ') ? `${text.slice(0, text.lastIndexOf(' ')).trim()}…` : text
}
