import { systemClock } from 'belfry'
import { createApp } from '../../dist/app.js'
import { loadEnvironment, readConfig } from '../../dist/config.js'
import { openConfigured } from '../../dist/database/connect.js'
import { createLogger } from '../../dist/logger.js'
import { DeliveryError } from '../../dist/messaging/platform.js'

/*
 * A bot as a process of its own, whose platform is asked over HTTP: `remote-bot.mjs <url> <nonce window in ms>`. It is
 * made to be killed.
 */
const [url = '', nonceWindowMs = '0'] = process.argv.slice(2)

async function ask(path, body, signal) {
  const options = {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    signal,
  }
  const response = await fetch(url + path, options)
  const answer = await response.json()
  if (response.ok) return answer
  throw new DeliveryError(answer.failure, answer.code, 'refused', { retryAfterMs: answer.retryAfterMs })
}

const platform = {
  name: 'discord',
  nonceWindowMs: Number(nonceWindowMs),
  send: (message, signal) => ask('/send', message, signal),
  findSent: (query, signal) => ask('/find', query, signal),
}

const config = readConfig(loadEnvironment())
const { database } = await openConfigured(config)
const logger = createLogger(config.logLevel)
const app = createApp({ config, database, clock: systemClock, logger, platforms: [platform] })
await app.prepare()
await app.start()
process.stdout.write('up\n')
