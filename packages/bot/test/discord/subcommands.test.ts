import { describe, expect, it } from 'vitest'
import type { Command } from '../../src/commands/command.ts'
import { findCommand } from '../../src/commands/dispatch-command.ts'
import { followUpSettingsCommand } from '../../src/commands/followup-settings.ts'
import { suggestZones } from '../../src/commands/followup-settings-input.ts'
import { areSame, slashCommandsOf, textOfUse, usedCommand } from '../../src/platforms/discord/slash-commands.ts'

const command = (more: Partial<Command>): Command => ({
  name: 'job_list',
  group: 'job',
  usage: '',
  about: 'Jobs.',
  adminOnly: true,
  run: () => Promise.resolve(''),
  ...more,
})
const jobs = [
  command({ options: [{ name: 'page', about: 'Page', kind: 'page' }] }),
  command({
    name: 'job_cancel',
    about: 'Cancel.',
    options: [{ name: 'id', about: 'An id', kind: 'job', required: true }],
  }),
]
/** Only what is declared is looked at. */
const settings = followUpSettingsCommand({} as Parameters<typeof followUpSettingsCommand>[0])

describe('commands of one group', () => {
  it('are one slash command, each a subcommand with the options it declares', () => {
    expect(slashCommandsOf(jobs)).toMatchObject([
      {
        name: 'job',
        description: 'What there is: list, cancel.',
        contexts: [0],
        options: [
          { type: 1, name: 'list', options: [{ type: 4, name: 'page', min_value: 1, max_value: 100 }] },
          { type: 1, name: 'cancel', options: [{ type: 3, name: 'id', required: true, autocomplete: true }] },
        ],
      },
    ])
  })

  it('are for administrators when one of them is: a server opens a command to people as a whole', () => {
    const [mixed] = slashCommandsOf([command({ adminOnly: false }), command({ name: 'job_cancel' })])
    expect(mixed).toMatchObject({ default_member_permissions: '32', contexts: [0] })
  })

  it('mean what is typed, in one word or two', () => {
    const used = usedCommand(jobs, { name: 'job', subcommand: 'cancel' })
    expect(used?.command.name).toBe('job_cancel')
    expect(used && textOfUse(used, { prefix: '!', valueOf: () => 'abc' })).toBe('!job_cancel abc')
    for (const words of [
      ['job_cancel', 'abc'],
      ['Job', 'Cancel', 'abc'],
    ])
      expect(findCommand(jobs, words)).toMatchObject({ command: { name: 'job_cancel' }, args: ['abc'] })
    expect(usedCommand(jobs, { name: 'job', subcommand: 'dance' })).toBeUndefined()
    expect(usedCommand(jobs, { name: 'job', subcommand: undefined })).toBeUndefined()
    expect(usedCommand(jobs, { name: 'job_list', subcommand: undefined })).toBeUndefined()
  })
})

describe('a command with several ways of using it', () => {
  it('has a subcommand for each, with a form of its own', () => {
    const [slash] = slashCommandsOf([settings])
    expect(slash?.options.map(({ name }) => name)).toEqual(
      'status on off timezone quiet frequency snooze place history why hours'.split(' '),
    )
    const zone = slash?.options.find(({ name }) => name === 'timezone')
    expect(zone?.options).toMatchObject([{ name: 'zone', required: true, autocomplete: true }])
    const used = usedCommand([settings], { name: 'followup_settings', subcommand: 'snooze' })
    const typed = (value?: string) => used && textOfUse(used, { prefix: '!', valueOf: () => value })
    expect(typed('5d')).toBe('!followup_settings snooze 5d')
    expect(typed()).toBe('!followup_settings snooze')
    expect(usedCommand([settings], { name: 'followup_settings', subcommand: undefined })).toBeUndefined()
  })
})

describe('what is registered', () => {
  it('differs when anything within a subcommand does', () => {
    const wanted = slashCommandsOf([...jobs, settings])
    const given = () => JSON.parse(JSON.stringify(wanted)) as { options: { options: Record<string, unknown>[] }[] }[]
    expect(areSame(given(), wanted)).toBe(true)
    expect(areSame(given().toReversed(), wanted)).toBe(true)
    for (const change of [
      { name: 'x' },
      { description: 'x' },
      { type: 3 },
      { required: true },
      { autocomplete: true },
      { min_value: 2 },
      { max_value: 2 },
      { max_length: 2 },
      { choices: [{ name: 'x', value: 'x' }] },
    ]) {
      const changed = given()
      Object.assign(changed[0]?.options[0]?.options[0] ?? {}, change)
      expect({ change, same: areSame(changed, wanted) }).toEqual({ change, same: false })
    }
    const fewer = given()
    fewer[0]?.options.pop()
    expect(areSame(fewer, wanted)).toBe(false)
    const turned = given()
    turned[0]?.options.reverse()
    expect(areSame(turned, wanted)).toBe(false)
  })
})

describe('zones that are suggested', () => {
  it('are those that may be meant, the likeliest first, never more than asked for', () => {
    expect(suggestZones('berl', 25)).toEqual(['Europe/Berlin'])
    expect(suggestZones('new y', 25)[0]).toBe('America/New_York')
    expect(suggestZones('São', 25)).toContain('America/Sao_Paulo')
    expect(suggestZones('Europe/', 25)).toHaveLength(25)
    expect(suggestZones('', 25)).toContain('UTC')
    expect(suggestZones('xyzzy', 25)).toEqual([])
    expect(suggestZones('*+(', 25)).toEqual([])
  })

  it('are zones there are', () => {
    for (const zone of suggestZones('', 25))
      expect(() => new Intl.DateTimeFormat('en', { timeZone: zone })).not.toThrow()
  })
})
