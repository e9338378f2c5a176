/** One way of following up that is tried beside others. Unset parts are as for everybody. */
export interface Variant {
  /** Shown in reports and kept with each follow-up. */
  readonly name: string
  /** Silence before an automatic follow-up, in milliseconds. */
  readonly delayMs?: number
  readonly writer?: 'model' | 'template'
  readonly opener?: 'question' | 'statement'
}

/** More arms than this never gather enough follow-ups each to be told apart. */
const MOST_VARIANTS = 10
const LONGEST_DELAY_MS = 720 * 3_600_000
const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Reads `quick:delay=24h,opener=question; slow:delay=72h; plain`. A name alone is a variant as for everybody: what the
 * others are compared with. Answers what is wrong as text, ready to be shown.
 */
export function parseVariants(text: string): readonly Variant[] | string {
  const variants: Variant[] = []
  for (const part of text.split(';').map(each => each.trim())) {
    if (part === '') continue
    const variant = parseVariant(part)
    if (typeof variant === 'string') return variant
    if (variants.some(each => each.name === variant.name)) return `the name ${JSON.stringify(variant.name)} comes twice`
    variants.push(variant)
  }
  return variants.length > MOST_VARIANTS
    ? `${variants.length} variants, at most ${MOST_VARIANTS} are allowed`
    : variants
}

/** What is wrong with a list of variants; undefined: nothing. */
export function variantsFault(text: string): string | undefined {
  const read = parseVariants(text)
  return typeof read === 'string' ? read : undefined
}

function parseVariant(part: string): Variant | string {
  const colon = part.indexOf(':')
  const name = (colon === -1 ? part : part.slice(0, colon)).trim()
  if (!/^[a-z][a-z0-9_-]{0,29}$/.test(name))
    return `${show(name)} is no name: a small letter, then up to 29 of a-z, 0-9, - and _`
  let variant: Variant = { name }
  for (const pair of colon === -1 ? [] : part.slice(colon + 1).split(',')) {
    const [key = '', value = '', ...more] = pair.split('=').map(each => each.trim())
    const read = more.length === 0 ? readPair(key, value) : undefined
    if (read === undefined) return `${name}: ${show(pair.trim())} is neither ${WAYS}`
    if (Object.keys(read).some(each => each in variant)) return `${name}: ${key} comes twice`
    variant = { ...variant, ...read }
  }
  return variant
}

const WAYS = 'delay=24h (or 90m, 2d; at most 30d), writer=model|template nor opener=question|statement'

function readPair(key: string, value: string): Omit<Variant, 'name'> | undefined {
  if (key === 'writer' && (value === 'model' || value === 'template')) return { writer: value }
  if (key === 'opener' && (value === 'question' || value === 'statement')) return { opener: value }
  const delayMs = key === 'delay' ? delayOf(value) : undefined
  return delayMs === undefined ? undefined : { delayMs }
}

function delayOf(value: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,6}(?:\.\d{1,6})?)([mhd])$/.exec(value) ?? []
  const ms = Number(amount) * (UNIT_MS[unit] ?? Number.NaN)
  return ms > 0 && ms <= LONGEST_DELAY_MS ? ms : undefined
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 60))
}
