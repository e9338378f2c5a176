import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { readFollowUpPayload, type FollowUpPayload } from '../job-catalog.ts'
import type { LlmClient } from '../llm/llm-client.ts'
import type { SayInstant } from '../messaging/voice.ts'
import { placeOf, type FollowUpPlace } from '../users/follow-up-place.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import { decisionsOfPerson, nextFollowUp, type NextFollowUp, type PastDecision } from './explain-store.ts'
import { readFacts } from './facts-store.ts'
import { evaluateGates, type GateReport, type GateResult } from './gates.ts'
import { policyFor, type TimingParts } from './plan-timing.ts'

export interface ExplainParts extends TimingParts {
  readonly database: Database
  readonly clock: Clock
  readonly suppressedPeople: SuppressedPeople
}

/** What would become of a follow-up to a person this very moment, and what became of earlier ones. */
export interface Explanation {
  readonly now: Date
  readonly report: GateReport
  /** The follow-up that was asked about: the next planned one, or undefined: one as silence would plan it. */
  readonly next: NextFollowUp | undefined
  readonly payload: FollowUpPayload
  /** Where the person wants it. */
  readonly place: FollowUpPlace
  /** Newest first. */
  readonly decisions: readonly PastDecision[]
}

const DECISIONS = 5

/** Asks the gates as the sender would, and writes nothing. */
export async function explainFollowUp(parts: ExplainParts, userId: string): Promise<Explanation> {
  const { database, clock, suppressedPeople } = parts
  const facts = await readFacts(database, userId, { now: databaseNow(clock), suppressedPeople })
  const next = parseNext(await nextFollowUp(database, userId))
  const plannedAt = facts.profile?.lastActiveAt ?? facts.now
  const payload = next?.payload ?? { userId, automatic: true, plannedAt: plannedAt.toISOString() }
  const job = {
    automatic: payload.automatic,
    plannedAt: new Date(payload.plannedAt),
    dueAt: next?.scheduledTime ?? facts.now,
    seed: next?.jobId ?? `automatic:${userId}`,
    force: payload.force ?? false,
  }
  return {
    now: facts.now,
    report: evaluateGates({ ...facts, policy: policyFor(parts, payload.variant), job }),
    next,
    payload,
    place: facts.profile ? placeOf(facts.profile) : 'direct',
    decisions: await decisionsOfPerson(database, { userId, limit: DECISIONS }),
  }
}

/** A payload nobody can read fails when it is due; for the gates it is as if nothing were planned. */
function parseNext(stored: Awaited<ReturnType<typeof nextFollowUp>>): NextFollowUp | undefined {
  const payload = stored && readFollowUpPayload(stored.payload)
  return stored && payload && { ...stored, payload }
}

/** The same model for a single question: somebody waits for a preview, and every draft costs. */
export function onceOnly(llm: LlmClient): LlmClient {
  let asked = false
  return {
    label: llm.label,
    complete: request => {
      if (asked) return Promise.reject(new Error('a preview asks the language model once'))
      asked = true
      return llm.complete(request)
    },
  }
}

const MARKS = { pass: '✓', defer: '…', deny: '✗' } as const

/** One line a gate. */
export function sayGates(report: GateReport, when: SayInstant): string[] {
  const verdict = { allow: 'it would be sent', defer: 'it would wait', deny: 'it would not be sent' }[report.verdict]
  const why = report.reason ? `: ${report.reason}` : ''
  return [
    `If it were due now, ${verdict}${why}${untilText(report, when)}.`,
    ...report.gates.map(each => sayGate(each, when)),
  ]
}

function sayGate(gate: GateResult, when: SayInstant): string {
  const why = gate.reason ? ` (${gate.reason}${untilText(gate, when)})` : ''
  return `${MARKS[gate.outcome]} ${String(gate.rule).padStart(2)} ${gate.gate}${why}`
}

function untilText({ until }: { until?: Date | undefined }, when: SayInstant): string {
  return until ? `, until ${when(until)}` : ''
}

/** One line a decision, newest first. */
export function sayDecision(decision: PastDecision, when: SayInstant): string {
  const why = decision.reason ? ` (${decision.reason}${untilText(decision, when)})` : ''
  return `${decision.stage}: ${decision.verdict}${why}, ${when(decision.decidedAt)}`
}
