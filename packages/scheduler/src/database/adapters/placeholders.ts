/** A statement taken apart at its parameters: `fragments[0] $order[0] fragments[1] $order[1] … fragments[n]`. */
export interface SplitStatement {
  /** The text between the parameters; always one more than there are parameters. */
  readonly fragments: readonly string[]
  /** The numbers of the parameters as they appear, 1 for `$1`; a parameter that is used twice is there twice. */
  readonly order: readonly number[]
}

/**
 * What may hold a `$1` that is no parameter, and parameters, by PostgreSQL's lexical rules (manual, section 4.1):
 * `E''` strings with backslashes, names (which may contain `$`), plain strings, quoted names, line comments,
 * dollar-quoted strings, parameters. Block comments nest, which no expression can follow: they are read by hand.
 */
const TOKEN =
  /[eE]'[^'\\]*(?:(?:\\[^]|'')[^'\\]*)*'|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*"|--[^\r\n]*|\$((?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[^]*?\$\1\$|\$(\d+)|\/\*/gu

/** Takes a statement apart, for libraries that write parameters in another way than `$1`. */
export function splitPlaceholders(text: string): SplitStatement {
  const fragments: string[] = []
  const order: number[] = []
  const token = new RegExp(TOKEN)
  let start = 0
  for (let found = token.exec(text); found; found = token.exec(text)) {
    const number = found[2]
    if (number !== undefined) {
      fragments.push(text.slice(start, found.index))
      order.push(Number(number))
      start = token.lastIndex
    } else if (found[0] === '/*') {
      token.lastIndex = endOfComment(text, token.lastIndex)
    }
  }
  fragments.push(text.slice(start))
  return { fragments, order }
}

/** Where the block comment ends whose inside begins at `from`. */
function endOfComment(text: string, from: number): number {
  const edge = /\/\*|\*\//g
  edge.lastIndex = from
  for (let depth = 1; depth > 0; ) {
    const found = edge.exec(text)
    if (!found) return text.length
    depth += found[0] === '/*' ? 1 : -1
  }
  return edge.lastIndex
}

/** The value of each parameter in order of appearance. Libraries refuse `undefined`; `pg` takes it for null. */
export function valuesInOrder(order: readonly number[], values: readonly unknown[]): unknown[] {
  return order.map(number => values[number - 1] ?? null)
}
