import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { saveAttachment } from '../../src/platforms/terminal/save-attachment.ts'
import { runTerminalChat } from '../../src/platforms/terminal/terminal-chat.ts'
import { createTestApp } from '../support/test-app.ts'

describe('a file for the person at the terminal', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'belfry-attachment-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('is theirs alone, and never takes the place of another', async () => {
    const first = await saveAttachment(folder, { name: 'my-data.json', content: 'first' })
    const second = await saveAttachment(folder, { name: 'my-data.json', content: 'second' })
    expect(first).toContain(join(folder, 'my-data.json'))
    expect(second).toContain(join(folder, 'my-data-2.json'))
    expect(await readFile(join(folder, 'my-data.json'), 'utf8')).toBe('first')
    expect(await readFile(join(folder, 'my-data-2.json'), 'utf8')).toBe('second')
    expect((await stat(join(folder, 'my-data-2.json'))).mode & 0o777).toBe(0o600)
  })

  it('lies in the folder, whatever its name says', async () => {
    expect(await saveAttachment(folder, { name: '../../escaped.json', content: '' })).toContain(
      join(folder, 'escaped.json'),
    )
  })

  it.skipIf(process.getuid?.() === 0)('that cannot be saved is told of, with the way out', async () => {
    await chmod(folder, 0o500)
    expect(await saveAttachment(folder, { name: 'my-data.json', content: '' })).toContain('could not be saved')
    await chmod(folder, 0o700)
  })

  it('comes with !my_data; and !forget_me is answered though nothing of it is kept', async () => {
    const test = await createTestApp('PostgreSQL')
    const [input, output] = [new PassThrough(), new PassThrough()]
    input.end('my name is Ada and I play the cello\n!my_data\n!forget_me\n!forget_me confirm\n')
    await runTerminalChat({
      database: test.database,
      chat: test.app.chat,
      feed: test.app.feed,
      jobsRun: false,
      clock: test.clock,
      botName: 'Belfry',
      user: 'ada',
      lingerMs: 0,
      input,
      output,
      stop: new AbortController().signal,
      folder,
    })
    output.end()
    const shown = await text(output)
    expect(shown).toContain(`Belfry: Saved as ${join(folder, 'my-data-2027-03-01.json')}, readable by you alone.`)
    expect(shown).toMatch(/Belfry: Done\. .*\n.*keyed hash.*\n$/)
    const file = JSON.parse(await readFile(join(folder, 'my-data-2027-03-01.json'), 'utf8')) as object
    expect(file).toMatchObject({ schema_version: 1, exported_at: '2027-03-01T12:00:00.000Z', user_id: 'terminal:ada' })
    expect(JSON.stringify(file)).toContain('I play the cello')
    expect(await test.rows('select turn_id from conversation_turns')).toEqual([])
    await test.close()
  })
})
