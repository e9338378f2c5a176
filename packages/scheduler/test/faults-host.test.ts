import { describe, expect, it, type TestContext } from 'vitest'
import { startProgram } from '../../../test-support/child-process.ts'
import { createTestDatabase } from '../../../test-support/test-database.ts'

const PROGRAM = 'packages/scheduler/test/support/tidy-process.mjs'

interface Report {
  readonly before: { listeners: Record<string, number>; resources: string[] }
  readonly after: { listeners: Record<string, number>; resources: string[] }
}

const reportOf = (stdout: string, event: string) =>
  JSON.parse(stdout.split('\n').find(line => line.includes(`"event":"${event}"`)) ?? 'null') as unknown

async function start(context: TestContext, mode: string) {
  const test = await createTestDatabase()
  context.onTestFinished(() => test.drop())
  const program = startProgram(PROGRAM, { args: [mode], cwd: '/', env: { DATABASE_URL: test.url } })
  context.onTestFinished(async () => {
    program.kill('SIGKILL')
    await program.exited
  })
  return { program, pool: test.pool }
}

describe.concurrent('the program around a scheduler', () => {
  it.for(['pglite', 'postgres'])(
    'ends by itself after stop(), on %s: no timer, socket, listener is left',
    async (mode, context) => {
      const { program } = await start(context, mode)
      await program.shows(/"over"/)
      expect(await program.exited).toEqual({ code: 0, signal: null })
      const { before, after } = reportOf(program.stdout(), 'over') as Report
      expect(after.listeners).toEqual(before.listeners)
      expect(after.resources.filter(each => !before.resources.includes(each))).toEqual([])
      expect(program.stderr()).toBe('')
      expect(reportOf(program.stdout(), 'pool')).toMatchObject({ checkedOut: 0 })
    },
  )

  it.for<NodeJS.Signals>(['SIGTERM', 'SIGINT', 'SIGHUP'])(
    'dies of %s at once: no signal is swallowed',
    async (signal, context) => {
      const { program } = await start(context, 'stay')
      await program.shows(/"running"/)
      expect(reportOf(program.stdout(), 'running')).toMatchObject({ listeners: { SIGTERM: 0, SIGINT: 0, SIGHUP: 0 } })
      program.kill(signal)
      expect(await program.exited).toEqual({ code: null, signal })
    },
  )
})
