/**
 * One file over HTTP into `part`: several addresses, resume by Range where the server offers it, redirects, a mirror, and
 * an end to waiting for servers that do not answer.
 */
import { createWriteStream } from 'node:fs'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { ok, problem, type Result, refuse } from '../src/base/problem.ts'

export interface Progress {
  readonly path: string
  readonly received: number
  /** Undefined when the server does not say. */
  readonly total: number | undefined
  /** Bytes per second since this transfer began. */
  readonly rate: number
}

export interface NetworkOptions {
  /** Every host is looked for below this address instead: `https://HOST/PATH` becomes `MIRROR/HOST/PATH`. */
  readonly mirror?: string
  /** Until a server's first answer, over all addresses together. */
  readonly connectMs?: number
  /** Without a single byte. */
  readonly stallMs?: number
  readonly progress?: (progress: Progress) => void
}

export interface Address {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** Names the content for good, so that any server's part of it may be gone on with. */
  readonly digest?: string
}

/** Times a transfer that broke is taken up again, as long as each attempt brings something. */
const RESUMES = 5
const REDIRECTS = 5
const CONNECT_MS = 5000
const STALL_MS = 15_000
/** No kernel and no image here is larger; a server that sends more is not sending one. */
export const BYTES_MAX = 1024 * 1024 * 1024

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

export const mirrored = (url: string, mirror: string | undefined): string => {
  if (!mirror) return url
  const { host, pathname, search } = new URL(url)
  return `${mirror.replace(/\/$/, '')}/${host}${pathname}${search}`
}

