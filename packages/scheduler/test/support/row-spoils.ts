import type { JobOptions } from 'belfry'

/** Columns of a stored job, or rows beside it, set by hand, and what becomes of the job. */
export interface Spoil {
  readonly jobType?: keyof typeof OPTIONS
  readonly set?: string
  /** A statement of its own, SCHEMA and JOB being filled in. */
  readonly sql?: string
  readonly options?: JobOptions
  readonly status: 'completed' | 'failed' | 'pending' | 'cancelled'
  readonly error?: RegExp
}

/** How jobs of each type are scheduled. */
export const OPTIONS = {
  loose: {},
  strict: {},
  failing: {},
  windowed: {},
  durable: {},
  keyed: { concurrencyKey: 'k' },
  fair: { concurrencyKey: 'k' },
  ordered: { concurrencyKey: 'k' },
  checked: {},
  batched: {},
} satisfies Record<string, JobOptions>

const DEEP = `(repeat('[', 1000) || repeat(']', 1000))::jsonb`
const NO_FIT = /does not fit/
const ROW = 'its stored row cannot be read: '
const WEIGHT = new RegExp(`${ROW}options.weight: expected a whole number from 1 up`)
const COST = new RegExp(`${ROW}options.cost: expected a number from 0 up`)
const DELIVERY = new RegExp(`${ROW}options.delivery`)
const KEY = new RegExp(`${ROW}lane: expected`)
const METADATA = new RegExp(`${ROW}metadata: expected an object of texts`)
const STEP = `insert into SCHEMA.belfry_steps (job_id, kind, name, done, result, wake_at)`
const DEPENDENCY = `insert into SCHEMA.belfry_dependencies (child_id, parent_id, name, on_failure, outcome)`

