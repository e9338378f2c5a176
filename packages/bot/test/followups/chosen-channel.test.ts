import { silentLogger } from 'belfry'
import { afterEach, describe, expect, it } from 'vitest'
import { FollowUpComposer } from '../../src/followups/compose-follow-up.ts'
import { DistressGuard } from '../../src/llm/distress.ts'
import type { LlmClient } from '../../src/llm/llm-client.ts'
import { findProfile } from '../../src/users/profile-store.ts'
import { everyRow } from '../support/every-row.ts'
import { ScriptedPlatform } from '../support/scripted-platform.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

const SETTINGS = {
  FOLLOW_UP_CONSENT: 'opt_out',
  FOLLOW_UP_QUIET_HOURS: 'off',
  FOLLOW_UP_PER_MINUTE: '1000',
  FOLLOW_UP_MAX_LATE_HOURS: '720',
}
const CHANNEL = 'discord:of-the-club'
const OTHER = 'discord:of-others'
const DIRECT = 'discord:of-ada-alone'
const ADA = 'discord:ada'

describe.each(['PGlite', 'PostgreSQL'] as const)(
  'a channel that somebody chose for their follow-ups, on %s',
  engine => {
    let test: TestApp
    let platform: ScriptedPlatform
    afterEach(() => test.close())

    async function begin(): Promise<void> {
      platform = new ScriptedPlatform()
      test = await createTestApp(engine, SETTINGS, { platforms: [platform] })
    }
    /** Ada has talked in the channel, and has chosen it. */
    async function beginChosen(): Promise<void> {
      await begin()
      await talkThere()
      await place('here')
    }
    let said = 0
    async function say(conversationId: string, ...texts: string[]) {
      const person = { platform: 'discord', userId: ADA, displayName: 'Countess Lovelace', isAdmin: false } as const
      const where = { conversationId, isPrivate: conversationId === DIRECT }
      const answers: string[] = []
      for (const text of texts) {
        said += 1
        const { reply, aside } = await test.app.chat.handle({ ...person, ...where, messageId: `said-${said}`, text })
        answers.push(aside ?? reply?.text ?? '')
      }
      return answers.join('\n')
    }
    const place = (where: string, conversationId = CHANNEL) => say(conversationId, `!followup_settings place ${where}`)
    const talkThere = () => say(CHANNEL, 'I play chess', 'my tournament is on Friday', 'I will open with the queen')
    const talkAlone = () => say(DIRECT, 'hi, I am Ada', 'I have debts', 'my divorce is on Monday')
    const talkElsewhere = () => say(OTHER, 'I breed rabbits', 'my rabbit show is on Sunday', 'they are white')
    const outbox = () =>
      test.rows<Record<string, unknown>>(
        'select state, reason, failure_code, conversation_id, in_channel from follow_up_history order by id',
      )
    const told = () => platform.journal.map(each => each.text).join('\n')
    const askFor = (messageContext?: Record<string, unknown>) =>
      test.app.scheduleFollowUpMessage({ userId: ADA, delayHours: 1, ...(messageContext && { messageContext }) })

    it('gets them, written from the talk in that very channel and nothing else, and nothing goes anywhere else', async () => {
      await begin()
      await talkThere()
      await talkElsewhere()
      expect(await place('here')).toContain('nowhere else')
      await talkAlone()
      await test.pass('49h')
      expect(platform.asked).toMatchObject([{ conversationId: CHANNEL, inChannel: true, userId: ADA }])
      expect(told()).toMatch(/tournament|chess|queen/)
      expect(told()).not.toMatch(/debt|divorce|rabbit|Ada|Countess/)
      expect(await outbox()).toMatchObject([{ state: 'sent', conversation_id: CHANNEL, in_channel: true }])
      expect(
        await test.rows(
          `select conversation_id, private_conversation_id as own, channel_opened_at from follow_up_history
         join user_profiles using (user_id)`,
        ),
      ).toEqual([{ conversation_id: CHANNEL, own: DIRECT, channel_opened_at: null }])
      expect(await test.rows("select conversation_id from conversation_turns where kind = 'follow_up'")).toEqual([
        { conversation_id: CHANNEL },
      ])
    })

    it('takes as its answer what they say first in that channel, and not what they say elsewhere', async () => {
      await beginChosen()
      await test.pass('49h')
      const answered = async () =>
        (await test.rows<{ answered: boolean }>('select response_received as answered from follow_up_history'))[0]
          ?.answered
      await say(DIRECT, 'good morning')
      expect(await answered()).not.toBe(true)
      await say(CHANNEL, 'I won')
      expect(await answered()).toBe(true)
    })

    it('in which they never talked gets words about nothing, and without the name they have elsewhere', async () => {
      await begin()
      await talkElsewhere()
      await place('here')
      await talkAlone()
      await askFor({ last_topic: 'your divorce' })
      await test.pass('49h')
      expect(platform.journal).toHaveLength(1)
      expect(told()).toMatch(/^Hello/)
      expect(told()).not.toMatch(/debt|divorce|rabbit|Ada|Countess/)
      expect(await test.rows('select source, template from follow_up_history')).toMatchObject([
        { source: 'template', template: expect.stringMatching(/^general/) },
      ])
    })

    it('spends nothing of the budget for new direct messages, which may rest', async () => {
      await beginChosen()
      await test.rows(`insert into follow_up_controls (name, reason, set_by, until)
      values ('new_channels', 'opening_dms_too_fast', 'discord', '2028-01-01T00:00:00Z')`)
      await test.pass('49h')
      expect(platform.journal).toMatchObject([{ conversationId: CHANNEL }])
    })

    it('never hears of somebody’s distress: not of the last talk there, nor of what was said around it', async () => {
      await begin()
      await talkThere()
      await say(CHANNEL, 'I want to kill myself', 'the pills are in the kitchen')
      await place('here')
      await test.database.query('update user_profiles set suppressed = null, suppressed_until = null')
      await askFor()
      await test.pass('2h')
      expect(platform.asked).toEqual([])
      expect(await outbox()).toMatchObject([{ state: 'withheld', reason: 'unsafe' }])
      test.clock.advance('40d')
      await say(CHANNEL, 'I am back', 'I feel fine')
      await askFor()
      await test.pass('2h')
      expect(platform.journal).toHaveLength(1)
      expect(told()).not.toMatch(/kill|pill|kitchen|fine|back|tournament/)
    })

    it('keeps what was frozen for it from going elsewhere, and what was frozen for them alone from coming there', async () => {
      await beginChosen()
      platform.faults.push({ do: 'refuse', failure: 'retry', code: 'not_connected', retryAfterMs: 3_600_000 })
      await askFor()
      await test.pass('61m')
      expect(await outbox()).toMatchObject([{ state: 'prepared', in_channel: true }])
      await place('dm', DIRECT)
      await test.pass('2h')
      expect(await outbox()).toMatchObject([{ state: 'withheld', reason: 'place_changed', conversation_id: CHANNEL }])

      await talkAlone()
      platform.faults.push({ do: 'refuse', failure: 'retry', code: 'not_connected', retryAfterMs: 3_600_000 })
      await askFor()
      await test.pass('61m')
      expect((await outbox())[1]).toMatchObject({ state: 'prepared', in_channel: false, conversation_id: DIRECT })
      await place('here')
      await test.pass('2h')
      expect((await outbox())[1]).toMatchObject({ state: 'withheld', reason: 'place_changed' })
      expect(platform.journal).toEqual([])
      expect(
        await test.rows("select rule, reason from follow_up_decisions where reason = 'place_changed' group by 1, 2"),
      ).toEqual([{ rule: 2, reason: 'place_changed' }])
    })

    it.each(['missing_access', 'missing_permissions', 'unknown_channel', 'unknown_member'])(
      'that is lost (%s) ends that one and all others, until they choose anew',
      async code => {
        await begin()
        await talkThere()
        await talkAlone()
        await place('here')
        platform.faults.push({ do: 'refuse', failure: 'refused', code })
        await askFor()
        await test.pass('2h')
        expect(await outbox()).toMatchObject([{ state: 'failed', failure_code: code, in_channel: true }])
        await askFor()
        await test.pass('49h')
        expect(platform.asked).toHaveLength(1)
        expect((await outbox())[1]).toMatchObject({ state: 'withheld', reason: 'suppressed' })
        expect(await say(DIRECT, '!followup_settings')).toMatch(
          /Place: none: I cannot write to you any more in the channel/,
        )
        await say(DIRECT, 'how are you?', '!followup_settings on')
        expect((await findProfile(test.database, ADA))?.followUpPlace).toBe('none')
        expect(
          await test.rows("select actor, detail from bot_audit where act = 'followup_place' order by audit_id"),
        ).toEqual([
          { actor: 'self', detail: { place: 'channel' } },
          { actor: 'bot', detail: { place: 'nowhere', code } },
        ])
        await place('dm', DIRECT)
        await askFor()
        await test.pass('48h')
        expect(platform.journal).toMatchObject([{ conversationId: DIRECT }])
        expect(platform.asked.at(-1)).toMatchObject({ inChannel: false })
      },
    )

    it('stays chosen when only the words were refused', async () => {
      await beginChosen()
      platform.faults.push({ do: 'refuse', failure: 'refused', code: 'content_refused' })
      await askFor()
      await test.pass('2h')
      expect((await findProfile(test.database, ADA))?.followUpPlace).toBe(CHANNEL)
    })

    it('outranks what ends by itself: a lost one is still lost when a suppression has ended', async () => {
      await begin()
      await talkThere()
      await test.database.query(
        "update user_profiles set follow_up_place = 'none', suppressed = 'distress', suppressed_until = '2027-02-01T00:00:00Z'",
      )
      await askFor()
      await test.pass('2h')
      expect(platform.asked).toEqual([])
      expect(await outbox()).toMatchObject([{ state: 'withheld', reason: 'suppressed' }])
    })

    it('is chosen by oneself, there, and nowhere that makes no sense; what is refused changes nothing', async () => {
      await begin()
      await talkAlone()
      expect(await place('here', DIRECT)).toMatch(/These are direct messages.*Nothing was changed/)
      expect(await place('elsewhere')).toMatch(/Expected `place here` or `place dm`; got `elsewhere`/)
      expect(await place('')).toMatch(/got nothing/)
      expect(await place(`here ${ADA}`)).toMatch(/Expected/)
      const bo = { platform: 'web', conversationId: 'web:bo', userId: 'web:bo', displayName: 'Bo' } as const
      const text = '!followup_settings place here'
      const answer = await test.app.chat.handle({ ...bo, isAdmin: true, messageId: 'w', text })
      expect(answer.reply?.text).toMatch(/There is one place here/)
      expect((await findProfile(test.database, ADA))?.followUpPlace).toBeUndefined()
      expect(await test.rows('select from bot_audit')).toEqual([])
      expect(await say(DIRECT, '!followup_settings')).toMatch(/Place: direct messages\./)
    })

    it('is shown to its person, in kind to administrators, in the export, and forgotten', async () => {
      await beginChosen()
      expect(await say(CHANNEL, '!followup_settings')).toMatch(/Place: <#of-the-club>, for all there to read\./)
      const explained = await test.app.chat.handle({
        platform: 'discord',
        conversationId: OTHER,
        userId: 'discord:admin',
        displayName: 'Cy',
        isAdmin: true,
        messageId: 'explain',
        text: `!followup_explain ${ADA}`,
      })
      expect(explained.reply?.text).toMatch(/Place: a channel, by their own choice/)
      expect(explained.reply?.text).not.toContain('of-the-club')
      const { content } = await test.app.exportData(ADA)
      expect(JSON.parse(content)).toMatchObject({
        sections: {
          profile: [{ follow_up_place: CHANNEL }],
          acts: expect.arrayContaining([
            expect.objectContaining({ act: 'followup_place', detail: { place: 'channel' } }),
          ]),
        },
      })
      await say(DIRECT, '!forget_me', '!forget_me confirm')
      expect((await everyRow(test.database)).filter(line => line.includes('of-the-club'))).toEqual([])
    })

    it('lets the language model read nothing from elsewhere', async () => {
      await begin()
      const asked: string[] = []
      const llm: LlmClient = {
        label: 'a model',
        complete: ({ messages }) => {
          asked.push(messages.map(each => each.content).join('\n'))
          return Promise.resolve({ text: 'How did it go?', finishReason: 'stop', promptTokens: 1, completionTokens: 1 })
        },
      }
      const { database, clock } = test
      const parts = { database, clock, llm, botName: 'Belfry', distress: new DistressGuard(), logger: silentLogger }
      const compose = () =>
        new FollowUpComposer(parts).compose({
          payload: {
            userId: ADA,
            automatic: false,
            plannedAt: clock.now().toISOString(),
            messageContext: { last_topic: 'your divorce' },
          },
          signal: new AbortController().signal,
        })
      await place('here')
      await talkElsewhere()
      await talkAlone()
      expect(await compose()).toMatchObject({ source: 'template', inChannel: true, conversationId: CHANNEL })
      expect(asked).toEqual([])
      await talkThere()
      await talkAlone()
      // The same words, in private: what was said there is not even compared with.
      await test.rows(`insert into follow_up_history (user_id, message_sent, state, sent_at, conversation_id)
        values ('${ADA}', 'How did it go?', 'sent', '2027-02-01T00:00:00Z', '${DIRECT}')`)
      expect(await compose()).toMatchObject({ source: 'model', text: 'How did it go?' })
      expect(asked).toHaveLength(1)
      expect(asked[0]).toContain('tournament')
      expect(asked[0]).not.toMatch(/debt|divorce|rabbit|Countess|"Ada"/)
    })
  },
)
