/**
 * Arrays as PostgreSQL writes them, for parameters that are cast there (`$1::text::text[]`): a driver would look at every
 * element to find out how to write it.
 */
export function arrayText(elements: readonly string[]): string {
  if (elements.length === 0) return '{}'
  const written = elements.some(each => SPECIAL.test(each)) ? elements.map(escape) : elements
  return `{"${written.join('","')}"}`
}

export function numbersText(elements: readonly number[]): string {
  return `{${elements.join(',')}}`
}

const SPECIAL = /["\\]/

function escape(element: string): string {
  return element.replaceAll(/["\\]/g, '\\$&')
}
