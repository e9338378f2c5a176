// What threads say that no job should: for stories in which the process lives on. It imports nothing of the package.
import { parentPort } from 'node:worker_threads'

const STRAYS = [null, 5, 'a word', [], {}, { kind: 'returned', value: 'not of this job' }, { run: 99, kind: 'threw' }]

/** As a library does that posts to the thread's parent, whoever that is. */
export function postsStrays() {
  for (const stray of STRAYS) parentPort.postMessage(stray, [])
  return 'done'
}

/** Says something as if it were the first job of its thread, and never ends. */
export function forges({ said }) {
  parentPort.postMessage({ run: 1, ...said }, [])
  return new Promise(() => {})
}

export function throwsNamed({ name, wake }) {
  throw Object.assign(new Error('not now'), { name, wake })
}

/** Spends on when its attempt has ended: a progress that is refused says so. */
export async function spendsLate(_payload, { spend, signal, progress }) {
  await progress('begun')
  await aborted(signal)
  for (let open = true; open; ) {
    open = await progress('still open').then(
      () => true,
      () => false,
    )
  }
  for (let word = 0; word < 3; word += 1) spend(1)
}

export async function cleansUp(_payload, { signal, log, progress }) {
  log('begun')
  await aborted(signal)
  await progress('cleaned up')
  return 'cleaned up'
}

export const answers = () => 'answered'

function aborted(signal) {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', resolve)
  })
}
