import { systemClock } from 'belfry'
import { createApp } from '../dist/app.js'
import { readConfig } from '../dist/config.js'
import { openServer } from '../dist/database/connect.js'
import { findInactivePeople } from '../dist/followups/find-inactive-people.js'
import { planAfterMessage } from '../dist/followups/plan-follow-up.js'
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
const WARM_UP = 50
const [url = '', people = '100000'] = process.argv.slice(2)
if (!/^postgres(ql)?:/.test(url)) stop('expected a URL like postgres://user@host:5432/an_empty_database')

const opened = await openServer(url)
const { database } = opened
const one = async sql => (await database.query(sql)).rows[0]
if ((await one("select to_regclass('user_profiles') as name")).name !== null) stop('expected an empty database')

const config = readConfig({ DATABASE_URL: url })
const logger = createLogger('error')
const parts = { database, clock: systemClock, logger }
const app = createApp({ ...parts, config })
const withoutPlanning = createApp({
  ...parts,
  config: readConfig({ DATABASE_URL: url, JOB_SCHEDULER_ENABLED: 'false' }),
})
await app.prepare()

await makePeople(Number(people))
const beganAt = performance.now()
const policy = policyOf(config.followUps)
const found = await findInactivePeople({ database, scheduler: app.scheduler, policy, clock: systemClock })
say(
  `planned for ${found.planned} of ${found.considered} people in ${((performance.now() - beganAt) / 1_000).toFixed(1)} s`,
)

const person = { platform: 'web', conversationId: 'web:1', userId: 'web:1', displayName: 'Person 1', isAdmin: false }
const spans = { planning: [], without: [], look: [], nothing: [] }
const planner = { database, scheduler: app.scheduler, policy, clock: systemClock }
for (let n = 0; n < MESSAGES + WARM_UP; n += 1) {
  const kept = n >= WARM_UP
  const message = id => ({ ...person, messageId: `${id}-${n}`, text: `piece ${n} sounds better today` })
  await measured(kept && spans.planning, () => app.chat.handle(message('planning')))
  await measured(kept && spans.without, () => withoutPlanning.chat.handle(message('without')))
  await measured(kept && spans.look, () => planAfterMessage(planner, database, 'web:1'))
  await measured(kept && spans.nothing, () => database.query('select 1'))
}
const [planning, without, look, nothing] = Object.values(spans).map(median)
say(
  `a message that comes in, with its answer: ${ms(planning)} with a follow-up waiting, ${ms(without)} without planning`,
)
say(
  `planning by itself: ${ms(look)}, of which ${ms(nothing)} are the way to the server and back (medians of ${MESSAGES})`,
)
await opened.close()

async function measured(times, work) {
  const startedAt = performance.now()
  await work()
  if (times) times.push(performance.now() - startedAt)
}

function median(times) {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]
}

function ms(span) {
  return `${span.toFixed(2)} ms`
}

async function makePeople(count) {
  await database.query(
    `insert into user_profiles (user_id, display_name, platform, last_conversation_id, last_active_at)
     select 'web:' || n, 'Person ' || n, 'web', 'web:' || n, now() - interval '49 hours' + random() * interval '1 hour'
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

function say(line) {
  process.stdout.write(`${line}\n`)
}

function stop(why) {
  process.stderr.write(`bench:followups: ${why}\n`)
  process.exit(2)
}
