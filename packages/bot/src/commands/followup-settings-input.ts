import { BelfryError, parseDuration } from 'belfry'
import { isTimeZone } from '../followups/gate-facts.ts'
import { distance } from '../messaging/nearest.ts'

/** What somebody typed, understood; or the nearest things they may have meant. */
export type Understood<Value> = { readonly value: Value } | { readonly near: readonly string[] }

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const REGIONS =
  'Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific America/Argentina America/Indiana'.split(
    ' ',
  )
const NAMES_SHOWN = 3

/**
 * A zone by its name (`Europe/Berlin`) or its city alone (`berlin`, `new york`), in any case. Offsets and abbreviations
 * are none: they do not say when the clocks change.
 */
export function readZone(typed: string): Understood<string> {
  const name = plain(typed).replace(/\s+/g, '_')
  if (/^(utc|gmt|etc\/utc)$/i.test(name)) return { value: 'UTC' }
  const known = Intl.supportedValuesOf('timeZone')
  const exact = known.find(zone => zone.toLowerCase() === name.toLowerCase())
  if (exact) return { value: exact }
  const isName = /^[a-z][a-z_'/-]{1,60}$/i.test(name) && !/^etc\//i.test(name)
  const byAlias = isName && name.includes('/') && isTimeZone(name) ? name : undefined
  const byCity = isName && !name.includes('/') ? REGIONS.map(region => `${region}/${name}`).find(isTimeZone) : undefined
  const found = byAlias ?? byCity
  if (found) return { value: new Intl.DateTimeFormat('en', { timeZone: found }).resolvedOptions().timeZone }
  return { near: nearestZones(name, known) }
}

/** What is offered before a letter is typed: where most people are. */
const COMMON_ZONES = (
  'America/New_York America/Chicago America/Denver America/Los_Angeles America/Sao_Paulo America/Mexico_City ' +
  'Europe/London Europe/Lisbon Europe/Madrid Europe/Paris Europe/Berlin Europe/Warsaw Europe/Istanbul Africa/Cairo ' +
  'Africa/Lagos Asia/Kolkata Asia/Shanghai Asia/Tokyo Australia/Sydney UTC'
).split(' ')

/** Zones that may be meant by what is typed so far: those whose name or city begins so first, then those that have it. */
export function suggestZones(typed: string, most: number): string[] {
  const name = plain(typed).replace(/\s+/g, '_').toLowerCase()
  if (name === '') return COMMON_ZONES.slice(0, most)
  const rank = (zone: string) => {
    const full = zone.toLowerCase()
    return full.startsWith(name) || full.split('/').some(part => part.startsWith(name))
      ? 0
      : full.includes(name)
        ? 1
        : 2
  }
  const zones = [...Intl.supportedValuesOf('timeZone'), 'UTC']
  const found = zones.filter(zone => rank(zone) < 2).toSorted((a, b) => rank(a) - rank(b))
  const understood = found.length === 0 ? readZone(typed) : undefined
  return understood && 'value' in understood ? [understood.value] : [...new Set(found)].slice(0, most)
}

function nearestZones(name: string, known: readonly string[]): string[] {
  const typed = name.toLowerCase().slice(0, 40)
  const how = (zone: string) => {
    const full = zone.toLowerCase()
    const city = full.split('/').at(-1) ?? full
    // Who typed the beginning of a city most likely meant that city.
    if (typed.length >= 3 && city.startsWith(typed)) return 0
    return Math.min(distance(typed, full), distance(typed.split('/').at(-1) ?? typed, city))
  }
  return known
    .map(zone => ({ zone, far: how(zone) }))
    .toSorted((a, b) => a.far - b.far)
    .slice(0, NAMES_SHOWN)
    .map(({ zone }) => zone)
}

function plain(typed: string): string {
  return typed.normalize('NFD').replace(/\p{M}/gu, '').replace(/[`"]/g, '').trim()
}

const TIME = String.raw`(\d{1,2})(?:[:.h](\d{1,2}))?\s*(am|pm)?`
const SPAN = new RegExp(String.raw`^(?:from )?${TIME}\s*(?:-|–|—|to|until| )\s*${TIME}$`, 'i')

/** Quiet hours as `HH:MM-HH:MM`; `22-8`, `22:00 to 08:00` and `10pm-8am` are understood too. */
export function readQuiet(typed: string): Understood<string> {
  const found = SPAN.exec(typed.trim())
  if (!found) return { near: ['22:00-08:00', 'off'] }
  const [, startHour, startMinute, startHalf, endHour, endMinute, endHalf] = found
  const start = readTime(startHour, startMinute, startHalf)
  const end = readTime(endHour, endMinute, endHalf)
  const text = `${start.text}-${end.text}`
  return start.exact && end.exact ? { value: text } : { near: [text] }
}

/** One time of day; what is out of range becomes the nearest that is not. */
function readTime(hourText = '', minuteText = '0', half = ''): { text: string; exact: boolean } {
  const [typedHour, typedMinute] = [Number(hourText), Number(minuteText)]
  const isHalved = half !== ''
  const limit = isHalved ? 12 : 24
  const afternoon = half.toLowerCase() === 'pm' ? 12 : 0
  const hour = isHalved ? (Math.min(typedHour, 12) % 12) + afternoon : Math.min(typedHour, 24) % 24
  const exact =
    typedHour <= limit && (!isHalved || typedHour > 0) && typedMinute <= 59 && !(typedHour === 24 && typedMinute > 0)
  const pad = (number: number) => String(number).padStart(2, '0')
  return { text: `${pad(typedHour > limit && !isHalved ? 23 : hour)}:${pad(Math.min(typedMinute, 59))}`, exact }
}

const NAMED: Readonly<Record<string, number>> = {
  hourly: HOUR_MS,
  daily: DAY_MS,
  weekly: 7 * DAY_MS,
  biweekly: 14 * DAY_MS,
  fortnightly: 14 * DAY_MS,
  monthly: 30 * DAY_MS,
}

/** A span such as `3d`, `12 hours` or `weekly`, from `least` to `most` milliseconds. */
export function readSpan(typed: string, { least, most }: { least: number; most: number }): Understood<number> {
  const text = typed
    .trim()
    .toLowerCase()
    .replace(/^(?:every|each|once (?:a|every|per)|for)\s+/, '')
    .replace(/^(?:an?|one)\s+/, '1 ')
  const ms =
    (Object.hasOwn(NAMED, text) ? NAMED[text] : undefined) ??
    spanOf(/^(?:hour|day|week|month)$/.test(text) ? `1 ${text}` : text)
  if (ms === undefined) {
    const number = /^(\d{1,3})(?:\.\d+)?\b/.exec(text)?.[1]
    return { near: number && Number(number) > 0 ? [`${number}d`, `${number}h`] : ['3d', 'weekly'] }
  }
  if (ms < least) return { near: [shortest(least)] }
  return ms > most ? { near: [shortest(most)] } : { value: ms }
}

function spanOf(text: string): number | undefined {
  try {
    return parseDuration(text.replace(/^(\d+)\s*months?$/, (_all, months: string) => `${Number(months) * 30}d`))
  } catch (error) {
    if (error instanceof BelfryError) return undefined
    throw error
  }
}

function shortest(ms: number): string {
  if (ms % DAY_MS === 0) return `${ms / DAY_MS}d`
  return ms % HOUR_MS === 0 ? `${ms / HOUR_MS}h` : `${Math.ceil(ms / 60_000)}m`
}
