/**
 * A trace in a link: `#v=2&t=<start>-<end>&s=<span>&a=<axis>&d=<data>`. Self-contained: no server sees it (a fragment is
 * not sent), no boot is needed to open it. docs/trace-format.md describes the bytes.
 *
 * The data are deflated (raw) and written in base64url. Spans are chosen by duration until the link would outgrow its
 * budget: a span's parents are at least as long, so what is kept is whole from the bottom up. Times are rounded to a
 * tick that keeps three figures of the shortest span; instructions follow from the clock.
 *
 * `v` names the version and stays readable for ever: each version has its reader, whose result is brought forward step
 * by step. A link may come from anybody: everything read is bounded and checked.
 */
import { deflateSync, Inflate } from 'fflate'
import { ok, type Problem, problem, type Result, refuse } from '../../base/problem.ts'
import type { Axis } from '../model/clock.ts'
import type { Trace } from '../model/trace.ts'
import { BytesError, fromBase64url, toBase64url } from './bytes.ts'
import type { LinkDocument } from './link-bytes.ts'
import { draftOf, type Fit, LINK_BUDGET, linkBudget, linkOrder, mostThatFit } from './link-choose.ts'
import { decodeV1 } from './link-v1.ts'
import { decodeV2, encodeV2 } from './link-v2.ts'

export const LINK_VERSION = 2

export { LINK_BUDGET, linkBudget } from './link-choose.ts'

export interface LinkView {
  /** Visible range in guest ns; undefined: all. */
  readonly from?: number
  readonly to?: number
  readonly axis?: Axis
  /** The selected span: in the linked trace, by `selectionOf`. */
  readonly selected?: number
}

export interface LinkContent {
  readonly trace: Trace
  readonly view: LinkView
  /** Of a comparison: the trace that it is compared with, which came before. */
  readonly before?: Trace
}

// ── limits on what is read ───────────────────────────────────────────────────────────────────────────────────────────

const FRAGMENT_MAX = 256 * 1024
const INFLATED_MAX = 4 * 1024 * 1024
const MARKS_KEPT = 48
const AXES: readonly Axis[] = ['guest', 'instructions', 'wall']

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface LinkOptions {
  /** Characters of the fragment; linkBudget() when left out. */
  readonly budget?: number
  readonly view?: LinkView
  /** Stages and sums, and no spans. */
  readonly stagesOnly?: boolean
}

/** Stages and sums of a boot: fits a chat. */
export const SHORT_BUDGET = 1000

export interface WrittenLink {
  /** '#v=2&...' */
  readonly fragment: string
  readonly spans: number
  /** Spans left out. */
  readonly pruned: number
}

export const writeLink = (trace: Trace, options: LinkOptions = {}): WrittenLink => {
  const budget = options.budget ?? linkBudget(trace)
  const draft = draftOf(trace)
  const write = (kept: number, marks: number): string => {
    const chosen = draft.longest.slice(0, kept)
    return fragmentOf(trace, chosen, encodeV2(trace, draft, chosen, marks), options.view)
  }
  const within = (marks: number): Fit | undefined =>
    mostThatFit(options.stagesOnly ? 0 : draft.longest.length, budget, (kept) => write(kept, marks))
  const { kept, fragment } = (options.stagesOnly ? undefined : within(MARKS_KEPT)) ??
    within(0) ?? { kept: 0, fragment: write(0, 0) }
  return { fragment, spans: kept, pruned: trace.spans.length - kept }
}

/** Two traces in one link, in twice the room of one. */
export const writeComparison = (
  before: Trace,
  after: Trace,
  { budget = 2 * LINK_BUDGET, stagesOnly = false }: Pick<LinkOptions, 'budget' | 'stagesOnly'> = {},
): string => {
  const first = writeLink(before, { budget: Math.floor(budget / 2), stagesOnly }).fragment
  const data = `&b=${first.slice(first.indexOf('d=') + 2)}`
  return writeLink(after, { budget: budget - data.length, stagesOnly }).fragment + data
}

