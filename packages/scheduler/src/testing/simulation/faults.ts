/** What may go wrong in a simulated world. */
export type Fault =
  /** A process ends without a word; the statement it sent last is executed or not. */
  | 'crash'
  /** A process stands still, perhaps for longer than its lease, and goes on as if nothing had happened. */
  | 'freeze'
  /** A process's wall clock jumps by up to six hours, forwards or back. */
  | 'clock jump'
  /** A statement fails before it is executed. */
  | 'refused statement'
  /** A statement is executed, and the connection breaks before the answer comes. */
  | 'lost answer'
  /** A statement is executed late, perhaps after leases and timeouts have ended. */
  | 'slow statement'
  /** A NOTIFY never arrives. */
  | 'lost hint'
  /** No fault at all: a process is stopped in order, in the midst of everything. */
  | 'stop'

/** All of them. */
export const FAULTS: readonly Fault[] = [
  'crash',
  'freeze',
  'clock jump',
  'refused statement',
  'lost answer',
  'slow statement',
  'lost hint',
  'stop',
]
