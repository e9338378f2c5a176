/**
 * Statements of migration 3, by what they serve. All are additions: rows of the guide's tables stay as they are.
 */

/** What people have chosen, and what is known of when they are awake. */
const people = [
  `alter table user_profiles
    add column if not exists locale text,
    add column if not exists quiet_hours text,
    add column if not exists is_bot boolean not null default false,
    add column if not exists suppressed_until timestamptz,
    add column if not exists consent_asked_at timestamptz,
    add column if not exists activity_hours real[],
    add column if not exists activity_hours_at timestamptz,
    add column if not exists activity_messages integer not null default 0,
    add column if not exists activity_days integer not null default 0,
    add column if not exists activity_last_day date,
    add column if not exists activity_hours_off boolean not null default false,
    add column if not exists follow_up_considered_at timestamptz,
    add column if not exists private_conversation_id text,
    add column if not exists private_heard_to bigint,
    add column if not exists follow_up_place text`,
  'create index if not exists user_profiles_last_active on user_profiles (last_active_at)',
  `alter table consent_events
    add column if not exists locale text,
    add column if not exists reference text,
    add column if not exists until timestamptz`,
]

/** The outbox: what is about to be sent, may have been, was. */
const outbox = [
  `alter table follow_up_history
    add column if not exists nonce varchar(25),
    add column if not exists content_hash text,
    add column if not exists target text,
    add column if not exists attempted_at timestamptz,
    add column if not exists attempts integer not null default 0,
    add column if not exists platform_message_id text,
    add column if not exists deduplicated boolean not null default false,
    add column if not exists failure_code text,
    add column if not exists reason text,
    add column if not exists language text,
    add column if not exists variant text,
    add column if not exists delay_hours real,
    add column if not exists returned_within_7d boolean,
    add column if not exists silent boolean not null default false,
    add column if not exists channel_opened_at timestamptz,
    add column if not exists in_channel boolean not null default false`,
  'create unique index if not exists follow_up_history_nonce on follow_up_history (nonce) where nonce is not null',
  `create index if not exists follow_up_history_in_doubt on follow_up_history (user_id, attempted_at)
    where state in ('sending', 'uncertain')`,
  `create index if not exists follow_up_history_opened on follow_up_history (channel_opened_at)
    where channel_opened_at is not null`,
  // On the scheduler's table: a person's own follow-ups are looked up whenever they ask, or say no.
  `create index if not exists scheduled_jobs_live_follow_ups
    on scheduled_jobs_live ((coalesce(payload->>'userId', payload->>'user_id'))) where job_type = 'follow_up_message'`,
  `alter table conversation_turns
    add column if not exists follow_up_id bigint,
    add column if not exists taken_at timestamptz,
    add column if not exists settled_at timestamptz`,
  `create index if not exists conversation_turns_unsettled on conversation_turns (sent_at)
    where author = 'user' and settled_at is null
      and conversation_id like 'discord:%' and message_id not like 'interaction:%'`,
]

/** What stops everybody's follow-ups, and what the language model has used. */
const controls = [
  `create table follow_up_controls (
    name varchar(50) primary key,
    reason text not null,
    set_by text not null,
    set_at timestamptz not null default now(),
    until timestamptz
  )`,
  `create table llm_usage (
    day date primary key,
    requests integer not null default 0,
    prompt_tokens bigint not null default 0,
    completion_tokens bigint not null default 0
  )`,
]

/** A "no" that outlives its person's data, the key that hides whose it is, and who did what to whom. */
const rights = [
  'alter table user_profiles add column if not exists erasure_asked_at timestamptz',
  `create table suppressed_people (
    person_hash text primary key,
    key_id varchar(16) not null,
    reason varchar(50) not null,
    at timestamptz not null default now()
  )`,
  `create table bot_secrets (
    name varchar(50) primary key,
    value text not null
  )`,
  // Made here, once: 244 random bits of the server's own generator for secrets.
  `insert into bot_secrets (name, value)
    values ('privacy_key', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))`,
  `create table bot_audit (
    audit_id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    act varchar(50) not null,
    person_hash text,
    detail jsonb not null default '{}'
  )`,
]

/** What is asked before each send: how the last ones were taken, and since when that counts. */
const learning = [
  `create index if not exists follow_up_history_taken
    on follow_up_history ((coalesce(sent_at, attempted_at, prepared_at)))
    where state = 'sent' or failure_code = 'dm_closed'`,
  'create index bot_audit_act on bot_audit (act, at)',
]

export const followUpEngineStatements: readonly string[] = [...people, ...outbox, ...controls, ...rights, ...learning]