/** A GET with every hop's redirect through the mirror; credentials stay with their host. */
export const get = async (
  address: Address,
  { mirror }: NetworkOptions,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> => {
  let url = new URL(address.url)
  let own: Readonly<Record<string, string>> = address.headers ?? {}
  for (let hop = 0; ; hop++) {
    const at = mirrored(url.href, mirror)
    const response = await fetch(at, { signal, redirect: 'manual', headers: { ...headers, ...own } })
    const location = response.headers.get('location')
    if (response.status < 300 || response.status > 399 || location === null) return response
    await response.body?.cancel()
    if (hop === REDIRECTS) throw new Error(`more than ${REDIRECTS} redirects`)
    const next = new URL(location, url)
    if (next.protocol !== 'https:' && next.protocol !== url.protocol)
      throw new Error(`a redirect from ${url.protocol} to ${next.protocol}`)
    if (next.host !== url.host) own = {}
    url = next
  }
}

/** What went wrong below fetch(), in a few words. */
export const reason = (e: unknown): string => {
  if (!(e instanceof Error)) return String(e)
  const cause = e.cause as { code?: string; message?: string } | undefined
  return cause?.code ?? cause?.message ?? e.message
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0

/** Tries each address; takes up `part` where an earlier run left it. Returns the address that gave the file. */
export const download = async (
  path: string,
  addresses: readonly Address[],
  part: string,
  options: NetworkOptions,
): Promise<Result<string>> => {
  const connectMs = options.connectMs ?? CONNECT_MS
  const deadline = Date.now() + connectMs
  const failures: string[] = []
  let answered = false
  for (const address of addresses) {
    for (let attempt = 0; ; attempt++) {
      // A server that has answered is given its own time again.
      const left = answered ? connectMs : deadline - Date.now()
      if (left <= 0) break
      const before = await sizeOf(part)
      const outcome = await transfer(path, address, part, before, left, options)
      answered ||= outcome.answered
      if (outcome.done) return ok(address.url)
      if (outcome.again || ((await sizeOf(part)) > before && attempt < RESUMES)) continue
      failures.push(`${new URL(address.url).host}: ${outcome.why}`)
      break
    }
  }
  const saw = failures.length > 0 ? failures.join(', ') : `${new URL((addresses[0] as Address).url).host}: no answer`
  return refuse(answered ? brokenOff(path, saw) : unreachable(path, saw))
}

export const unreachable = (path: string, saw: string) =>
  problem(
    'unreachable',
    `the file ${path} could not be fetched (${saw})`,
    'its publisher to answer',
    'try again with network; the embedded guest needs none',
  )

export const brokenOff = (path: string, saw: string) =>
  problem(
    'fetch-failed',
    `the file ${path} could not be fetched (${saw})`,
    'a complete file',
    'try again; it goes on where it stopped',
  )

interface Outcome {
  readonly done: boolean
  readonly answered: boolean
  /** The part was worth nothing and is gone: once more from the beginning. */
  readonly again?: boolean
  readonly why: string
}

/** What lets a server say that its file is still the one that `part` begins: its digest, or an entity tag. */
class Validator {
  readonly #file: string
  readonly #address: Address

  constructor(part: string, address: Address) {
    this.#file = `${part}.etag`
    this.#address = address
  }

  async headers(from: number): Promise<Record<string, string> | undefined> {
    const known = from > 0 ? await readFile(this.#file, 'utf8').catch(() => '') : ''
    const [whose, tag] = known.split('\n')
    const { url, digest } = this.#address
    if (tag === undefined || whose !== (digest ?? url)) return undefined
    return { range: `bytes=${from}-`, ...(digest === undefined && { 'if-range': tag }) }
  }

  async keep(response: Response): Promise<void> {
    const { url, digest } = this.#address
    const tag = response.headers.get('etag') ?? response.headers.get('last-modified')
    if (digest !== undefined) await writeFile(this.#file, `${digest}\n`)
    else if (tag !== null && !tag.startsWith('W/')) await writeFile(this.#file, `${url}\n${tag}`)
    else await this.forget()
  }

  forget(): Promise<void> {
    return rm(this.#file, { force: true })
  }
}

/** One request, from byte `from` on, appended to `part`. */
const transfer = async (
  path: string,
  address: Address,
  part: string,
  from: number,
  connectMs: number,
  options: NetworkOptions,
): Promise<Outcome> => {
  const validator = new Validator(part, address)
  const resume = await validator.headers(from)
  const abort = new AbortController()
  const connect = new Error(`no answer in ${seconds(connectMs)}`)
  let timer = setTimeout(() => abort.abort(connect), connectMs)
  const stall = (): void => {
    const ms = options.stallMs ?? STALL_MS
    clearTimeout(timer)
    timer = setTimeout(() => abort.abort(new Error(`no byte in ${seconds(ms)}`)), ms)
  }
  let answered = false
  try {
    const response = await get(address, options, abort.signal, { 'accept-encoding': 'identity', ...resume })
    answered = true
    const resumed = response.status === 206
    if (!response.ok || response.body === null || (resumed && !isFrom(response, from))) {
      await response.body?.cancel().catch(() => {})
      if (resume === undefined) return { done: false, answered, why: `status ${response.status}` }
      await validator.forget()
      return { done: false, answered, again: true, why: `status ${response.status}` }
    }
    await validator.keep(response)
    const start = resumed ? from : 0
    const length = response.headers.get('content-encoding') === null ? response.headers.get('content-length') : null
    const total = length === null ? undefined : start + Number(length)
    const began = Date.now()
    const received = await append(response.body, part, resumed, (written) => {
      stall()
      if (start + written > BYTES_MAX) throw new Error('more than any image here has')
      const rate = (written * 1000) / Math.max(1, Date.now() - began)
      options.progress?.({ path, received: start + written, total, rate })
    })
    if (total !== undefined && start + received !== total)
      return { done: false, answered, why: `cut off at ${start + received} of ${total} bytes` }
    return { done: true, answered, why: '' }
  } catch (e) {
    return { done: false, answered, why: abort.signal.aborted ? reason(abort.signal.reason) : reason(e) }
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}

const isFrom = (response: Response, from: number): boolean =>
  response.headers.get('content-range')?.startsWith(`bytes ${from}-`) ?? false

/** Bytes written. What came before a failure is kept, for the next attempt. */
const append = async (
  body: ReadableStream<Uint8Array>,
  part: string,
  resumed: boolean,
  each: (written: number) => void,
): Promise<number> => {
  const out = createWriteStream(part, { flags: resumed ? 'a' : 'w' })
  const failed = new Promise<never>((_, reject) => out.on('error', reject))
  failed.catch(() => {})
  let written = 0
  try {
    each(0)
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      written += chunk.length
      each(written)
      if (!out.write(chunk)) await Promise.race([failed, new Promise<void>((done) => out.once('drain', done))])
    }
  } finally {
    await Promise.race([failed, new Promise<void>((done) => out.end(done))])
  }
  return written
}
