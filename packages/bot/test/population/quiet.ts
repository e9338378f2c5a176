import { getActiveResourcesInfo } from 'node:process'
import type { Line } from './line.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Turns of the event loop without any sign of life after which nothing happens before time is moved. */
const CALM_TURNS = 2

/** Resolves when nothing happens any more unless time is moved. */
export async function quiet(line: Line, time: VirtualTime): Promise<void> {
  for (let calm = 0; calm < CALM_TURNS; ) {
    const before = line.statements + time.stirred
    const worked = await line.idle()
    await new Promise<void>(resolve => setImmediate(resolve))
    // The daily cleanup looks into a real folder.
    const isBusy = worked || getActiveResourcesInfo().includes('FSReqPromise')
    calm = isBusy || line.statements + time.stirred !== before ? 0 : calm + 1
  }
}
