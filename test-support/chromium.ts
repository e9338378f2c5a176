import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

/** Debian's browser, unless `CHROMIUM_PATH` names another. */
const PATH = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

/** Whether there is a browser; on CI its absence is a failure, not a reason to skip. */
export const hasChromium = existsSync(PATH) || process.env.CI !== undefined

/** A headless browser that calls nobody. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: PATH,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
