import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startProgram, type Program } from '../../../../test-support/child-process.ts'
import { hasChromium, launchChromium } from '../../../../test-support/chromium.ts'
import { startFakeLlm, type FakeLlm } from '../support/fake-llm.ts'

let browser: Browser
let model: FakeLlm
let folder: string
let program: Program

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-streamed-'))
  model = await startFakeLlm()
  const env = { PORT: '0', LLM_BASE_URL: model.baseUrl, LLM_MODEL: 'tiny', LLM_API_KEY: 'sk-very-secret-key' }
  program = startProgram('packages/bot/dist/main.js', { cwd: folder, env })
  browser = await launchChromium()
})
afterAll(async () => {
  program.kill('SIGKILL')
  await program.exited
  await browser.close()
  await model.close()
  await rm(folder, { recursive: true, force: true })
})

it.skipIf(!hasChromium)('a person sees the answer grow; another window of theirs gets it whole', async () => {
  const [, url = ''] = await program.shows(/open +(http:\S+)/)
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } })
  const page = await context.newPage()
  await page.goto(url)
  await page.locator('#state', { hasText: 'here, and listening' }).waitFor()
  const gates: (() => void)[] = []
  const next = () => new Promise<void>(resolve => gates.push(resolve))
  const pieces = ['<think>A cello.</think>A recital on Friday, ', 'how lovely. ', 'Which piece do you play?']
  model.play({ kind: 'stream', pieces, next })
  await page.getByLabel('Message', { exact: true }).fill('my recital is on Friday')
  await page.getByLabel('Send').click()
  const draft = page.locator('#turns .draft .bubble')
  await draft.filter({ hasText: /^A recital on Friday,$/ }).waitFor()
  gates.shift()?.()
  await draft.filter({ hasText: /^A recital on Friday, how lovely\.$/ }).waitFor()
  while (gates.length === 0) await new Promise(resolve => setImmediate(resolve))
  gates.shift()?.()
  const whole = page.locator('#turns .turn.bot:not(.draft) .bubble', { hasText: 'Which piece do you play?' })
  await whole.waitFor()
  expect(await page.locator('#turns .draft').count()).toBe(0)
  expect(await page.locator('#turns .bubble').count()).toBe(2)
  const other = await context.newPage()
  await other.goto(url)
  await other.locator('#turns .bubble', { hasText: 'how lovely. Which piece' }).waitFor()
  expect(await other.locator('#turns .bubble').count()).toBe(2)
  expect(program.stderr()).not.toContain('secret')
  expect(model.refused).toEqual([])
})