const fragmentOf = (trace: Trace, chosen: Uint32Array, payload: Uint8Array, view: LinkView | undefined): string => {
  const parts = [`#v=${LINK_VERSION}`]
  if (view?.from !== undefined && view.to !== undefined)
    parts.push(`t=${Math.floor(view.from).toString(36)}-${Math.ceil(view.to).toString(36)}`)
  if (view?.axis !== undefined && view.axis !== 'guest') parts.push(`a=${view.axis}`)
  if (view?.selected !== undefined && view.selected >= 0) {
    const at = linkOrder(trace, chosen).indexOf(view.selected)
    if (at >= 0) parts.push(`s=${at.toString(36)}`)
  }
  parts.push(`d=${toBase64url(deflateSync(payload, { level: 9, mem: 8 }))}`)
  return parts.join('&')
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Is this address's fragment a link of ours? */
export const isLink = (fragment: string): boolean => /^#?v=\d/.test(fragment)

const broken = (saw: string): Problem =>
  problem(
    'link-broken',
    `the link ${saw}`,
    'a link as this page made it, whole',
    'copy the link again; mail and chat programs sometimes cut long ones',
  )

/** What a reader of some version gives, before it is brought forward. */
type Readers = Readonly<Record<number, (payload: Uint8Array) => unknown>>
/** Index k brings version k + 1 to k + 2. */
type Upgraders = readonly ((document: never) => unknown)[]

const READERS: Readers = { 1: decodeV1, 2: decodeV2 }
/** What a link of version 1 says, one of version 2 could say: its document is already the newest. */
const UPGRADERS: Upgraders = [(document) => document]

/** Reads with the reader of `version` and brings the result to the newest. */
export const readVersioned = (
  version: number,
  payload: Uint8Array,
  readers: Readers,
  upgraders: Upgraders,
): unknown => {
  const reader = readers[version]
  if (reader === undefined) throw new BytesError(`has version ${version}, which never was`)
  let document = reader(payload)
  for (const upgrade of upgraders.slice(version - 1)) document = upgrade(document as never)
  return document
}

export const readLink = (fragment: string): Result<LinkContent> => {
  if (fragment.length > FRAGMENT_MAX)
    return refuse(broken(`has ${fragment.length} characters, more than ${FRAGMENT_MAX}`))
  const parts = new Map<string, string>()
  for (const part of fragment.replace(/^#/, '').split('&', 64)) {
    const equals = part.indexOf('=')
    if (equals > 0 && !parts.has(part.slice(0, equals))) parts.set(part.slice(0, equals), part.slice(equals + 1))
  }
  const versionText = parts.get('v') ?? ''
  if (!/^\d{1,6}$/.test(versionText)) return refuse(broken('has no version'))
  const version = Number(versionText)
  if (version > LINK_VERSION)
    return refuse(
      problem(
        'link-newer',
        `the link has version ${version} of the link format`,
        `version ${LINK_VERSION} or older`,
        'reload this page to get its newest version',
      ),
    )
  const data = parts.get('d')
  if (data === undefined || data === '') return refuse(broken('has no trace in it'))
  const document = documentOf(data, version)
  if (!document.ok) return document
  const content: LinkContent = { trace: document.value.trace, view: readView(parts, document.value) }
  const other = parts.get('b')
  if (other === undefined) return ok(content)
  const before = documentOf(other, version)
  return before.ok ? ok({ ...content, before: before.value.trace }) : before
}

const documentOf = (data: string, version: number): Result<LinkDocument> => {
  const deflated = fromBase64url(data)
  if (deflated === undefined) return refuse(broken('has characters that do not belong there'))
  const payload = inflate(deflated)
  if (typeof payload === 'string') return refuse(broken(payload))
  try {
    return ok(readVersioned(version, payload, READERS, UPGRADERS) as LinkDocument)
  } catch (error) {
    if (error instanceof BytesError) return refuse(broken(`cannot be read: ${error.message}`))
    throw error
  }
}

/** A view that does not fit its trace is left out: the trace matters more. */
const readView = (parts: ReadonlyMap<string, string>, { trace, places }: LinkDocument): LinkView => {
  const number = (text: string | undefined): number | undefined =>
    text !== undefined && /^[0-9a-z]{1,11}$/.test(text) ? Number.parseInt(text, 36) : undefined
  const [fromText, toText] = (parts.get('t') ?? '').split('-', 2)
  const from = number(fromText)
  const to = number(toText)
  const isRange = from !== undefined && to !== undefined && from < to && from < trace.end
  const axis = AXES.find((a) => a === parts.get('a'))
  const position = number(parts.get('s'))
  const selected = position === undefined ? undefined : places[position]
  return {
    ...(isRange && { from, to: Math.min(to, trace.end) }),
    ...(axis !== undefined && { axis }),
    ...(selected !== undefined && { selected }),
  }
}

/** Bounded at every step: a few bytes can stand for gigabytes. Answers what is wrong as a clause. */
const inflate = (deflated: Uint8Array): Uint8Array | string => {
  const chunks: Uint8Array[] = []
  let total = 0
  let isDone = false
  const stream = new Inflate((chunk, final) => {
    total += chunk.length
    chunks.push(chunk)
    isDone ||= final
  })
  try {
    const step = 256
    for (let at = 0; at < deflated.length; at += step) {
      stream.push(deflated.subarray(at, at + step), at + step >= deflated.length)
      if (total > INFLATED_MAX) return `unpacks to more than ${INFLATED_MAX} bytes`
    }
  } catch {
    return 'cannot be unpacked: part of it is missing or changed'
  }
  if (!isDone) return 'cannot be unpacked: its end is missing'
  const bytes = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
