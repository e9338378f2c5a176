/** An answer in parts, for platforms that lay one out. */
export interface Card {
  readonly title: string
  /** What it amounts to, as a colour says it. */
  readonly standing?: 'good' | 'warning' | 'bad'
  readonly lines?: readonly string[]
  readonly fields?: readonly CardField[]
}

export interface CardField {
  readonly name: string
  /** Empty: the field is left out. */
  readonly value: string
  /** Beside its neighbours. */
  readonly short?: boolean
}

/** The same as plain text: neighbours on one line, lists below their name. */
export function sayCard({ title, lines = [], fields = [] }: Card): string {
  const said: string[] = [title, ...lines]
  let isBeside = false
  for (const { name, value, short = false } of fields) {
    if (value === '') continue
    const isList = value.includes('\n') || value.startsWith('- ')
    const text = `${name}:${isList ? '\n' : ' '}${value}`
    if (short && isBeside) said.push(`${said.pop() ?? ''} · ${text}`)
    else said.push(text)
    isBeside = short
  }
  return said.join('\n')
}
