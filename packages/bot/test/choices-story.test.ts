import { afterEach, describe, expect, it } from 'vitest'
import { CONSENT_TEXT_VERSION } from '../src/followups/consent-text.ts'
import { readFacts } from '../src/followups/facts-store.ts'
import { addConsentEvent } from '../src/users/consent-store.ts'
import { findProfile, markBot } from '../src/users/profile-store.ts'
import { createTestApp, type TestApp } from './support/test-app.ts'
import { SuppressedPeople } from '../src/users/suppressed-people-store.ts'

describe.each(['PGlite', 'PostgreSQL'] as const)('what a person chooses, on %s', engine => {
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
  const ada = async () => findProfile(test.database, 'web:ada')
  const events = () =>
    test.rows<{ kind: string; source: string }>('select kind, source from consent_events order by event_id')
  const botTurns = async (who: string) =>
    (
      await test.rows<{ user_id: string; text: string }>(
        "select user_id, text from conversation_turns where author = 'bot' order by turn_id",
      )
    )
      .filter(turn => turn.user_id === `web:${who.toLowerCase()}`)
      .map(turn => turn.text)
  const asked = async (who = 'Ada') => (await botTurns(who)).filter(text => text.startsWith('May I write to you'))
  let presses = 0
  const press = async (who: string, action: 'stop' | 'later' | 'why', followUpId: number) => {
    const id = `web:${who.toLowerCase()}`
    presses += 1
    const messageId = `press-${presses}`
    return test.app.chat.press({ conversationId: id, userId: id, messageId, action, followUpId })
  }
  /** Ada has talked and been written to; the id of what she was sent. */
  const writtenTo = async () => {
    await talk()
    await test.pass('50h')
    const [turn] = await test.rows<{ id: number }>(
      "select follow_up_id::int as id from conversation_turns where kind = 'follow_up'",
    )
    return turn?.id ?? 0
  }

  it('where only a yes counts, one is asked once, after a good conversation, and a yes is kept with its wording', async () => {
    await begin({ FOLLOW_UP_CONSENT: 'opt_in' })
    await talk()
    await test.say('Ada', 'my teacher is nice')
    expect(await asked()).toEqual([])
    expect((await botTurns('Ada')).join('\n')).not.toContain('By the way')
    expect(await test.rows('select from scheduled_jobs')).toEqual([])
    await test.say('Ada', 'the hall is big')
    const [question] = await asked()
    expect((await botTurns('Ada')).at(-1)).toBe(question)
    // What, how often at most, based on what, how to stop.
    for (const part of [
      'one message after about 2 days',
      'at most 2 a week',
      'what we last talked about',
      'say "stop"',
    ])
      expect(question).toContain(part)
    const activeAt = (await ada())?.lastActiveAt
    expect((await test.say('Ada', 'Yes, please!', { messageId: 'the-yes' })).text).toContain('Thank you')
    expect(await test.rows('select kind, source, text_version, locale, reference from consent_events')).toEqual([
      { kind: 'granted', source: 'word', text_version: CONSENT_TEXT_VERSION, locale: 'en', reference: 'the-yes' },
    ])
    expect((await ada())?.lastActiveAt).toEqual(activeAt)
    await test.say('Ada', 'see you')
    expect(await asked()).toHaveLength(1)
    await test.pass('50h')
    expect(await test.followUps()).toHaveLength(1)
  })

  it('a no to the question is final until the command, and nobody is asked again', async () => {
    await begin({ FOLLOW_UP_CONSENT: 'opt_in' })
    for (const n of [1, 2, 3, 4, 5]) await test.say('Ada', `piece number ${n} is long`)
    expect((await test.say('Ada', 'no')).text).toContain('I will not ask again')
    expect(await events()).toEqual([{ kind: 'revoked', source: 'word' }])
    expect((await test.say('Ada', 'yes')).text).not.toContain('Thank you')
    for (const n of [6, 7, 8, 9, 10, 11]) await test.say('Ada', `piece number ${n} is long`)
    await test.pass('5d')
    expect([await asked(), await test.followUps()]).toEqual([[expect.any(String)], []])
    await test.say('Ada', '!followup_settings on')
    await talk()
    await test.pass('50h')
    expect(await test.followUps()).toHaveLength(1)
  })

  it('who does not answer the question is not asked again, and a yes to something else is none', async () => {
    await begin({ FOLLOW_UP_CONSENT: 'opt_in' })
    for (const n of [1, 2, 3, 4, 5, 6]) await test.say('Ada', `piece number ${n} is long`)
    await test.say('Ada', 'yes')
    expect(await asked()).toHaveLength(1)
    expect(await events()).toEqual([])
    expect((await test.say('Ada', '!followup_settings')).text).toContain('off (you have not said yes)')
  })

  it('the question comes in the language of the browser', async () => {
    await begin({ FOLLOW_UP_CONSENT: 'opt_in' })
    for (const n of [1, 2, 3, 4, 5])
      await test.app.chat.handle({
        messageId: `bo-${n}`,
        platform: 'web',
        conversationId: 'web:bo',
        userId: 'web:bo',
        displayName: 'Bo',
        text: `das Boot Nummer ${n} ist lang`,
        isAdmin: false,
        locale: 'de-AT',
      })
    expect((await botTurns('Bo')).at(-1)).toContain('Darf ich dir von mir aus schreiben')
    expect((await test.say('Bo', 'ja')).text).toContain('Danke')
    expect(await test.rows('select locale from consent_events')).toEqual([{ locale: 'de' }])
  })

  it('what cannot be read is no yes', async () => {
    await begin()
    await talk()
    await test.database.query('update user_profiles set follow_ups_enabled = null')
    await test.pass('5d')
    expect(await test.followUps()).toEqual([])
    expect(await test.rows('select reason from follow_up_decisions order by decision_id desc limit 1')).toEqual([
      { reason: 'opted_out' },
    ])
  })

  it('a list from elsewhere cannot agree for anybody', async () => {
    await begin()
    await talk()
    const event = { userId: 'web:ada', source: 'import', textVersion: 1, now: null } as const
    await expect(addConsentEvent(test.database, { ...event, kind: 'granted' })).rejects.toThrow(/cannot be imported/)
    await addConsentEvent(test.database, { ...event, kind: 'revoked' })
    await test.pass('5d')
    expect(await test.followUps()).toEqual([])
  })

  it('"later" after a follow-up is a pause of a week: neither activity, nor an answer, nor a no', async () => {
    await begin()
    await writtenTo()
    const before = await ada()
    expect((await test.say('Ada', 'Later.')).text).toBe(
      'All right, not now. I will not write by myself before 2027-03-10.',
    )
    expect((await test.say('Ada', 'not now')).text).toContain('before 2027-03-10')
    expect(await events()).toEqual([{ kind: 'snoozed', source: 'word' }])
    expect(await ada()).toMatchObject({ lastActiveAt: before?.lastActiveAt, unansweredFollowUps: 1 })
    expect(await test.rows('select response_received from follow_up_history')).toEqual([{ response_received: false }])
    await test.say('Olga', '!schedule_followup @Ada 96', { admin: true })
    await test.pass('6d')
    expect(await test.followUps()).toHaveLength(1)
    await test.pass('2d')
    expect(await test.followUps()).toHaveLength(2)
  })

  it('everyday words are talk when no follow-up came before', async () => {
    await begin()
    await talk()
    await test.say('Ada', 'later')
    await test.say('Ada', 'why?')
    expect(await events()).toEqual([])
    expect(await test.rows("select from conversation_turns where kind = 'command'")).toEqual([])
  })

  it('"why" tells the rule, the talk, the consent and what left the house', async () => {
    await begin()
    await talk()
    await test.say('Ada', '!followup_settings on')
    await test.pass('50h')
    const told = (await test.say('Ada', 'Why?')).text
    expect(told).toMatch(/Rule: I write once after 2 days of silence, if every gate agrees\./)
    expect(told).toMatch(/Last talk before it: .*\(2027-03-01 12:01 UTC\)/)
    expect(told).toMatch(new RegExp(`Consent: you said yes .*by command \\(wording ${CONSENT_TEXT_VERSION}, en\\)`))
    expect(told).toContain('Language model: none was asked')
    expect(told).toContain('To end it: say "stop"')
    expect((await test.say('Ada', '!followup_settings why')).text).toBe(
      told.replace(/\d+ (minutes|seconds) ago/g, '$&'),
    )
    expect((await test.say('Bo', '!followup_settings why')).text).toBe('I have not written to you by myself yet.')
  })

  it('a button works after months, twice no differently than once, and for nobody else', async () => {
    await begin()
    const id = await writtenTo()
    expect(id).toBeGreaterThan(0)
    await talk('Bo')
    for (const action of ['stop', 'later', 'why'] as const) {
      const refused = await press('Bo', action, id)
      expect(refused.reply?.text).toBe('That is no message I sent to you, so there is nothing to change.')
      expect((await press('Bo', action, 987_654_321)).reply?.text).toBe(refused.reply?.text)
    }
    expect(await events()).toEqual([])
    expect(await findProfile(test.database, 'web:bo')).toMatchObject({
      followUpsEnabled: true,
      snoozedUntil: undefined,
    })
    await test.pass('90d')
    await test.database.query("update conversation_turns set text = text where kind = 'follow_up'")
    expect((await press('Ada', 'why', id)).reply?.text).toContain('Rule: I write once')
    const pause = (await press('Ada', 'later', id)).reply?.text
    expect((await press('Ada', 'later', id)).reply?.text).toBe(pause)
    expect((await press('Ada', 'stop', id)).reply?.text).toContain('Follow-ups are off for you')
    expect((await press('Ada', 'stop', id)).reply?.text).toContain('Follow-ups are off for you')
    expect(await events()).toEqual([
      { kind: 'snoozed', source: 'button' },
      { kind: 'revoked', source: 'button' },
    ])
    expect(await ada()).toMatchObject({ followUpsEnabled: false })
  })

  it('a press that is handed in twice is done and answered once', async () => {
    await begin()
    const followUpId = await writtenTo()
    const same = { conversationId: 'web:ada', userId: 'web:ada', messageId: 'same', action: 'why', followUpId } as const
    expect((await test.app.chat.press(same)).reply).toBeDefined()
    expect((await test.app.chat.press(same)).reply).toBeUndefined()
  })

  it('a stop cancels all that is planned, says how many, and is understood in other languages', async () => {
    await begin()
    await talk()
    await test.say('Olga', '!schedule_followup @Ada 72', { admin: true })
    expect((await test.say('Ada', 'Hör auf!')).text).toContain('Abgesagt: 2.')
    expect(await events()).toEqual([{ kind: 'revoked', source: 'word' }])
    expect((await test.say('Ada', 'stop')).text).toContain('None was planned')
    expect(await events()).toHaveLength(1)
    expect(await test.rows("select from conversation_turns where kind = 'chat' and text ilike '%auf!'")).toEqual([])
  })

  it('a "no" that outlived its data holds, until the person themselves says yes', async () => {
    await begin()
    await talk()
    const suppressedPeople = new SuppressedPeople([])
    const now = test.clock.now().toISOString()
    await suppressedPeople.suppress(test.database, { userId: 'web:ada', reason: 'erased', now })
    const suppressed = async () => {
      const { person } = await readFacts(test.database, 'web:ada', { suppressedPeople, now })
      return person === 'unreadable' ? person : person.suppressed
    }
    expect(await suppressed()).toBe('erased')
    await test.say('Ada', 'hello again')
    expect(await suppressed()).toBe('erased')
    await test.say('Ada', '!followup_settings on')
    expect(await suppressed()).toBeUndefined()
  })

  it('somebody who may be in danger is told where help is, and nothing about follow-ups in the same breath', async () => {
    await begin()
    expect((await test.say('Ada', 'I want to kill myself')).text).not.toContain('follow up')
    expect((await test.say('Bo', 'hello there')).text).toContain('follow up')
  })

  it('what stood in the way until they wrote first ends when they do, distress does not', async () => {
    await begin()
    await talk()
    await test.database.query("update user_profiles set suppressed = 'dm_closed'")
    await test.say('Ada', 'hello again')
    expect((await ada())?.suppressed).toBeUndefined()
    await test.database.query("update user_profiles set suppressed = 'distress'")
    await test.say('Ada', 'hello again')
    expect((await ada())?.suppressed).toBe('distress')
  })

  it('a program is not written to, whoever asks', async () => {
    await begin()
    await markBot(test.database, { userId: 'web:robot', displayName: 'Robot' })
    expect((await test.say('Olga', '!schedule_followup @Robot 1', { admin: true })).text).toContain('bot_or_self')
    await test.pass('3h')
    expect(await test.followUps()).toEqual([])
  })

  it('three months of silence bring two follow-ups; a word wakes the bot again', async () => {
    await begin({ FOLLOW_UP_MAX_AGE_DAYS: '365' })
    await talk()
    await test.pass('50h')
    for (const hours of [200, 600, 900])
      await test.say('Olga', `!schedule_followup @Ada ${Math.min(hours, 720)}`, { admin: true })
    await test.pass('90d')
    expect(await test.followUps()).toHaveLength(2)
    expect((await test.say('Ada', '!followup_settings')).text).toContain(
      'Unanswered: 2 of 2; I keep silent until you write',
    )
    await talk()
    await test.pass('50h')
    expect(await test.followUps()).toHaveLength(3)
  })
})
