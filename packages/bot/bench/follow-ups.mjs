import { systemClock } from 'belfry'
import { createApp } from '../dist/app.js'
import { readConfig } from '../dist/config.js'
import { openServer } from '../dist/database/connect.js'
import { findInactivePeople } from '../dist/followups/find-inactive-people.js'
import { policyOf } from '../dist/followups/policy.js'
import { createLogger } from '../dist/logger.js'

/*
 * What follow-ups cost at volume, on a real server: `npm run bench:followups -- <postgres URL> [people]`. The database
 * must be an empty one of its own; people are made in it.
 *
 * 1. Planning when 100,000 people went quiet in the same hour.
 * 2. What planning adds to a message that comes in, one after another, while all those follow-ups wait.
 */
const MESSAGES = 1_000
const [url = '', people = '100000'] = process.argv.slice(2)
if (!/^postgres(ql)?:/.test(url)) stop('expected a URL like postgres://user@host:5432/an_empty_database')

const { database, close } = await openServer(url)
const one = async sql => (await database.query(sql)).rows[0]
if ((await one("select to_regclass('user_profiles') as name")).name !== null) stop('expected an empty database')

const config = readConfig({ DATABASE_URL: url })
const logger = createLogger('error')
const parts = { database, clock: systemClock, logger }
const app = createApp({ ...parts, config })
const withoutPlanning = createApp({ ...parts, config: readConfig({ DATABASE_URL: url, JOB_SCHEDULER_ENABLED: 'false' }) })
await app.prepare()

await makePeople(Number(people))
const beganAt = performance.now()
const policy = policyOf(config.followUps)
const found = await findInactivePeople({ database, scheduler: app.scheduler, policy, clock: systemClock })
say(`planned for ${found.planned} of ${found.considered} people in ${((performance.now() - beganAt) / 1_000).toFixed(1)} s`)

// The first message of each person plans; it and the answers are no part of what is measured.
for (const way of [app, withoutPlanning]) await talk(way, 50)
const spans = { planning: [], without: [] }
for (let round = 0; round < 4; round += 1) {
  spans.planning.push(await talk(app, MESSAGES / 4))
  spans.without.push(await talk(withoutPlanning, MESSAGES / 4))
}
const perMessage = times => times.reduce((sum, each) => sum + each, 0) / MESSAGES
const [planning, without] = [perMessage(spans.planning), perMessage(spans.without)]
say(`a message that comes in: ${planning.toFixed(2)} ms with a follow-up waiting, ${without.toFixed(2)} ms without planning`)
say(`planning adds ${(planning - without).toFixed(2)} ms; the look by itself takes ${await lookMs()} ms of the server`)
await close()

async function makePeople(count) {
  await database.query(
    `insert into user_profiles (user_id, display_name, platform, last_conversation_id, last_active_at)
     select 'web:' || n, 'Person ' || n, 'web', 'web:' || n, now() - interval '48 hours' + n * interval '10 ms'
     from generate_series(1, $1::int) n`,
    [count],
  )
  await database.query(
    `insert into conversation_turns (conversation_id, user_id, author, kind, text, sent_at)
     select user_id, user_id, 'user', 'chat', 'I practise piece ' || part, last_active_at
     from user_profiles, generate_series(1, 3) part`,
  )
  await database.query('analyze')
}

/** Milliseconds that messages of one person took, answers included. */
async function talk(bot, messages) {
  const person = { platform: 'web', conversationId: 'web:1', userId: 'web:1', displayName: 'Person 1', isAdmin: false }
  const startedAt = performance.now()
  for (let n = 0; n < messages; n += 1) {
    await bot.chat.handle({ ...person, messageId: `${startedAt}-${n}`, text: `piece ${n} sounds better today` })
  }
  return performance.now() - startedAt
}

/** The server's own time for the one statement that most messages cost. */
async function lookMs() {
  const explained = await database.query(
    `explain (analyze, format json) select 1 as found from scheduled_jobs
     where job_type = 'follow_up_message' and unique_key = 'automatic:web:1' and status in ('pending', 'running')`,
  )
  const [plan] = explained.rows[0]['QUERY PLAN']
  return (plan['Planning Time'] + plan['Execution Time']).toFixed(2)
}

function say(line) {
  process.stdout.write(`${line}\n`)
}

function stop(why) {
  process.stderr.write(`bench:followups: ${why}\n`)
  process.exit(2)
}
