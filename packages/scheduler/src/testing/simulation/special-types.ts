import type { JobContext } from '../../job/context.ts'
import { defineBatchJob, defineJob, type AnyJobDefinition } from '../../job/definition.ts'
import { behave, handle, revalidate, type HandlerWorld, type SimulatedPayload } from './behaviour.ts'
import { SeededRandom } from './random.ts'
import { everySecondSpan } from './windows.ts'

/**
 * Types that are of another kind; a world has one of them: handlers in a transaction, for many jobs a call, in steps; jobs
 * that are asked whether they are still relevant, that have a delivery window, that gather what several calls add.
 */
export const SPECIAL_TYPES = ['exact', 'bundled', 'stepwise', 'asked', 'windowed', 'gathered'] as const

export type SpecialType = (typeof SPECIAL_TYPES)[number]

/** Most jobs of one call of type `bundled`. */
export const BUNDLE_SIZE = 3
const BUNDLE_WAIT_MS = 40
/** What jobs of type `stepwise` wait for. */
export const EVENT = 'news'
export const EVENT_KEYS = ['east', 'west']
const LONGEST_WAIT_MS = 3_000

/** The definition of a special type. */
export function specialJob(
  world: HandlerWorld,
  type: SpecialType,
  common: { readonly backoff: { readonly initial: number; readonly max: number }; readonly maxLost: number },
): AnyJobDefinition {
  switch (type) {
    case 'exact':
      return defineJob<SimulatedPayload>({
        ...common,
        type,
        transactional: true,
        handler: (payload, context) =>
          handle(world, { payload, context }, async () => {
            const values = [context.jobId, context.attempt]
            await context.tx.query(`insert into ${world.effects} (job_id, attempt) values ($1::text, $2::int)`, values)
            return behave(world, { payload, context })
          }),
      })
    case 'bundled':
      return defineBatchJob<SimulatedPayload>({
        ...common,
        type,
        size: BUNDLE_SIZE,
        wait: BUNDLE_WAIT_MS,
        handler: jobs => Promise.all(jobs.map(job => handle(world, job).catch((error: Error) => error))),
      })
    case 'asked':
      return defineJob<SimulatedPayload>({
        ...common,
        type,
        revalidate: (payload, context) => revalidate(world, payload, context),
        handler: (payload, context) => handle(world, { payload, context }),
      })
    case 'windowed':
      return defineJob<SimulatedPayload>({
        ...common,
        type,
        window: everySecondSpan(),
        handler: (payload, context) => handle(world, { payload, context }),
      })
    case 'gathered':
      return defineJob<readonly SimulatedPayload[]>({
        ...common,
        type,
        handler: (carried, context) => handle(world, { payload: carried[0] ?? { name: 'nothing' }, carried, context }),
      })
    case 'stepwise':
      return defineJob<SimulatedPayload>({
        ...common,
        type,
        handler: (payload, context) =>
          handle(world, { payload, context }, () => goInSteps(world, { payload, context })),
      })
  }
}

/** The same steps in every attempt; what happens while it sends depends on the attempt. */
async function goInSteps(
  world: HandlerWorld,
  { payload, context }: { payload: SimulatedPayload; context: JobContext },
): Promise<unknown> {
  const random = new SeededRandom(`${world.seed}/${payload.name}/steps`)
  const pass = async (step: string, answer: Promise<unknown>) => world.onStep(context, step, (await answer) ?? null)
  const [naps, waits] = [random.chance(0.5), random.chance(0.5)]
  const [napMs, timeout, key] = [random.below(LONGEST_WAIT_MS), random.below(LONGEST_WAIT_MS), random.pick(EVENT_KEYS)]
  await pass(
    'first',
    context.step('first', () => world.fresh()),
  )
  if (naps) await context.sleep('nap', napMs)
  if (waits) await pass('heard', context.waitForEvent(EVENT, { key, timeout }))
  await pass(
    'sent',
    context.once('sent', async ({ doubtful }) => {
      world.onSend(context, doubtful)
      await behave(world, { payload, context })
      return world.fresh()
    }),
  )
  await pass(
    'last',
    context.step('last', () => world.fresh()),
  )
  return undefined
}
