import { afterEach, describe, expect, it } from 'vitest'
import { createTestApp, type TestApp } from '../support/test-app.ts'

describe('a planned follow-up that is not sent', () => {
  let test: TestApp
  afterEach(() => test.close())

  const begin = async (settings: Record<string, string> = {}) => {
    test = await createTestApp('PostgreSQL', { FOLLOW_UP_QUIET_HOURS: 'off', ...settings })
  }
  const talk = async (who: string, last = 'my recital is on Friday') => {
    for (const text of [`hi, I am ${who}`, 'I play the cello', last]) await test.say(who, text)
  }
  const ends = () =>
    test.rows<{ user_id: string; state: string }>(
      'select user_id, state, reason, message_sent as text from follow_up_history order by user_id',
    )

  it('to the comparison group is kept as what they would have been sent, without a text', async () => {
    await begin({ FOLLOW_UP_HOLDOUT_PERCENT: '50' })
    const people = ['Ada', 'Bo', 'Cy', 'Di', 'Ed', 'Flo', 'Gus', 'Hal', 'Ida', 'Jo']
    for (const who of people) await talk(who)
    expect(await test.rows('select from scheduled_jobs')).toHaveLength(people.length)
    await test.pass('50h')
    const written = (await test.followUps()).map(each => each.user_id)
    const heldOut = (await ends()).filter(each => each.state === 'held_out')
    expect(written.length).toBeGreaterThan(0)
    expect(heldOut).toHaveLength(people.length - written.length)
    expect(heldOut.length).toBeGreaterThan(0)
    expect(heldOut).toEqual(heldOut.map(each => ({ ...each, reason: 'holdout', text: '' })))
    expect(written).not.toEqual(expect.arrayContaining([heldOut[0]?.user_id]))
  })

  it('to somebody of the comparison group waits until they are silent, as it would for others', async () => {
    await begin({ FOLLOW_UP_HOLDOUT_PERCENT: '50' })
    const people = ['Ada', 'Bo', 'Cy', 'Di', 'Ed', 'Flo']
    for (const who of people) await talk(who)
    await test.pass('47h')
    for (const who of people) await talk(who, 'I am still practising')
    await test.pass('3h')
    expect(await ends()).toEqual([])
    await test.pass('50h')
    expect(await ends()).toHaveLength(people.length)
  })

  it('has its reason beside it', async () => {
    await begin()
    await talk('Ada')
    await talk('Bo')
    await test.app.scheduleFollowUpMessage({ userId: 'web:ada', delayHours: 1 })
    await test.database.query("update user_profiles set suppressed = 'operator' where user_id = 'web:bo'")
    // Nobody knows where to write to her.
    await test.database.query("update user_profiles set last_conversation_id = null where user_id = 'web:ada'")
    await test.pass('2h')
    expect(await ends()).toEqual([{ user_id: 'web:ada', state: 'withheld', reason: 'unsafe', text: '' }])
    await test.database.query("delete from follow_up_history where user_id = 'web:ada'")
    await test.pass('50h')
    expect(await ends()).toEqual([
      { user_id: 'web:ada', state: 'withheld', reason: 'too_shallow', text: '' },
      { user_id: 'web:bo', state: 'withheld', reason: 'suppressed', text: '' },
    ])
  })
})
