/**
 * NetBSD kernels on this machine, outside the repository: `<cache>/<id>/netbsd` is the ELF, `netbsd.sha256` beside it the
 * sum it had when it was fetched. A kernel without that file was put there by hand and is taken as it is.
 */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { ok, problem, type Result, refuse } from '../src/base/problem.ts'
import type { Guest } from '../src/guests/guest.ts'

export const cacheRoot = (env: Readonly<Record<string, string | undefined>> = process.env): string => {
  const chosen = env['PLAYGROUND_CACHE']
  return chosen ? chosen : join(homedir(), '.cache', 'netbsd-microvm-playground', 'guests')
}

export const kernelPath = (root: string, id: string): string => join(root, id, 'netbsd')

export interface CachedKernel {
  readonly id: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  readonly origin: 'cached' | 'by hand' | 'fetched'
}

export interface Progress {
  readonly id: string
  readonly received: number
  /** Undefined when the server does not say. */
  readonly total: number | undefined
  /** Bytes per second since this transfer began. */
  readonly rate: number
}

export interface FetchOptions {
  readonly root: string
  /** Until a server's first answer, over all addresses together. */
  readonly connectMs?: number
  /** Without a single byte. */
  readonly stallMs?: number
  /** Fetch even when a kernel is there. */
  readonly force?: boolean
  /** Accept, and pin, a sum other than the pinned one. */
  readonly repin?: boolean
  readonly progress?: (progress: Progress) => void
}

/** Times a transfer that broke is taken up again, as long as each attempt brings something. */
const RESUMES = 5
/** No kernel is larger; a server that sends more is not sending a kernel. */
const BYTES_MAX = 256 * 1024 * 1024

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const read = (path: string): Promise<Buffer | undefined> => readFile(path).catch(() => undefined)
const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46

/** What is in the cache, without touching the network; undefined when nothing is. */
export const cachedKernel = async (guest: Guest, root: string): Promise<Result<CachedKernel> | undefined> => {
  const path = kernelPath(root, guest.id)
  const bytes = await read(path)
  if (bytes === undefined) return undefined
  const sum = sha256(bytes)
  const wanted = await pinnedSum(guest, root)
  if (wanted !== undefined && wanted !== sum)
    return refuse(
      problem(
        'cached-sum-differs',
        `the cached kernel ${path} has SHA-256 ${sum}`,
        wanted,
        `delete it, or fetch it again with "npm run guests -- --force ${guest.id}"`,
      ),
    )
  return ok({
    id: guest.id,
    path,
    bytes: bytes.length,
    sha256: sum,
    origin: wanted === undefined ? 'by hand' : 'cached',
  })
}

/** The catalogue's sum for a kernel that was fetched, or else the one it had at first use. */
const pinnedSum = async (guest: Guest, root: string): Promise<string | undefined> => {
  const recorded = (await read(`${kernelPath(root, guest.id)}.sha256`))?.toString().match(/^[0-9a-f]{64}/)?.[0]
  if (recorded === undefined || guest.kernel.kind !== 'published') return recorded
  return guest.kernel.sha256 === 'pin on first use' ? recorded : guest.kernel.sha256
}

/** The kernel of `guest`: from the cache, or fetched, checked and kept. */
export const fetchKernel = async (guest: Guest, options: FetchOptions): Promise<Result<CachedKernel>> => {
  const source = guest.kernel
  if (source.kind !== 'published')
    return refuse(
      problem('not-published', `${guest.id} is shipped with the page`, 'a guest that is fetched', 'boot it as it is'),
    )
  if (!options.force) {
    const cached = await cachedKernel(guest, options.root)
    if (cached !== undefined) return cached
  }
  const path = kernelPath(options.root, guest.id)
  await mkdir(join(options.root, guest.id), { recursive: true })

  const got = await download(guest.id, source.urls, `${path}.part`, options)
  if (!got.ok) return got
  const { url, file } = got.value
  const fail = async (kind: string, saw: string, expected: string, hint: string): Promise<Result<CachedKernel>> => {
    await rm(`${path}.part`, { force: true })
    return refuse(problem(kind, saw, expected, hint))
  }

  let elf: Uint8Array = file
  if (file[0] === 0x1f && file[1] === 0x8b) {
    const unpacked = await promisify(gunzip)(file, { maxOutputLength: BYTES_MAX }).catch((e: Error) => e)
    if (unpacked instanceof Error)
      return fail('gzip-damaged', `${url} does not unpack (${unpacked.message})`, 'a gzip file', 'fetch it again later')
    elf = unpacked
  }
  if (!isElf(elf)) return fail('not-elf', `${url} is not a kernel`, 'an ELF file', 'look at that address in a browser')

  const sum = sha256(elf)
  const wanted = source.sha256 !== 'pin on first use' ? source.sha256 : await pinnedSum(guest, options.root)
  if (wanted !== undefined && wanted !== sum && !(options.repin && source.sha256 === 'pin on first use'))
    return fail(
      'sum-differs',
      `the kernel at ${url} has SHA-256 ${sum}`,
      wanted,
      source.sha256 === 'pin on first use'
        ? `if the publisher has replaced it, accept the new one with "npm run guests -- --repin ${guest.id}"`
        : 'fetch it again later, and if it stays so report it: this is not the file that was pinned',
    )
  if (source.sumUrl !== undefined) {
    const published = await publishedSum(source.sumUrl, options)
    if (published !== undefined && published !== sha256(file))
      return fail(
        'sum-differs',
        `the kernel at ${url} has SHA-256 ${sha256(file)}`,
        `${published}, as ${source.sumUrl} says`,
        'fetch it again later',
      )
  }
  // The pin first: a kernel without one would count as put there by hand.
  await writeFile(`${path}.sha256`, `${sum}  netbsd\n`)
  await writeFile(`${path}.new`, elf)
  await rename(`${path}.new`, path)
  await rm(`${path}.part`, { force: true })
  await rm(`${path}.part.etag`, { force: true })
  return ok({ id: guest.id, path, bytes: elf.length, sha256: sum, origin: 'fetched' })
}

