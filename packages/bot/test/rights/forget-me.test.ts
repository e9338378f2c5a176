import type { Database, Queryable } from 'belfry/database'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import { askForErasure, erasePersonWhoAsked, type ErasureParts } from '../../src/operations/erase-person.ts'
import { SuppressedPeople } from '../../src/users/suppressed-people-store.ts'
import { everyRow } from '../support/every-row.ts'
import { startFakeLlm, type FakeLlm } from '../support/fake-llm.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

describe.each(['PGlite', 'PostgreSQL'] as const)('!forget_me on %s', engine => {
  let test: TestApp
  const begin = async (settings: Record<string, string> = {}) => {
    test = await createTestApp(engine, settings)
    return test
  }
  afterEach(() => test.close())

  const talk = async (who = 'Ada') => {
    await test.say(who, `hi, I am ${who}`)
    await test.say(who, 'I play the cello')
    return test.say(who, 'my recital is on Friday')
  }
  const forget = async (who = 'Ada') => {
    await test.say(who, '!forget_me')
    return (await test.say(who, '!forget_me confirm')).aside ?? ''
  }
  const traces = async () => (await everyRow(test.database)).filter(line => line.includes('web:ada'))
  /** Lets the virtual time pass after which a model that hangs is asked again. */
  const askedAgain = (model: FakeLlm) =>
    until('the model is asked again', () => {
      if (model.seen.length < 5) test.clock.advance('5s')
      return Promise.resolve(model.seen.length >= 5)
    })
  const partsOf = (database: Database): ErasureParts => ({
    database,
    clock: test.clock,
    scheduler: test.app.scheduler,
    suppressedPeople: new SuppressedPeople([]),
  })

  it('says first what will happen, and does nothing until it is confirmed', async () => {
    await begin()
    await talk()
    const { text } = await test.say('Ada', '!forget_me')
    expect(text).toContain('cannot be undone')
    expect(text).toContain('!forget_me confirm')
    expect(text).toContain('!my_data')
    await test.pass('50h')
    expect(await test.followUps()).toHaveLength(1)
  })

  it('confirmed, leaves nothing: not the talk, not the command, not its own answer', async () => {
    await begin()
    await talk()
    const answer = await forget()
    expect(answer).toContain('Done.')
    expect(answer).toContain('9 lines of conversation, 0 follow-ups, 1 job')
    expect(await traces()).toEqual([])
    expect(await test.rows('select count(*)::int as n from conversation_turns')).toEqual([{ n: 0 }])
    await test.pass('30d')
    expect(await test.followUps()).toEqual([])
  })

  it('is written down without content, as a hash and counts', async () => {
    await begin()
    await talk()
    await test.app.exportData('web:ada')
    await forget()
    const acts = await test.rows<{ actor: string; act: string; person_hash: string; detail: object }>(
      'select actor, act, person_hash, detail from bot_audit order by audit_id',
    )
    expect(acts.map(({ actor, act }) => `${actor} ${act}`)).toEqual(['self my_data', 'self forget_me'])
    expect(new Set(acts.map(each => each.person_hash)).size).toBe(1)
    expect(acts[1]?.detail).toMatchObject({ conversation: 9, jobs: 1, profile: 1 })
  })

  it('lets ten minutes pass at most', async () => {
    await begin()
    await talk()
    await test.say('Ada', '!forget_me')
    test.clock.advance('10m')
    expect((await test.say('Ada', '!forget_me confirm')).aside).toContain('nothing to confirm')
    expect(await traces()).not.toEqual([])
  })

  it('confirmed by somebody else, out of the blue, or with other words, erases nothing', async () => {
    await begin()
    await talk()
    const before = (await traces()).length
    expect((await test.say('Bo', '!forget_me confirm')).aside).toContain('nothing to confirm')
    expect((await test.say('Ada', '!forget_me confirm')).aside).toContain('nothing to confirm')
    expect((await test.say('Ada', '!forget_me bo')).text).toContain('Nothing was erased')
    await test.say('Ada', '!forget_me')
    await test.say('Bo', '!forget_me confirm')
    expect((await traces()).length).toBeGreaterThan(before)
  })

  it('confirmed again after a lost answer, says that it is done, and still leaves nothing', async () => {
    await begin()
    await talk()
    await test.say('Ada', '!forget_me')
    await test.say('Ada', '!forget_me confirm', { messageId: 'confirmation' })
    const again = await test.say('Ada', '!forget_me confirm', { messageId: 'confirmation' })
    expect(again.aside).toContain('If you have just confirmed, it is done')
    expect(await traces()).toEqual([])
  })

  it('keeps the no: not even an admin gets a follow-up to them', async () => {
    await begin({ FOLLOW_UP_QUIET_HOURS: 'off' })
    await talk()
    await forget()
    await test.app.scheduleFollowUpMessage({ userId: 'web:ada', delayHours: 1 })
    await test.pass('2h')
    await talk()
    const planned = await test.app.scheduleFollowUpMessage({ userId: 'web:ada', delayHours: 1 })
    expect(planned.advice.gates.find(gate => gate.rule === 3)).toMatchObject({ reason: 'suppressed' })
    await test.pass('30d')
    expect(await test.followUps()).toEqual([])
  })

  it('keeps the no when they write again, shows it, and gives no notice that silence means yes', async () => {
    await begin()
    await talk()
    await forget()
    expect((await talk()).planned).toBeUndefined()
    const replies = await test.rows<{ text: string }>("select text from conversation_turns where author = 'bot'")
    expect(replies.filter(({ text }) => text.includes('if you go quiet'))).toEqual([])
    expect((await test.say('Ada', '!followup_settings')).text).toContain('Follow-up Settings: off')
  })

  it('keeps the no even when a profile comes from elsewhere and says yes', async () => {
    await begin()
    await talk()
    await forget()
    await test.database.query("insert into user_profiles (user_id, follow_ups_enabled) values ('web:ada', true)")
    await talk()
    await test.pass('30d')
    expect(await test.followUps()).toEqual([])
  })

  it('ends with their own yes', async () => {
    await begin()
    await talk()
    await forget()
    await talk()
    await test.say('Ada', '!followup_settings on')
    expect(await test.rows('select person_hash from suppressed_people')).toEqual([])
    await talk()
    await test.pass('50h')
    expect(await test.followUps()).toHaveLength(1)
  })

  it('fails at any of its statements: all is as it was', async () => {
    await begin()
    await talk()
    await test.pass('50h')
    await talk()
    await test.say('Ada', '!forget_me')
    const before = await everyRow(test.database)
    let statements = 0
    let failing: ReturnType<typeof failingAt>
    let outcome: unknown
    do {
      expect(await everyRow(test.database)).toEqual(before)
      statements += 1
      failing = failingAt(test.database, statements)
      outcome = await erasePersonWhoAsked(partsOf(failing.database), 'web:ada').catch(() => 'failed')
    } while (failing.failed())
    expect(statements).toBeGreaterThan(15)
    expect(outcome).toMatchObject({ follow_ups: 1 })
    expect(await traces()).toEqual([])
  })

  it('twice at once erases once', async () => {
    await begin()
    await talk()
    await askForErasure(partsOf(test.database), 'web:ada')
    const both = await Promise.all([1, 2].map(() => erasePersonWhoAsked(partsOf(test.database), 'web:ada')))
    expect(both.filter(each => each === 'not_asked')).toHaveLength(1)
    expect(both.filter(each => each !== 'not_asked')).toEqual([expect.objectContaining({ profile: 1 })])
    expect(await test.rows("select count(*)::int as n from bot_audit where act = 'forget_me'")).toEqual([{ n: 1 }])
  })

  it('while a follow-up is being written: it does not go out, and its writer leaves nothing behind', async () => {
    const model = await startFakeLlm({ kind: 'answer', content: 'A recital! Which piece?' })
    try {
      await begin({ LLM_BASE_URL: model.baseUrl, LLM_MODEL: 'tiny' })
      await talk()
      model.play({ kind: 'hang' })
      test.clock.advance('49h')
      const running = test.app.scheduler?.runDueJobs()
      await model.arrived(4)
      await askForErasure(partsOf(test.database), 'web:ada')
      expect(await erasePersonWhoAsked(partsOf(test.database), 'web:ada')).toMatchObject({ jobs: 1 })
      model.play({ kind: 'answer', content: 'How did the recital go?' })
      await askedAgain(model)
      await running
      expect(await traces()).toEqual([])
      expect(await test.followUps()).toEqual([])
    } finally {
      await model.close()
    }
  })

  it('while a reply is being written: the reply is not kept', async () => {
    const model = await startFakeLlm({ kind: 'answer', content: 'A recital! Which piece?' })
    try {
      await begin({ LLM_BASE_URL: model.baseUrl, LLM_MODEL: 'tiny' })
      await talk()
      model.play({ kind: 'hang' })
      const talking = test.say('Ada', 'are you there?')
      await model.arrived(4)
      await askForErasure(partsOf(test.database), 'web:ada')
      await erasePersonWhoAsked(partsOf(test.database), 'web:ada')
      model.play({ kind: 'answer', content: 'I am.' })
      await askedAgain(model)
      expect(await talking).toMatchObject({ reply: undefined })
      expect(await traces()).toEqual([])
    } finally {
      await model.close()
    }
  })

  it('while a platform is being handed a follow-up: waits for the outcome, and says so', async () => {
    await begin()
    await talk()
    test.clock.advance('49h')
    // As a runner has it that has begun to send and not heard back.
    const now = test.clock.now().toISOString()
    await test.database.query(
      `update scheduled_jobs set status = 'running', lease_token = gen_random_uuid(), started_at = '${now}'`,
    )
    await test.database.query(
      `insert into follow_up_history (user_id, job_id, message_sent, state, attempted_at, sent_at)
       select 'web:ada', job_id, 'hello', 'sending', '${now}', '${now}' from scheduled_jobs`,
    )
    expect(await forget()).toContain('on its way')
    expect(await traces()).not.toEqual([])
    await test.database.query("update follow_up_history set state = 'sent'")
    expect((await test.say('Ada', '!forget_me confirm')).aside).toContain('Done.')
    expect(await traces()).toEqual([])
  })
})

/** A database whose nth statement inside a transaction fails. */
function failingAt(database: Database, statement: number): { database: Database; failed(): boolean } {
  let count = 0
  const failing = (transaction: Queryable): Queryable => ({
    query: (text, values) => {
      count += 1
      if (count === statement) return Promise.reject(new Error(`statement ${statement} fails`))
      return transaction.query(text, values)
    },
  })
  return {
    database: {
      kind: database.kind,
      maxConnections: database.maxConnections,
      query: (text, values) => database.query(text, values),
      listen: (channel, onHint, onReconnect) => database.listen(channel, onHint, onReconnect),
      transaction: work => database.transaction(transaction => work(failing(transaction))),
    },
    failed: () => count >= statement,
  }
}
