/** Fields of one log line; values are plain data. Personal data never goes here. */
export type LogFields = Readonly<Record<string, unknown>>

/** What the library needs of a logger: one event, one line. pino's `logger.info(fields, message)` shape. */
export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

const ignore = () => {}

/** The default: says nothing. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
