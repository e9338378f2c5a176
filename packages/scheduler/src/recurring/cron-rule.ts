import { Cron } from 'croner'
import { invalidRule } from './invalid-rule.ts'
import { LATEST_WALL, type WallRule } from './wall-rule.ts'

const LONGEST_CRON = 200

/**
 * Cron with 5 fields, or 6 with seconds first, or a nickname. croner reads it and finds its times in UTC, where no clock
 * ever changes; what a zone makes of them is not left to it (it stands still on Samoa's lost day, and loses fixed hours
 * with a minute step in a gap).
 * @throws BelfryError `BELFRY_INVALID_RULE`
 */
export function cronRule(input: unknown): WallRule {
  const text = typeof input === 'string' ? input.trim() : ''
  if (text === '' || text.length > LONGEST_CRON) {
    throw invalidRule(input, `cron is text of 1 to ${LONGEST_CRON} characters`)
  }
  if (!text.startsWith('@') && ![5, 6].includes(text.split(/\s+/).length)) {
    throw invalidRule(text, 'five fields, or six with seconds first')
  }
  let cron: Cron
  try {
    cron = new Cron(text, { timezone: 'UTC', mode: '5-or-6-parts', paused: true })
  } catch (error) {
    throw invalidRule(text, error instanceof Error ? error.message.replace(/^CronPattern: /, '') : 'no cron rule')
  }
  let steps = 0
  return {
    text,
    elapsed: goesByElapsedTime(text),
    get steps() {
      return steps
    },
    next(wall) {
      // croner passes over months, days and hours that do not fit: what it finds late it finds seldom before the year 3000.
      steps += 1
      const found = cron.nextRun(new Date(Math.floor(wall / 1_000) * 1_000))?.getTime()
      return found !== undefined && found < LATEST_WALL ? found : undefined
    },
  }
}

const HOURLY = '@hourly'

/** A wildcard or a step in its seconds, minutes or hours. */
function goesByElapsedTime(text: string): boolean {
  if (text.startsWith('@')) return text.toLowerCase() === HOURLY
  const fields = text.split(/\s+/)
  return fields.slice(0, fields.length - 3).some(field => /[*?/]/.test(field))
}
