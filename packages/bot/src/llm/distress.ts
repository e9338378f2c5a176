import { LANGUAGES, type Language } from './language.ts'
import { builtInWords, REFERRALS, type DistressWordList } from './distress-words.ts'

/** What an operator changes about one language's list. */
export interface DistressChange {
  readonly add?: readonly string[] | undefined
  /** Instead of the built-in ones. */
  readonly replace?: readonly string[] | undefined
  /** Phrases that mean no harm although such a word is in them. */
  readonly except?: readonly string[] | undefined
  /** Where help is, for people of this language. */
  readonly referral?: string | undefined
}

/** Longer texts are looked at this far; a chat message has at most 4,000 characters. */
const READ_AT_MOST = 8_000

/**
 * Recognises that somebody may be in danger, and says where help is. Errs on the side of yes: a needless pointer to help
 * costs little. Every language's words count for everybody, since a short line does not tell its language.
 */
export class DistressGuard {
  readonly #signs: RegExp
  readonly #harmless: RegExp
  readonly #referrals: Readonly<Record<string, string>>

  /** @param changes by language code; other languages than the built-in ones may be added */
  constructor(changes: Readonly<Record<string, DistressChange>> = {}) {
    const codes = [...new Set<string>([...LANGUAGES, ...Object.keys(changes)])]
    const lists = codes.map(code => listOf(code, changes[code]))
    this.#signs = patternOf(lists.flatMap(list => list.signs))
    this.#harmless = new RegExp(patternOf(lists.flatMap(list => list.except)), 'gu')
    const own = Object.entries(changes).flatMap(([code, { referral }]) => (referral ? [[code, referral]] : []))
    this.#referrals = { ...REFERRALS, ...Object.fromEntries(own) }
  }

  isDistress(text: string): boolean {
    return this.#signs.test(folded(text.slice(0, READ_AT_MOST)).replaceAll(this.#harmless, ' '))
  }

  /** Where help is: what somebody in distress is answered, by a program that says that it is one. */
  referral(language: Language): string {
    return this.#referrals[language] ?? REFERRALS[language]
  }

  /** A conversation without what was said in distress: nobody is asked for news of that. */
  without<Line extends { readonly author: 'user' | 'bot'; readonly text: string }>(lines: readonly Line[]): Line[] {
    return lines.filter(line => line.author === 'bot' || !this.isDistress(line.text))
  }
}

function listOf(code: string, change: DistressChange | undefined): DistressWordList {
  const builtIn = Object.hasOwn(builtInWords, code) ? builtInWords[code as Language] : { signs: [], except: [] }
  return {
    signs: [...(change?.replace ?? builtIn.signs), ...(change?.add ?? [])],
    except: [...builtIn.except, ...(change?.except ?? [])],
  }
}

/** Phrases as one pattern of whole words; `*` at the end stands for any ending. */
function patternOf(phrases: readonly string[]): RegExp {
  if (phrases.length === 0) return /(?!)/u
  const sources = phrases.map(phrase => {
    const isOpen = phrase.endsWith('*')
    const source = folded(isOpen ? phrase.slice(0, -1) : phrase)
      .trim()
      .replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
      .replaceAll(' ', '[ -]')
    return isOpen ? `${source}[\\p{L}\\p{N}]*` : source
  })
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${sources.join('|')})(?![\\p{L}\\p{N}])`, 'u')
}

/** Small letters without accents and invisible characters, one kind of apostrophe and space. */
function folded(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .replace(/[’‘`´ʼ′]/g, "'")
    .replace(/\s+/g, ' ')
}
