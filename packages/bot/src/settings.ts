import { accessSync, constants, statSync } from 'node:fs'
import { variantsFault } from './variant-list.ts'

/** One environment variable: what `.env.example`, the docs and the checks agree on. */
export interface Variable {
  readonly name: string
  /** Used when it is unset or empty; undefined: none. */
  readonly fallback: string | undefined
  /** Completes "expected …" in an error. */
  readonly expects: string
  /** One line for `.env.example` and the docs. */
  readonly about: string
  /** Never shown. */
  readonly secret?: boolean
  accepts(text: string): boolean
  /** What exactly is wrong with a value that is refused, where `expects` alone would leave one guessing. */
  readonly fault?: (text: string) => string | undefined
}

type VariableOptions = Pick<Variable, 'name' | 'about'> & { fallback?: string }

const text = (
  options: VariableOptions & Pick<Variable, 'expects' | 'secret' | 'fault'> & { accepts?: (value: string) => boolean },
): Variable => ({
  fallback: undefined,
  accepts: () => true,
  ...options,
})

const flag = (options: VariableOptions): Variable => ({
  fallback: undefined,
  ...options,
  expects: 'true or false',
  accepts: value => /^(true|false|1|0|yes|no|on|off)$/i.test(value),
})

const number = (
  options: VariableOptions & { least: number; most: number; whole?: boolean; unit?: string },
): Variable => ({
  fallback: undefined,
  ...options,
  expects: `a ${options.whole ? 'whole ' : ''}number${options.unit ? ` of ${options.unit}` : ''} from ${options.least} to ${options.most}`,
  accepts: value =>
    /^\d{1,9}(\.\d{1,9})?$/.test(value) &&
    Number(value) >= options.least &&
    Number(value) <= options.most &&
    (!options.whole || Number.isInteger(Number(value))),
})

const choice = (options: VariableOptions & { of: readonly string[] }): Variable => ({
  fallback: undefined,
  ...options,
  expects: `one of ${options.of.join(', ')}`,
  accepts: value => options.of.includes(value),
})