const publishedSum = async (url: string, options: FetchOptions): Promise<string | undefined> => {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(options.connectMs ?? 5000) })
    if (!response.ok) return undefined
    return (await response.text())
      .slice(0, 4096)
      .match(/\b[0-9a-fA-F]{64}\b/)?.[0]
      ?.toLowerCase()
  } catch {
    return undefined
  }
}

const reason = (e: unknown): string => {
  if (!(e instanceof Error)) return String(e)
  const cause = e.cause as { code?: string; message?: string } | undefined
  return cause?.code ?? cause?.message ?? e.message
}

/** Tries each address; takes up `part` where an earlier run left it. */
const download = async (
  id: string,
  urls: readonly string[],
  part: string,
  options: FetchOptions,
): Promise<Result<{ url: string; file: Buffer }>> => {
  const deadline = Date.now() + (options.connectMs ?? 5000)
  const failures: string[] = []
  let answered = false
  for (const url of urls) {
    let attempts = 0
    for (;;) {
      const before = (await stat(part).catch(() => undefined))?.size ?? 0
      // A server that has answered is given its own time again.
      const left = answered ? (options.connectMs ?? 5000) : deadline - Date.now()
      if (left <= 0) break
      const outcome = await transfer(id, url, part, before, left, options)
      answered ||= outcome.answered
      if (outcome.done) return ok({ url, file: await readFile(part) })
      const after = (await stat(part).catch(() => undefined))?.size ?? 0
      if (after > before && ++attempts <= RESUMES) continue
      failures.push(`${new URL(url).host}: ${outcome.why}`)
      break
    }
  }
  const saw = failures.length > 0 ? failures.join(', ') : `${new URL(urls[0] as string).host}: no answer`
  return refuse(
    answered
      ? problem(
          'fetch-failed',
          `the kernel of ${id} could not be fetched (${saw})`,
          'a complete file',
          'run this again; it goes on where it stopped',
        )
      : problem(
          'unreachable',
          `the kernel of ${id} could not be fetched (${saw})`,
          'its publisher to answer',
          'run this again with network; the embedded guest needs none',
        ),
  )
}

interface Outcome {
  readonly done: boolean
  readonly answered: boolean
  readonly why: string
}

/** One request, from byte `from` on, appended to `part`. */
const transfer = async (
  id: string,
  url: string,
  part: string,
  from: number,
  connectMs: number,
  options: FetchOptions,
): Promise<Outcome> => {
  const etagFile = `${part}.etag`
  const etag = from > 0 ? (await read(etagFile))?.toString() : undefined
  // Without knowing that it is the same file, a part is worth nothing.
  const resume = from > 0 && etag !== undefined && etag.startsWith(`${url}\n`)
  const abort = new AbortController()
  let timer = setTimeout(() => abort.abort(new Error(`no answer in ${(connectMs / 1000).toFixed(1)} s`)), connectMs)
  let answered = false
  try {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' }
    if (resume) {
      headers['range'] = `bytes=${from}-`
      headers['if-range'] = etag.slice(url.length + 1)
    }
    const response = await fetch(url, { signal: abort.signal, headers })
    answered = true
    const resumed = response.status === 206
    if (
      !response.ok ||
      response.body === null ||
      (resumed && !response.headers.get('content-range')?.startsWith(`bytes ${from}-`))
    ) {
      await response.body?.cancel().catch(() => {})
      if (resume) await rm(etagFile, { force: true })
      return { done: false, answered, why: `status ${response.status}` }
    }
    const tag = response.headers.get('etag') ?? response.headers.get('last-modified')
    if (tag !== null && !tag.startsWith('W/')) await writeFile(etagFile, `${url}\n${tag}`)
    else await rm(etagFile, { force: true })
    const start = resumed ? from : 0
    const length = response.headers.get('content-encoding') === null ? response.headers.get('content-length') : null
    const total = length === null ? undefined : start + Number(length)
    const stall = (): void => {
      clearTimeout(timer)
      const ms = options.stallMs ?? 15_000
      timer = setTimeout(() => abort.abort(new Error(`no byte in ${(ms / 1000).toFixed(1)} s`)), ms)
    }
    const out = createWriteStream(part, { flags: resumed ? 'a' : 'w' })
    let received = start
    const began = Date.now()
    let failed: unknown
    try {
      stall()
      for await (const chunk of response.body) {
        stall()
        received += chunk.length
        if (received > BYTES_MAX) throw new Error('more than any kernel has')
        if (!out.write(chunk)) await new Promise<void>((resolve) => out.once('drain', () => resolve()))
        options.progress?.({ id, received, total, rate: ((received - start) * 1000) / Math.max(1, Date.now() - began) })
      }
    } catch (e) {
      failed = e
    }
    await new Promise<void>((resolve, reject) => out.end((e?: Error | null) => (e ? reject(e) : resolve())))
    if (failed !== undefined) throw failed
    if (total !== undefined && received !== total)
      return { done: false, answered, why: `cut off at ${received} of ${total} bytes` }
    return { done: true, answered, why: '' }
  } catch (e) {
    return { done: false, answered, why: abort.signal.aborted ? reason(abort.signal.reason) : reason(e) }
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}
