const OPEN = /<think(?:ing)?>/i
const CLOSE = /<\/think(?:ing)?>/i
const TAGS = ['<think>', '<thinking>', '</think>', '</thinking>']
/** One character less than the longest tag may be the beginning of one. */
const LONGEST_BEGINNING = 10

/**
 * Takes a model's thinking aloud out of its text, piece by piece. Models think between tags, sometimes without closing
 * them, sometimes without opening them; none of it is for the person.
 */
export class ReasoningFilter {
  /** What is for the person, so far. */
  text = ''
  /** A closing tag came without an opening one: what stood before it was thinking. */
  hadNoOpening = false
  #isThinking = false
  #held = ''

  add(piece: string): void {
    this.#held += piece
    while (this.#isThinking ? this.#skip() : this.#take());
  }

  /** Nothing more comes: the beginning of a tag that was held back is no tag. */
  end(): void {
    if (!this.#isThinking) this.text += this.#held
    this.#held = ''
  }

  /** Takes text up to the next tag; true when there was one. */
  #take(): boolean {
    const [open, close] = [OPEN.exec(this.#held), CLOSE.exec(this.#held)]
    const tag = open && (!close || open.index < close.index) ? open : close
    if (!tag) {
      const held = beginningOfTag(this.#held)
      this.text += this.#held.slice(0, this.#held.length - held)
      this.#held = this.#held.slice(this.#held.length - held)
      return false
    }
    if (tag === open) this.text += this.#held.slice(0, tag.index)
    else {
      this.text = ''
      this.hadNoOpening = true
    }
    this.#isThinking = tag === open
    this.#held = this.#held.slice(tag.index + tag[0].length)
    return true
  }

  /** Drops thinking up to its closing tag; true when there was one. */
  #skip(): boolean {
    const close = CLOSE.exec(this.#held)
    this.#held = close ? this.#held.slice(close.index + close[0].length) : this.#held.slice(-LONGEST_BEGINNING)
    if (close) this.#isThinking = false
    return close !== null
  }
}

/** How many characters at the end may become a tag with what comes next. */
function beginningOfTag(text: string): number {
  const at = text.lastIndexOf('<')
  if (at < 0) return 0
  const end = text.slice(at).toLowerCase()
  return TAGS.some(tag => tag.startsWith(end)) ? end.length : 0
}

/** Fit to be stored and shown: no NUL, no halves of characters, which no database takes. */
export function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed().trim()
}
