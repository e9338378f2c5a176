import type { Browser, Page } from 'playwright-core'
import { silentLogger, systemClock } from 'belfry'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'
import { hasChromium, launchChromium } from '../../../../test-support/chromium.ts'
import { MemoryWebChat } from '../support/memory-web-chat.ts'

const PHONE = { width: 390, height: 844 }
const HOSTILE = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script> `<b>` & "quotes"'

let browser: Browser
let page: Page
let webChat: MemoryWebChat
let server: HttpServer
let url: string
/** What the page complained about: a page that works says nothing. */
let complaints: string[]

async function serve(port: number): Promise<void> {
  const health = { ready: () => Promise.resolve({ ok: true, checks: {} }) }
  server = createHttpServer({ host: '127.0.0.1', port, webChat, health, clock: systemClock, logger: silentLogger })
  url = (await server.listen()).url
}

const turns = () => page.locator('#turns .bubble')
const lastBubble = () => turns().last()
const state = (text: string) => page.locator('#state', { hasText: text }).waitFor()
const bubble = (text: string) => page.locator('#turns .bubble', { hasText: text })

async function say(text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text)
  await page.getByLabel('Send').click()
}

const ada = () => webChat.said.at(-1)?.userId ?? ''

describe.skipIf(!hasChromium)('the chat page on a phone', () => {
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    webChat = new MemoryWebChat()
    await serve(0)
    const context = await browser.newContext({ viewport: PHONE, hasTouch: true, isMobile: true })
    page = await context.newPage()
    complaints = []
    page.on('pageerror', error => complaints.push(error.message))
    page.on('console', message => message.type() === 'error' && complaints.push(message.text()))
    await page.goto(url)
    await state('here, and listening')
  })
  afterEach(async () => {
    await page.context().close()
    await server.close()
  })

  it('takes a message, shows the reply, and a follow-up without being loaded again', async () => {
    await page.getByRole('heading', { name: 'Say something.' }).waitFor()
    await page.getByLabel('Your name').fill('Ada')
    await say('my recital is on Friday')
    await bubble('You said: my recital is on Friday').waitFor()
    expect(await turns().allTextContents()).toEqual(['my recital is on Friday', 'You said: my recital is on Friday'])
    expect(webChat.said).toMatchObject([{ text: 'my recital is on Friday', displayName: 'Ada' }])
    expect(await page.getByRole('heading', { name: 'Say something.' }).isVisible()).toBe(false)

    await page.evaluate(() => Object.assign(globalThis, { notLoadedAgain: true }))
    webChat.add(ada(), { author: 'bot', kind: 'follow_up', text: 'How did the recital go?' })
    await bubble('How did the recital go?').waitFor()
    expect(await page.locator('#turns .follow_up .label').textContent()).toBe('a follow-up from Belfry')
    expect(await page.evaluate(() => 'notLoadedAgain' in globalThis)).toBe(true)
    expect(complaints).toEqual([])
  })

  it('has three buttons under a follow-up, small but large enough for a thumb, and the answer comes as a turn', async () => {
    await say('my recital is on Friday')
    await bubble('You said: my recital is on Friday').waitFor()
    webChat.add(ada(), { author: 'bot', kind: 'follow_up', text: 'How did the recital go?', followUpId: 7 })
    const group = page.getByRole('group', { name: 'About this follow-up' })
    expect(await group.getByRole('button').allTextContents()).toEqual(['Stop these', 'Not now', 'Why this?'])
    for (const button of await group.getByRole('button').all())
      expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(32)
    await group.getByRole('button', { name: 'Why this?' }).click()
    await bubble('You pressed: why').waitFor()
    expect(webChat.pressed).toEqual([
      { userId: ada(), followUpId: 7, action: 'why', messageId: expect.stringMatching(/^[0-9a-f]{24}$/) },
    ])
    webChat.broken = new Error('the database is away')
    await group.getByRole('button', { name: 'Stop these' }).click()
    await group.getByText('Something went wrong on my side').waitFor()
    webChat.broken = undefined
    await group.getByRole('button', { name: 'Stop these' }).click()
    await bubble('You pressed: stop').waitFor()
    expect(await group.getByText('Something went wrong on my side').count()).toBe(0)
    expect(await page.locator('#turns .actions').count()).toBe(1)
  })

  it('shows an answer while it is being written, and puts what is stored in its place', async () => {
    await say('hello')
    await bubble('You said: hello').waitFor()
    webChat.draft(ada(), 'A recital')
    await page.locator('#turns .draft .bubble', { hasText: 'A recital' }).waitFor()
    webChat.draft(ada(), `A recital! Which ${HOSTILE}`)
    await page.locator('#turns .draft .bubble', { hasText: 'Which <img' }).waitFor()
    expect(await page.locator('#turns .draft').getAttribute('aria-hidden')).toBe('true')
    webChat.add(ada(), { author: 'bot', kind: 'follow_up', text: 'Something else came first.' })
    await bubble('Something else came first.').waitFor()
    expect(await page.locator('#turns > li').last().getAttribute('class')).toContain('draft')
    webChat.add(ada(), { author: 'bot', text: 'A recital! Which piece?' })
    webChat.draft(ada(), undefined)
    await bubble('A recital! Which piece?').waitFor()
    expect(await page.locator('#turns .draft').count()).toBe(0)
    expect(await turns().allTextContents()).toEqual([
      'hello',
      'You said: hello',
      'Something else came first.',
      'A recital! Which piece?',
    ])
    expect(complaints).toEqual([])
  })

  it('takes a draft back that came to nothing', async () => {
    await say('hello')
    await bubble('You said: hello').waitFor()
    webChat.draft(ada(), 'A reci')
    await page.locator('#turns .draft').waitFor()
    webChat.draft(ada(), undefined)
    await expect.poll(() => page.locator('#turns .draft').count()).toBe(0)
    expect(await turns().count()).toBe(2)
  })

  it('shows markup as what it is: text', async () => {
    await say(HOSTILE)
    await bubble('You said: <img').waitFor()
    webChat.add(ada(), { author: 'bot', kind: 'follow_up', text: HOSTILE })
    await page.locator('#turns .follow_up .bubble').waitFor()
    // What stands between backticks is shown as code, without them.
    const shown = HOSTILE.replaceAll('`', '')
    expect(await turns().allTextContents()).toEqual([shown, `You said: ${shown}`, shown])
    expect(await page.locator('#turns .bubble :not(code)').count()).toBe(0)
    expect(await page.title()).toBe('Belfry')
    expect(complaints).toEqual([])
  })

  it('fits the screen, whatever is said', async () => {
    await say(`${'a'.repeat(900)} ${'word '.repeat(200)}`)
    await bubble('You said: aaa').waitFor()
    const widths = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ])
    expect(widths[0]).toBe(widths[1])
    const { y = 0, height = 0 } = (await page.getByLabel('Message', { exact: true }).boundingBox()) ?? {}
    expect(y + height).toBeLessThanOrEqual(PHONE.height)
    await expect.poll(() => lastBubble().isVisible()).toBe(true)
  })

  it('finds what came while the server was away, once', async () => {
    await say('my recital is on Friday')
    await bubble('You said: my recital is on Friday').waitFor()
    await server.close()
    await state('connection lost')
    webChat.add(ada(), { author: 'bot', kind: 'follow_up', text: 'How did the recital go?' })
    await serve(Number(new URL(url).port))
    await bubble('How did the recital go?').waitFor()
    await state('here, and listening')
    expect(await turns().count()).toBe(3)
  })

  it('offers to send again what did not arrive, and it is said once', async () => {
    await say('hello')
    await bubble('You said: hello').waitFor()
    webChat.broken = new Error('the database is away')
    await say('are you there')
    await page.getByText('Something went wrong on my side').waitFor()
    webChat.broken = undefined
    await page.getByRole('button', { name: 'Try again' }).click()
    await bubble('You said: are you there').waitFor()
    expect(await turns().allTextContents()).toEqual([
      'hello',
      'You said: hello',
      'are you there',
      'You said: are you there',
    ])
  })

  it('shows the whole conversation to whoever comes back, and nothing of it to somebody else', async () => {
    await say('my recital is on Friday')
    await bubble('You said: my recital is on Friday').waitFor()
    await page.reload()
    await bubble('You said: my recital is on Friday').waitFor()
    expect(await turns().count()).toBe(2)
    const stranger = await browser.newContext({ viewport: PHONE })
    const theirs = await stranger.newPage()
    await theirs.goto(url)
    await theirs.locator('#state', { hasText: 'here, and listening' }).waitFor()
    expect(await theirs.locator('#turns .bubble').count()).toBe(0)
    await stranger.close()
  })
})
