import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const executable = fileURLToPath(new URL('../../bin/belfry.mjs', import.meta.url))
const run = promisify(execFile)

it('can be called by its name in a clone: the file that npm links is there and may be run', async () => {
  expect((await run(executable, ['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+/)
})

it('says what to do in a clone that is not built', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-unbuilt-'))
  await mkdir(join(folder, 'bin'))
  const copy = join(folder, 'bin', 'belfry.mjs')
  await copyFile(executable, copy)
  await expect(run(process.execPath, [copy, 'doctor'])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('npm run build'),
  })
  await rm(folder, { recursive: true, force: true })
})
