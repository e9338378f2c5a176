#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { parseDuration, systemClock, VERSION } from 'belfry'
import { schedulesCommand, schemaCommand, type CommandResult } from 'belfry/cli'
import { createApp } from './app.ts'
import { loadEnvironment, readConfig } from './config.ts'
import { openConfigured } from './database/connect.ts'
import { runDemo } from './demo/demo.ts'
import { runDoctor } from './doctor/doctor.ts'
import { runFollowUps } from './followups-cli.ts'
import { createLogger } from './logger.ts'
import { accessTrouble, inviteLink } from './platforms/discord/invite.ts'
import { runTerminalChat } from './platforms/terminal/terminal-chat.ts'
import { runProgram, usage, UsageError } from './program.ts'
import { runServer } from './server.ts'

const HELP = `Usage: belfry <command> [options]

  start                        the bot: web chat, follow-ups, background jobs
  chat [--user NAME] [--linger DURATION]
                               talk to it here; lines from a terminal or a pipe
  demo                         48 hours of a follow-up in a few seconds
  doctor                       what works, what is missing and what that costs, how to mend it
  invite                       the link that brings the bot into a Discord server
  followups report|simulate    did they help; what other settings would have done
  schema sql|grants ROLE       the library's tables and a runtime role's rights, as SQL
  schedules preview RULE       when a recurring rule fires; \`belfry schedules --help\` shows more
  help, --version

Settings come from the environment and .env; see .env.example.

Examples:
  belfry chat --user ada
  printf 'hi, I am Ada\\n' | belfry chat --user ada --linger 30s
`

/** Ends one's own name for a person in the terminal; also part of ids, so no blanks. */
const USER_NAME = /^[\p{L}\p{N}._-]{1,64}$/u

async function chat(args: readonly string[], stop: AbortSignal): Promise<number> {
  const { values } = usage(() =>
    parseArgs({
      args: [...args],
      options: { user: { type: 'string', default: 'you' }, linger: { type: 'string', default: '0' } },
    }),
  )
  if (!USER_NAME.test(values.user)) {
    throw new UsageError(
      `--user: expected a name of letters, digits, dots and dashes, got ${JSON.stringify(values.user)}`,
    )
  }
  const lingerMs = usage(() =>
    parseDuration(/^\d+$/.test(values.linger) ? Number(values.linger) : values.linger, '--linger'),
  )
  const config = readConfig(loadEnvironment())
  const logger = createLogger(config.logLevel)
  const open = await openConfigured(config)
  const app = createApp({ config, database: open.database, clock: systemClock, logger })
  try {
    await app.prepare()
    await app.start()
    if (process.stdin.isTTY)
      process.stderr.write(
        `You are talking to ${config.botName} as ${values.user}. ${config.commandPrefix}help lists commands, Ctrl-D ends.\n`,
      )
    await runTerminalChat({
      database: open.database,
      chat: app.chat,
      feed: app.feed,
      jobsRun: app.scheduler !== undefined,
      clock: systemClock,
      botName: config.botName,
      user: values.user,
      lingerMs,
      input: process.stdin,
      output: process.stdout,
      stop,
      folder: process.cwd(),
    })
    return 0
  } finally {
    await app.stop()
    await open.close()
  }
}

async function invite(): Promise<number> {
  const { discord } = readConfig(loadEnvironment())
  if (!discord)
    throw new UsageError('invite: expected DISCORD_TOKEN to be set; docs/discord.md says where it comes from')
  try {
    process.stdout.write(`${await inviteLink(discord)}\n`)
    return 0
  } catch (error) {
    process.stderr.write(`belfry: ${accessTrouble(error)}\n`)
    return 1
  }
}

function print({ exitCode, stdout, stderr }: CommandResult): number {
  process.stdout.write(stdout)
  process.stderr.write(stderr)
  return exitCode
}

await runProgram(async stop => {
  const [command = 'help', ...args] = process.argv.slice(2)
  switch (command) {
    case 'start':
      return runServer(stop)
    case 'chat':
      return chat(args, stop)
    case 'demo':
      return runDemo(process.stdout)
    case 'doctor':
      return runDoctor({ environment: loadEnvironment(), clock: systemClock, output: process.stdout })
    case 'invite':
      return invite()
    case 'followups':
      return runFollowUps(args, { environment: loadEnvironment(), clock: systemClock, output: process.stdout })
    case 'schedules':
      return print(schedulesCommand(args, systemClock.now()))
    case 'schema':
      return print(schemaCommand(args))
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(HELP)
      return 0
    case '--version':
      process.stdout.write(`${VERSION}\n`)
      return 0
    default:
      throw new UsageError(`no command ${JSON.stringify(command)}. \`belfry help\` lists them.`)
  }
})
