import { silentLogger } from 'belfry'
import { TestClock } from 'belfry/testing'
import { createApp, type App } from '../app.ts'
import { readConfig } from '../config.ts'
import { openInMemory } from '../database/connect.ts'
import { decisionsOfJob } from '../followups/decision-store.ts'
import { pendingFollowUps } from '../followups/follow-up-store.ts'
import type { GateResult } from '../followups/gates.ts'
import { turnsAfter } from '../memory/conversation-store.ts'
import { Timeline } from './timeline.ts'

/** A Monday; the talk is late in the evening, so that 48 hours later the quiet hours have begun. */
const BEGIN = '2027-03-01T22:40:00Z'
const SPEAKS_AGAIN = '2027-03-02T20:00:00Z'
const SETTINGS = { FOLLOW_UP_TIME_ZONE: 'UTC', LOG_LEVEL: 'silent' }

interface Stage {
  readonly app: App
  readonly clock: TestClock
  readonly timeline: Timeline
}

/**
 * The story of one follow-up on a virtual clock: two people talk and go quiet, one of them has said "off". The very code
 * that runs in production, with two days told in a few seconds.
 */
export async function runDemo(output: NodeJS.WritableStream): Promise<number> {
  const clock = new TestClock(BEGIN)
  const open = await openInMemory()
  const config = readConfig(SETTINGS)
  const app = createApp({ config, database: open.database, clock, logger: silentLogger })
  const stage = { app, clock, timeline: new Timeline(output, clock) }
  try {
    await app.prepare()
    stage.timeline.title('48 hours in a few seconds: a follow-up from beginning to end')
    await talk(stage)
    await speakAgain(stage)
    await waitForFollowUps(stage)
    await answer(stage)
    stage.timeline.end(
      'The same code runs behind `npm start`. Try it there: FOLLOW_UP_DEFAULT_DELAY_HOURS=0.01 npm start',
    )
    return 0
  } finally {
    await open.close()
  }
}

async function say({ app, clock, timeline }: Stage, who: string, text: string) {
  const id = `terminal:${who.toLowerCase()}`
  timeline.line(who, text)
  const message = {
    platform: 'terminal',
    conversationId: id,
    userId: id,
    displayName: who,
    isAdmin: false,
    text,
  } as const
  const handled = await app.chat.handle({ ...message, messageId: `${who}-${clock.monotonic()}` })
  for (const line of handled.reply?.text.split('\n') ?? []) timeline.line('Belfry', line)
  clock.advance('40s')
  return handled
}

async function talk(stage: Stage): Promise<void> {
  const { timeline } = stage
  timeline.heading('Two people talk')
  let planned: Awaited<ReturnType<typeof say>>['planned']
  for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']) {
    planned = (await say(stage, 'Ada', text)).planned ?? planned
  }
  for (const text of [
    'hello, I am Bo',
    'I am building a boat',
    'the mast arrives next week',
    '!followup_settings off',
  ]) {
    await say(stage, 'Bo', text)
  }
  timeline.heading('Both go quiet')
  if (planned) timeline.note(`planned for Ada: a follow-up, due ${timeline.sayTime(planned.dueAt)}`)
  timeline.note('planned for Bo: nothing. Bo said off; what was planned is cancelled')
}

/** One more message: what is planned is not made anew, it moves on by itself when it is due. */
async function speakAgain(stage: Stage): Promise<void> {
  const { clock, timeline } = stage
  clock.moveTo(new Date(SPEAKS_AGAIN))
  timeline.heading('Ada speaks once more, then goes quiet')
  await say(stage, 'Ada', 'my recital is at seven')
}

/** Lets time pass from one due job to the next, and tells what the gates say at each. */
async function waitForFollowUps(stage: Stage): Promise<void> {
  const { app, clock, timeline } = stage
  for (;;) {
    const [next] = await pendingFollowUps(app.database, 'terminal:ada', clock.now().toISOString())
    if (!next) break
    clock.moveTo(next.scheduledTime)
    timeline.heading(`${timeline.sayTime(next.scheduledTime)}: Ada's follow-up is due`)
    await app.scheduler?.runDueJobs()
    await tellDecision(stage, next.jobId)
  }
  const turns = await turnsAfter(app.database, { conversationId: 'terminal:ada', afterTurnId: 0, limit: 100 })
  for (const turn of turns) if (turn.kind === 'follow_up') timeline.line('Belfry', `🔔 ${turn.text}`)
  const bo = await turnsAfter(app.database, { conversationId: 'terminal:bo', afterTurnId: 0, limit: 100 })
  timeline.note(`written to Bo: ${bo.filter(turn => turn.kind === 'follow_up').length} messages`)
}

async function tellDecision({ app, timeline }: Stage, jobId: string): Promise<void> {
  const [decision] = await decisionsOfJob(app.database, { jobId, limit: 1 })
  if (!decision) return
  for (const gate of decision.gates as readonly GateResult[]) timeline.gate(gate)
  const until = decision.until ? ` until ${timeline.sayTime(decision.until)}` : ''
  timeline.note(`decision: ${decision.verdict}${decision.reason ? ` (${decision.reason})` : ''}${until}`)
}

async function answer(stage: Stage): Promise<void> {
  const { app, clock, timeline } = stage
  clock.advance('2h 10m')
  timeline.heading('Ada answers')
  const { credited } = await say(stage, 'Ada', 'it went really well, I am so happy!')
  const kept = await app.database.query<{ latency_ms: number }>(
    `select (extract(epoch from response_time - sent_at) * 1000)::float8 as latency_ms from follow_up_history
     where id = $1::bigint and response_received`,
    [credited ?? 0],
  )
  const latency = kept.rows[0]?.latency_ms
  timeline.note(
    latency === undefined ? 'not credited' : `credited: response_received = true, after ${timeline.saySpan(latency)}`,
  )
}
