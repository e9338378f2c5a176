import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { runDemo } from '../src/demo/demo.ts'

it('the demo tells the whole story, the same every time', async () => {
  const output = new PassThrough()
  const story = text(output)
  expect(await runDemo(output)).toBe(0)
  output.end()
  const told = await story
  const inOrder = [
    'Mon 22:40  Ada:    hi, I am Ada',
    'Bo:     !followup_settings off',
    'planned for Ada: a follow-up, due Thu 08:41',
    'Tue 20:00  Ada:    my recital is at seven',
    '…  6 silent long enough  recently_active until Thu 20:00',
    'decision: defer (recently_active) until Thu 20:00',
    'decision: allow',
    'Belfry: 🔔 Hi Ada, last time you said your recital is on Friday.',
    'written to Bo: 0 messages',
    'credited: response_received = true, after 2.2 hours',
  ]
  const places = inOrder.map(part => told.indexOf(part))
  expect(places.every(place => place >= 0)).toBe(true)
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  expect(told.match(/^ +✓ +\d+ /gm)).toHaveLength(29)
})
