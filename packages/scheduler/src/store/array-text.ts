/**
 * Arrays as PostgreSQL writes them, for parameters that are cast there (`$1::text::text[]`): a driver would look at every
 * element to find out how to write it.
 */
export function arrayText(elements: readonly string[]): string {
  if (elements.length === 0) return '{}'
  // All at once: asking each of a thousand ids costs a twentieth of what settling them does.
  const all = elements.join()
  const written = all.includes('"') || all.includes('\\') ? elements.map(escape) : elements
  return `{"${written.join('","')}"}`
}

export function numbersText(elements: readonly number[]): string {
  return `{${elements.join(',')}}`
}

function escape(element: string): string {
  return element.replaceAll(/["\\]/g, '\\$&')
}
