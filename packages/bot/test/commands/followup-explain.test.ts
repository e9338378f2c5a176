import { afterEach, describe, expect, it } from 'vitest'
import { startFakeLlm, type FakeLlm } from '../support/fake-llm.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

let test: TestApp
let llm: FakeLlm | undefined
afterEach(async () => {
  await test.close()
  await llm?.close()
  llm = undefined
})

const talk = async (who = 'Ada') => {
  for (const text of [`hi, I am ${who}`, 'I play the cello', 'my recital is on Friday']) await test.say(who, text)
}
const admin = async (text: string) => (await test.say('Olga', text, { admin: true })).text

describe('!followup_explain', () => {
  it('tells every gate, what is planned, and what was decided before, from the same gates', async () => {
    test = await createTestApp('PostgreSQL')
    await talk()
    const told = await admin('!followup_explain @Ada')
    const [job] = await test.rows<{ job_id: string }>('select job_id from scheduled_jobs')
    expect(told).toContain('A follow-up to Ada\nNext: in 2 days (2027-03-03 12:01 UTC), planned by silence.')
    expect(told).toContain(job?.job_id)
    expect(told).toContain('If it were due now, it would wait: recently_active, until in 2 days')
    expect(told).toContain('…  6 silent long enough (recently_active, until in 2 days')
    const gates = await test.rows<{ gate: string }>(
      "select gate->>'gate' as gate from follow_up_decisions, jsonb_array_elements(gates) as gate",
    )
    expect(gates.length).toBeGreaterThan(10)
    for (const { gate } of gates) expect(told).toMatch(new RegExp(`^[✓…✗] +\\d+ ${gate}`, 'm'))
    expect(told).toContain('Last decisions:\n- plan: allow,')
  })

  it('tells why nobody was written to', async () => {
    test = await createTestApp('PostgreSQL')
    await talk()
    await test.pass('3d')
    const told = await admin('!followup explain Ada')
    expect(told).toContain('Next: none planned')
    expect(told).toContain('…  9 cooldown over (cooldown, until')
    expect(told).toMatch(/- send: allow, .*ago/)
    await test.say('Bo', 'hello')
    await test.say('Bo', '!followup_settings off')
    expect(await admin('!followup_explain Bo')).toMatch(/would not be sent: opted_out[\s\S]*✗  2 consent \(opted_out\)/)
  })

  it('is for admins, and says whom it does not know', async () => {
    test = await createTestApp('PostgreSQL')
    await talk()
    expect((await test.say('Bo', '!followup_explain Ada')).text).toContain('requires administrator permissions')
    expect(await admin('!followup_explain Nobody')).toContain('not talked with anybody called `Nobody`')
    expect(await admin('!followup_explain')).toMatch(/mention a valid user[\s\S]*Usage: `!followup_explain @user`/)
  })
})

/** Rows of every table there is, but for those the command itself is a turn of. */
async function rowCounts(): Promise<Record<string, number>> {
  const tables = await test.rows<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
  )
  const counts: Record<string, number> = {}
  for (const { name } of tables) {
    // What was asked of a model is counted, whoever asked.
    if (name === 'public.conversation_turns' || name === 'public.llm_usage') continue
    const [row] = await test.rows<{ n: number; sum: string }>(
      `select count(*)::int as n, md5(coalesce(string_agg(row::text, '' order by row::text), '')) as sum from ${name} row`,
    )
    counts[`${name} ${row?.sum}`] = row?.n ?? -1
  }
  return counts
}

describe('!followup_preview', () => {
  it('shows owners the text and stores nothing, whatever the gates say', async () => {
    llm = await startFakeLlm({ kind: 'answer', content: 'How did the recital on Friday go?' })
    test = await createTestApp('PostgreSQL', {
      ADMIN_USER_IDS: 'web:olga',
      LLM_BASE_URL: llm.baseUrl,
      LLM_MODEL: 'fake',
    })
    await talk()
    llm.play({ kind: 'answer', content: 'Was it a good evening, the recital?' })
    const asked = llm.seen.length
    const before = await rowCounts()
    const told = await admin('!followup_preview @Ada')
    expect(told).toContain('Preview of a follow-up to Ada; nothing is stored or sent.')
    expect(told).toContain('it would wait: recently_active')
    expect(told).toContain(
      'Text (the language model; another try may read differently):\nWas it a good evening, the recital?',
    )
    expect(await rowCounts()).toEqual(before)
    expect(llm.seen.length - asked).toBe(1)
    expect(await test.followUps()).toEqual([])
  })

  it('asks a model once, and shows the template when its draft is refused', async () => {
    llm = await startFakeLlm({ kind: 'answer', content: 'I miss you. Click http://example.test @everyone' })
    test = await createTestApp('PostgreSQL', {
      ADMIN_USER_IDS: 'web:olga',
      LLM_BASE_URL: llm.baseUrl,
      LLM_MODEL: 'fake',
    })
    await talk()
    const asked = llm.seen.length
    const told = await admin('!followup preview Ada')
    expect(told).toMatch(/Text \(template .*\):\n.*recital/)
    expect(llm.seen.length - asked).toBe(1)
  })

  it('shows other admins the gates only, and asks no model', async () => {
    llm = await startFakeLlm({ kind: 'answer', content: 'How did the recital on Friday go?' })
    test = await createTestApp('PostgreSQL', {
      ADMIN_USER_IDS: 'web:olga',
      LLM_BASE_URL: llm.baseUrl,
      LLM_MODEL: 'fake',
    })
    await talk()
    const asked = llm.seen.length
    const handled = await test.app.chat.handle({
      platform: 'discord',
      conversationId: 'discord:1',
      userId: 'discord:adam',
      displayName: 'Adam',
      isAdmin: true,
      messageId: '1',
      text: '!followup_preview Ada',
    })
    expect(handled.reply?.text).toContain('✓  2 consent')
    expect(handled.reply?.text).toContain('shown to owners only')
    expect(handled.reply?.text).not.toContain('recital')
    expect(llm.seen.length).toBe(asked)
  })

  it('stores nothing, whatever it finds', async () => {
    test = await createTestApp('PostgreSQL')
    await talk()
    await test.database.query("update conversation_turns set text = 'I want to kill myself' where author = 'user'")
    expect(await admin('!followup_preview Ada')).toContain('Text: none that may be sent')
    expect(await test.rows("select suppressed from user_profiles where user_id = 'web:ada'")).toEqual([
      { suppressed: null },
    ])
  })

  it('works without background jobs, and for somebody who needs people', async () => {
    test = await createTestApp('PostgreSQL', { JOB_SCHEDULER_ENABLED: 'false' })
    await talk()
    expect(await admin('!followup_preview Ada')).toContain('Next: none planned')
    await test.say('Ada', 'I do not want to live any more')
    expect(await admin('!followup_preview Ada')).toContain('Text: none that may be sent')
  })
})