/** Every variable the bot reads. */
export const variables: readonly Variable[] = [
  text({
    name: 'DATABASE_URL',
    about: 'PostgreSQL to use. Unset: an embedded database in BELFRY_DATA_DIR.',
    expects: 'a URL like postgres://user:password@host:5432/name',
    accepts: isPostgresUrl,
    secret: true,
  }),
  text({ name: 'BELFRY_DATA_DIR', fallback: './data', about: 'Folder of the embedded database.', expects: 'a folder' }),
  text({
    name: 'HOST',
    fallback: '127.0.0.1',
    about: 'Address the web chat listens on. Anything but loopback is open to your network.',
    expects: 'an IP address or host name',
    accepts: value => /^[\w.:[\]-]{1,255}$/.test(value),
  }),
  number({
    name: 'PORT',
    fallback: '3000',
    about: 'Port of the web chat; 0 takes a free one.',
    least: 0,
    most: 65_535,
    whole: true,
  }),
  text({
    name: 'BOT_NAME',
    fallback: 'Belfry',
    about: 'What the bot calls itself.',
    expects: '1 to 40 printable characters',
    accepts: value => value.length <= 40 && !/\p{Cc}/u.test(value) && /[\p{L}\p{N}]/u.test(value),
  }),
  choice({
    name: 'LOG_LEVEL',
    fallback: 'warn',
    about: 'How much is logged, as JSON lines on standard error.',
    of: ['debug', 'info', 'warn', 'error', 'silent'],
  }),
  text({
    name: 'ADMIN_USER_IDS',
    about: 'User ids that may use the admin commands, separated by commas. A bare number is a Discord id.',
    expects: 'ids separated by commas, e.g. web:3f2a,terminal:ada',
  }),
  text({
    name: 'DISCORD_COMMAND_PREFIX',
    fallback: '!',
    about: 'What commands begin with, on every platform.',
    expects: '1 to 5 characters without white space',
    accepts: value => /^\S{1,5}$/.test(value),
  }),
  text({
    name: 'DISCORD_TOKEN',
    about: 'Token of the bot on Discord. Unset: no Discord.',
    expects: "the bot's token from the developer portal, without a word before it",
    accepts: value => /^[\w.-]{10,200}$/.test(value),
    secret: true,
  }),
  text({
    name: 'DISCORD_API_BASE_URL',
    fallback: 'https://discord.com/api',
    about: "Where Discord's API is, without its version.",
    expects: 'an http or https URL without a name and password in it',
    accepts: isHttpUrl,
  }),
  text({
    name: 'DISCORD_CHAT_CHANNEL_IDS',
    about: 'Server channels and threads in which the bot answers without being mentioned, separated by commas.',
    expects: 'ids of channels, separated by commas',
    accepts: value => value.split(',').every(id => /^\s*\d{15,21}\s*$/.test(id)),
  }),
  text({
    name: 'LLM_BASE_URL',
    about: 'An OpenAI-compatible endpoint, e.g. http://localhost:11434/v1 (Ollama). Unset: the built-in writer.',
    expects: 'an http or https URL without a name and password in it',
    accepts: isHttpUrl,
  }),
  text({ name: 'LLM_MODEL', about: 'Model at that endpoint.', expects: 'a model name' }),
  text({ name: 'LLM_API_KEY', about: 'Key for that endpoint; local ones need none.', expects: 'a key', secret: true }),
  number({
    name: 'LLM_TIMEOUT_SECONDS',
    fallback: '30',
    about: 'Longest wait for one try at the model, or for the next words of a streamed answer.',
    least: 1,
    most: 50,
    unit: 'seconds',
  }),
  number({
    name: 'LLM_TEMPERATURE',
    about: 'Sent to the model if set: 0 always the same words, 2 wild ones. Some models refuse it.',
    least: 0,
    most: 2,
  }),
  number({
    name: 'LLM_DAILY_TOKEN_BUDGET',
    about: 'Most tokens a day (UTC), over all processes; beyond it the built-in writer and templates. Unset: no limit.',
    least: 1,
    most: 999_999_999,
    whole: true,
  }),
  flag({ name: 'JOB_SCHEDULER_ENABLED', fallback: 'true', about: 'false: chat only, no background jobs.' }),
  number({
    name: 'JOB_SCHEDULER_CHECK_INTERVAL_SECONDS',
    fallback: '30',
    about: 'Longest pause between looks for due jobs; timers and notifications make it prompt anyway.',
    least: 1,
    most: 3_600,
    unit: 'seconds',
  }),
  flag({ name: 'FOLLOW_UP_ENABLED', fallback: 'true', about: 'false: nobody is followed up.' }),
  choice({
    name: 'FOLLOW_UP_CONSENT',
    fallback: 'auto',
    about: 'opt_out: until a person says off. opt_in: only after a person says on. auto: as the platform demands.',
    of: ['opt_out', 'opt_in', 'auto'],
  }),
  number({
    name: 'FOLLOW_UP_DEFAULT_DELAY_HOURS',
    fallback: '48',
    about: 'Silence before a follow-up. Fractions allowed; under 2 hours cooldown and recency shrink with it.',
    least: 0.0001,
    most: 720,
    unit: 'hours',
  }),
  number({
    name: 'FOLLOW_UP_MAX_PER_USER_PER_WEEK',
    fallback: '2',
    about: 'Most follow-ups to one person in any 168 hours.',
    least: 0,
    most: 50,
    whole: true,
  }),
  number({
    name: 'FOLLOW_UP_MIN_HOURS_BETWEEN',
    fallback: '24',
    about: 'Shortest time between two follow-ups to one person.',
    least: 0,
    most: 8_760,
    unit: 'hours',
  }),
  text({
    name: 'FOLLOW_UP_QUIET_HOURS',
    fallback: '22:00-08:00',
    about: "No follow-up in these hours of the person's day. off: none.",
    expects: 'HH:MM-HH:MM or off',
    accepts: value => value === 'off' || /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/.test(value),
  }),
  text({
    name: 'FOLLOW_UP_TIME_ZONE',
    about: 'Zone of people who set none. Unset: the hours they are active in decide.',
    expects: 'an IANA time zone such as Europe/Berlin',
    accepts: isTimeZone,
  }),
  number({
    name: 'FOLLOW_UP_MIN_MESSAGES',
    fallback: '3',
    about: 'Messages a person must have said in the last conversation.',
    least: 0,
    most: 1_000,
    whole: true,
  }),
  number({
    name: 'FOLLOW_UP_MAX_UNANSWERED',
    fallback: '2',
    about: 'Unanswered follow-ups in a row after which the bot is silent until the person speaks.',
    least: 1,
    most: 100,
    whole: true,
  }),
  number({
    name: 'FOLLOW_UP_MAX_AGE_DAYS',
    fallback: '14',
    about: 'People silent for longer are left alone.',
    least: 1,
    most: 3_650,
    unit: 'days',
  }),
  number({
    name: 'FOLLOW_UP_REPLY_WINDOW_HOURS',
    fallback: '72',
    about: 'A message within this time after a follow-up counts as its answer.',
    least: 1,
    most: 8_760,
    unit: 'hours',
  }),
  number({
    name: 'FOLLOW_UP_MAX_LATE_HOURS',
    fallback: '12',
    about: 'A follow-up later than this after an outage is dropped, not sent.',
    least: 1,
    most: 720,
    unit: 'hours',
  }),
  number({
    name: 'FOLLOW_UP_PER_MINUTE',
    fallback: '10',
    about: 'Most follow-ups a minute, over all people.',
    least: 1,
    most: 10_000,
    whole: true,
  }),
  number({
    name: 'FOLLOW_UP_HOLDOUT_PERCENT',
    fallback: '0',
    about: 'Share of people who get none, to measure whether follow-ups help.',
    least: 0,
    most: 50,
    unit: 'percent',
  }),
  text({
    name: 'FOLLOW_UP_VARIANTS',
    about: 'Ways of following up that are tried side by side; each person has one, always the same.',
    expects: 'variants such as quick:delay=24h,opener=question; slow:delay=72h; plain',
    accepts: value => variantsFault(value) === undefined,
    fault: variantsFault,
  }),
  text({
    name: 'FOLLOW_UP_VARIANTS_SALT',
    fallback: 'first',
    about: 'Another word deals people anew to the variants, for the next experiment.',
    expects: '1 to 40 letters, digits, dots and dashes',
    accepts: value => /^[\w.-]{1,40}$/.test(value),
  }),
  text({
    name: 'DISTRESS_WORDS_FILE',
    about: 'JSON that adds to or replaces the words by which somebody in danger is recognised.',
    expects: 'a readable file',
    accepts: isReadableFile,
  }),
  text({
    name: 'PRIVACY_URL',
    about: 'Your privacy policy; `!privacy` links it.',
    expects: 'an http or https URL without a name and password in it',
    accepts: isHttpUrl,
  }),
  text({
    name: 'PRIVACY_KEY',
    about: "Key of the hashes that keep erased people's no; several: the one in use first. Unset: the database's own.",
    expects: 'keys of at least 16 characters, separated by commas',
    accepts: value => value.split(',').every(key => key.trim().length >= 16),
    secret: true,
  }),
  flag({ name: 'CLEANUP_ENABLED', fallback: 'true', about: 'false: nothing old is removed by itself.' }),
  number({
    name: 'CLEANUP_OLD_CONVERSATIONS_DAYS',
    fallback: '30',
    about: 'What was said is removed after this long.',
    least: 1,
    most: 3_650,
    unit: 'days',
  }),
  number({
    name: 'CLEANUP_FAILED_JOBS_DAYS',
    fallback: '7',
    about: 'Failed jobs are removed after this long.',
    least: 1,
    most: 3_650,
    unit: 'days',
  }),
  number({
    name: 'CLEANUP_TEMP_FILES_HOURS',
    fallback: '24',
    about: 'Temporary files of the bot, in BELFRY_DATA_DIR/tmp, are removed after this long.',
    least: 1,
    most: 8_760,
    unit: 'hours',
  }),
]

function isReadableFile(value: string): boolean {
  try {
    accessSync(value, constants.R_OK)
    return statSync(value).isFile()
  } catch {
    return false
  }
}

function isPostgresUrl(value: string): boolean {
  return URL.canParse(value) && /^postgres(ql)?:$/.test(new URL(value).protocol) && new URL(value).hostname !== ''
}

function isHttpUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, username, password } = new URL(value)
  return /^https?:$/.test(protocol) && username === '' && password === ''
}

function isTimeZone(value: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).format() !== ''
  } catch {
    return false
  }
}
