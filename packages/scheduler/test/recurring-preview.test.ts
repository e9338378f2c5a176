import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseRule, previewOccurrences } from 'belfry'
import { schedulesCommand } from 'belfry/cli'
import { describe, expect, it } from 'vitest'

const NOW = new Date('2027-03-27T12:00:00Z')
const preview = (...args: string[]) => schedulesCommand(['preview', ...args], NOW)

describe('belfry schedules preview', () => {
  it('shows people when a rule fires, in its zone', () => {
    expect(preview('30 2 * * *', '--tz', 'Europe/Berlin', '--count', '2')).toEqual({
      exitCode: 0,
      stdout:
        '30 2 * * * in Europe/Berlin, dst once\n' +
        '2027-03-28T01:00:00.000Z  Sun, 28 Mar 2027, 03:00:00 GMT+02:00\n' +
        '2027-03-29T00:30:00.000Z  Mon, 29 Mar 2027, 02:30:00 GMT+02:00\n',
      stderr: '',
    })
  })

  it.each([
    [['30 2 * * *', '--tz', 'America/New_York', '--dst', 'skip'], '30 2 * * *', 'America/New_York', 'skip'],
    [['every 90m'], { every: '90m' }, 'UTC', 'once'],
    [['FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9'], { rrule: 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9' }, 'UTC', 'once'],
    [
      ['FREQ=WEEKLY', '--start', '2027-01-01T10:00:00Z', '--end', '2027-04-30T10:00:00+02:00'],
      { rrule: 'FREQ=WEEKLY', start: '2027-01-01T10:00:00Z', end: '2027-04-30T08:00:00Z' },
      'UTC',
      'once',
    ],
  ] as const)('tells programs what the firing function says: %j', (args, rule, zone, dst) => {
    const { exitCode, stdout } = preview(...args, '--from', '2027-02-01T00:00:00Z', '--count', '30', '--json')
    const expected = previewOccurrences(parseRule(rule, zone, dst), new Date('2027-02-01T00:00:00Z'), 30)
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toEqual(expected.map(each => each.toISOString()))
  })

  it('says when there is nothing more', () => {
    expect(preview('@daily', '--end', '2027-03-01T00:00:00Z').stdout).toBe('@daily in UTC, dst once\nnothing more\n')
    expect(preview('@daily', '--end', '2027-03-01T00:00:00Z', '--json').stdout).toBe('[]\n')
  })

  it.each([
    ['a rule that never comes true', ['0 0 31 2 *'], /never comes true/],
    ['a rule that is none', ['tomorrow'], /schedule rule: expected/],
    ['a zone that does not exist', ['@daily', '--tz', 'Mars/Olympus'], /timeZone: expected/],
  ])('fails with 1 for %s', (_story, args, reason) => {
    expect(preview(...args)).toEqual({ exitCode: 1, stdout: '', stderr: expect.stringMatching(reason) })
  })

  it.each([
    ['no rule', []],
    ['a rule without quotes', ['0', '3', '*']],
    ['an unknown option', ['@daily', '--zone', 'UTC']],
    ['a count of nothing', ['@daily', '--count', '0']],
    ['a count without end', ['@daily', '--count', '1001']],
    ['a time without a zone', ['@daily', '--from', '2027-01-01T00:00']],
    ['an unknown policy', ['@daily', '--dst', 'twice']],
  ])('ends with 2 for %s', (_story, args) => {
    expect(preview(...args)).toEqual({ exitCode: 2, stdout: '', stderr: expect.stringMatching(/^belfry: .*--help/s) })
  })

  it('explains itself', () => {
    expect(schedulesCommand(['--help'], NOW)).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^Usage/) })
    expect(schedulesCommand([], NOW)).toMatchObject({ exitCode: 2 })
  })

  it('is a program of the library, and a command of the bot, and needs no database', async () => {
    const run = async (file: string, args: string[]) => {
      const path = fileURLToPath(new URL(`../../../packages/${file}`, import.meta.url))
      const ended = await promisify(execFile)(process.execPath, [path, ...args], { env: { TZ: 'Pacific/Apia' } })
      return ended.stdout
    }
    const args = ['schedules', 'preview', '@yearly', '--from', '2027-01-01T00:00:00Z', '--count', '1', '--json']
    const expected = '[\n  "2028-01-01T00:00:00.000Z"\n]\n'
    expect(await run('scheduler/dist/cli/main.js', args)).toBe(expected)
    expect(await run('bot/dist/cli.js', args)).toBe(expected)
    await expect(run('bot/dist/cli.js', ['schedules', 'preview'])).rejects.toMatchObject({ code: 2, stdout: '' })
    await expect(run('scheduler/dist/cli/main.js', [])).rejects.toMatchObject({ code: 2 })
  })
})