export const SPOILS: Readonly<Record<string, Spoil>> = {
  'a payload that is null': { set: `payload = 'null'`, status: 'completed' },
  'null where a shape is wanted': { jobType: 'strict', set: `payload = 'null'`, status: 'failed', error: NO_FIT },
  'an array where a shape is wanted': { jobType: 'strict', set: `payload = '[1]'`, status: 'failed', error: NO_FIT },
  'text where a number is wanted': {
    jobType: 'strict',
    set: `payload = '{"id": "one"}'`,
    status: 'failed',
    error: NO_FIT,
  },
  'keys of prototypes': {
    jobType: 'strict',
    set: `payload = '{"__proto__": {"id": 1}, "constructor": {"prototype": {"spoiled": true}}}'`,
    status: 'failed',
    error: NO_FIT,
  },
  'a payload a thousand levels deep': { set: `payload = ${DEEP}`, status: 'completed', error: /not stored.*nesting/ },
  'a thousand levels where a shape is wanted': {
    jobType: 'strict',
    set: `payload = ${DEEP}`,
    status: 'failed',
    error: NO_FIT,
  },
  'a payload of five megabytes': {
    set: `payload = to_jsonb(repeat('x', 5000000))`,
    status: 'completed',
    error: /not stored.*at most/,
  },
  'a number no computer knows': { set: `payload = '1e400'`, status: 'completed', error: /not stored.*Infinity/ },
  'a version from before the first': { set: 'payload_version = 0', status: 'failed', error: /no upcaster from 0/ },
  'an attempt below zero': { set: 'attempt = -3', status: 'completed' },
  'retries below zero': { jobType: 'failing', set: 'retry_count = -2', status: 'failed', error: /: no$/ },
  'more retries than allowed': {
    jobType: 'failing',
    set: 'retry_count = 2147483647',
    status: 'failed',
    error: /: no$/,
  },
  'fewer than no retries allowed': { jobType: 'failing', set: 'max_retries = -1', status: 'failed', error: /: no$/ },
  'crashes below zero': { set: 'lost_count = -7', status: 'completed' },
  'a time limit below zero': { set: 'timeout_ms = -1', status: 'completed' },
  'a time limit of three hundred million years': { set: 'timeout_ms = 9223372036854775807', status: 'completed' },
  'a time that never comes': { set: `scheduled_time = 'infinity'`, status: 'pending' },
  'a time before history': { set: `scheduled_time = '4000-01-01 BC'`, status: 'completed' },
  'no beginning': { set: `created_at = '-infinity'`, status: 'completed' },
  'a type nobody has heard of': { set: `job_type = 'unheard of'`, status: 'pending' },
  'no type': { set: `job_type = ''`, status: 'pending' },
  'running, held by nobody': { set: `status = 'running'`, status: 'completed' },
  'held under a lease of no runner': {
    set: `status = 'running', lease_token = gen_random_uuid(), runner_id = gen_random_uuid()`,
    status: 'completed',
  },
  'pending, and held all the same': { set: `lease_token = gen_random_uuid(), runner_id = null`, status: 'completed' },
  'a time before all others': { set: `scheduled_time = '-infinity'`, status: 'completed' },
  'options that are a text': { set: `options = '"x"'`, status: 'completed' },
  'options that are a text, awaited': { set: `options = '"x"', awaited = true`, status: 'completed' },
  'options that are a list': { jobType: 'keyed', set: `options = '[1, 2]'`, status: 'completed' },
  'a weight that is text': { set: `options = '{"weight": "x"}'`, status: 'failed', error: WEIGHT },
  'a weight below zero': { jobType: 'keyed', set: `options = '{"weight": -5}'`, status: 'failed', error: WEIGHT },
  'a weight that is an object, in turn': {
    jobType: 'fair',
    set: `options = '{"weight": {}}'`,
    status: 'failed',
    error: WEIGHT,
  },
  'a weight that is text, in strict order': {
    jobType: 'ordered',
    set: `options = '{"weight": "x"}'`,
    status: 'failed',
    error: WEIGHT,
  },
  'a weight that is text, asked again at the claim': {
    jobType: 'checked',
    set: `options = '{"weight": "x"}'`,
    status: 'failed',
    error: WEIGHT,
  },
  'a weight that is text, in a batch': {
    jobType: 'batched',
    set: `options = '{"weight": "x"}'`,
    status: 'failed',
    error: WEIGHT,
  },
  'a cost that is text': { jobType: 'keyed', set: `options = '{"cost": "y"}'`, status: 'failed', error: COST },
  'a cost no computer knows': { jobType: 'fair', set: `options = '{"cost": 1e400}'`, status: 'failed', error: COST },
  'a cost over the whole budget': {
    jobType: 'keyed',
    options: { concurrencyKey: 'rich' },
    set: `options = '{"cost": 1e9}'`,
    status: 'completed',
  },
  'a window that is a number': {
    jobType: 'windowed',
    set: `options = '{"delivery": {"window": 5}}'`,
    status: 'failed',
    error: DELIVERY,
  },
  'a window without hours': {
    set: `options = '{"delivery": {"window": {"hours": [{}], "timeZone": "UTC", "spreadMs": 0}}}'`,
    status: 'failed',
    error: DELIVERY,
  },
  'a delivery that is text': {
    jobType: 'windowed',
    set: `options = '{"delivery": "x"}'`,
    status: 'failed',
    error: DELIVERY,
  },
  'the time zone of another planet': {
    jobType: 'windowed',
    set: `options = '{"delivery": {"timeZone": "Mars/Olympus"}}'`,
    status: 'failed',
    error: DELIVERY,
  },
  'a move to no time': {
    jobType: 'windowed',
    set: `options = '{"delivery": {"moved": {"from": "then", "to": 5}}}'`,
    status: 'failed',
    error: DELIVERY,
  },
  'a key that is empty': { jobType: 'keyed', set: `lane = ''`, status: 'failed', error: KEY },
  'a key that is empty, in turn': { jobType: 'fair', set: `lane = ''`, status: 'failed', error: KEY },
  'a key that is empty, in strict order': { jobType: 'ordered', set: `lane = ''`, status: 'failed', error: KEY },
  'a key where none is wanted': { set: `lane = 'k'`, status: 'completed' },
  'a slot it never got': { jobType: 'keyed', set: 'admitted = true', status: 'completed' },
  'metadata that are a list': { set: `metadata = '[1, 2]'`, status: 'failed', error: METADATA },
  'metadata that are a text': { set: `metadata = '"x"'`, status: 'failed', error: METADATA },
  'metadata with a number': { set: `metadata = '{"traceparent": 5}'`, status: 'failed', error: METADATA },
  'metadata that are null': { set: `metadata = 'null'`, status: 'completed' },
  'the highest priority of all': { set: 'priority = 2147483647', status: 'completed' },
  'the lowest priority of all': { jobType: 'failing', set: 'priority = -2147483648', status: 'failed', error: /: no$/ },
  'a deadline before all times': { set: `expires_at = '-infinity'`, status: 'cancelled', error: /: expired$/ },
  'a deadline after all times': { set: `expires_at = 'infinity'`, status: 'completed' },
  'subjects that are nobody': {
    set: `subjects = array[null, '']::text[], tags = array[null]::text[]`,
    status: 'completed',
  },
  'subjects in a square': { set: `subjects = '{{a,b},{c,d}}'`, status: 'completed' },
  'no subjects at all': { set: `subjects = '{}', tags = '{}'`, status: 'completed' },
  'awaited by nobody': { set: 'awaited = true', status: 'completed' },
  'waiting for nothing': { set: `waits = true, ready_at = 'infinity'`, status: 'pending' },
  'a step of no kind': {
    jobType: 'durable',
    set: 'attempt = 1',
    sql: `${STEP} values ('JOB', 'odd', 'a', true, '5', null)`,
    status: 'completed',
  },
  'a step whose result is something else': {
    jobType: 'durable',
    set: 'attempt = 1',
    sql: `${STEP} values ('JOB', 'step', 'a', true, '[[]]', 'infinity')`,
    status: 'completed',
  },
  'a step without a result': {
    jobType: 'durable',
    set: 'attempt = 1',
    sql: `${STEP} values ('JOB', 'step', 'a', true, null, null)`,
    status: 'completed',
  },
  'a sleep without an end': {
    jobType: 'durable',
    set: 'attempt = 1',
    sql: `${STEP} values ('JOB', 'sleep', 'nap', false, null, null)`,
    status: 'completed',
  },
  'a sleep until never': {
    jobType: 'durable',
    set: 'attempt = 1',
    sql: `${STEP} values ('JOB', 'sleep', 'nap', false, null, 'infinity')`,
    status: 'failed',
    error: /sleeping: nap: its stored instant cannot be read/,
  },
  'a sleep until before all times': {
    jobType: 'durable',
    set: 'attempt = 1',
    sql: `${STEP} values ('JOB', 'sleep', 'nap', false, null, '-infinity')`,
    status: 'completed',
  },
  'a dependency on nobody': {
    sql: `${DEPENDENCY} values ('JOB', 'nobody', null, 'cancel', null)`,
    status: 'completed',
  },
  'a dependency with a rule and an end nobody knows': {
    sql: `${DEPENDENCY} values ('JOB', 'nobody', 'x', 'hope', 'perhaps')`,
    status: 'completed',
  },
  'waiting for itself': {
    sql: `with waits as (update SCHEMA.scheduled_jobs_live set waits = true, ready_at = 'infinity' where job_id = 'JOB')
      ${DEPENDENCY} values ('JOB', 'JOB', '', 'cancel', null)`,
    status: 'pending',
  },
  'waiting for nobody under no rule': {
    sql: `with waits as (update SCHEMA.scheduled_jobs_live set waits = true, ready_at = 'infinity' where job_id = 'JOB')
      ${DEPENDENCY} values ('JOB', 'nobody', null, 'hope', null)`,
    status: 'cancelled',
    error: /dependency nobody was deleted/,
  },
  'a span until its deadline that is text': {
    sql: `with waits as (update SCHEMA.scheduled_jobs_live set waits = true, ready_at = 'infinity',
        options = '{"expire_after_ms": "x"}' where job_id = 'JOB')
      ${DEPENDENCY} values ('JOB', 'nobody', null, 'run', null)`,
    status: 'completed',
  },
  'a span until its deadline of more years than there are': {
    sql: `with waits as (update SCHEMA.scheduled_jobs_live set waits = true, ready_at = 'infinity',
        options = '{"expire_after_ms": 1e400}' where job_id = 'JOB')
      ${DEPENDENCY} values ('JOB', 'nobody', null, 'run', null)`,
    status: 'completed',
  },
  'an occurrence of no schedule': { set: `schedule_id = 'none', occurrence = 'infinity'`, status: 'completed' },
}
