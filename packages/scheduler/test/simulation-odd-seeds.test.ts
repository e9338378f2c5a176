import { it } from 'vitest'
import { expectPromisesKept, PATIENCE_MS } from './support/worlds.ts'

it(
  'keeps every promise in worlds of crashes, freezes, lost answers and wrong clocks: odd seeds',
  () => expectPromisesKept('odd'),
  PATIENCE_MS,
)
