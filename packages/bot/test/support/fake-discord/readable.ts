interface Embed {
  readonly title?: string
  readonly description?: string
  readonly fields?: readonly { readonly name: string; readonly value: string }[]
}

/** What a person reads of a message: its content, then its embeds from top to bottom. */
export function readable({ content, embeds }: { content: string; embeds: readonly unknown[] }): string {
  const shown = (embeds as readonly Embed[]).flatMap(({ title, description, fields = [] }) => [
    title,
    description,
    ...fields.map(({ name, value }) => `${name}: ${value}`),
  ])
  return [content, ...shown].filter(part => part !== undefined && part !== '').join('\n')
}
