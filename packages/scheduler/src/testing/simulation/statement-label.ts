const VERBS = /(?<!for )(?<!key )\b(insert into|update|delete from|select pg_notify)\s+([\w."]*)/gi
const SOURCE = /\bfrom\s+([\w."]+)/i

/** Worlds send the same few hundred statements, each of them many times. */
const labels = new Map<string, string>()

/** A few words for a statement: what it changes, or what it reads. */
export function statementLabel(text: string): string {
  const label = labels.get(text) ?? labelOf(text)
  labels.set(text, label)
  return label
}

function labelOf(text: string): string {
  const changes = [...text.matchAll(VERBS)].map(([, verb = '', table = '']) => `${verb} ${plain(table)}`.trim())
  if (changes.length > 0) return [...new Set(changes)].slice(0, 3).join(', ')
  return `select ${plain(SOURCE.exec(text)?.[1] ?? '')}`.trim()
}

function plain(name: string): string {
  return (name.split('.').at(-1) ?? '').replaceAll('"', '')
}
