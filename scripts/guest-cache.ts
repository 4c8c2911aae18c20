/**
 * The catalogue's published files on this machine, outside the repository: `<cache>/<guest>/<file>`, and beside each
 * `<file>.sha256` with the sum it had when it was fetched. A file without one was put there by hand and is taken as it is.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ok, type Problem, ProblemError, problem, type Result, refuse } from '../src/base/problem.ts'
import type { HttpsSource, PublishedFile } from '../src/guests/guest.ts'
import { BYTES_MAX, download, get, type NetworkOptions } from './guest-download.ts'
import { findLayer } from './guest-oci.ts'
import { unpacked } from './guest-unpack.ts'

type Environment = Readonly<Record<string, string | undefined>>

export const cacheRoot = (env: Environment = process.env): string =>
  env['PLAYGROUND_CACHE'] || join(homedir(), '.cache', 'netbsd-microvm-playground', 'guests')

export const cachePath = (root: string, file: Pick<PublishedFile, 'path'>): string => join(root, file.path)

export const kernelPath = (root: string, id: string): string => join(root, id, 'netbsd')

export interface CachedFile {
  readonly path: string
  /** On this machine. */
  readonly at: string
  readonly bytes: number
  readonly sha256: string
  readonly origin: 'cached' | 'by hand' | 'fetched'
  /** What the sum was held against. */
  readonly checked: 'pinned here' | 'first use' | 'first use and its publisher’s sum' | 'nothing'
}

export interface FetchOptions extends NetworkOptions {
  readonly root: string
  /** Fetch even when the file is there. */
  readonly force?: boolean
  /** Accept, and pin, a sum other than the one of the first use. */
  readonly repin?: boolean
}

/** Digest of a file, and how long it is, without having it in memory. */
const digestOf = async (path: string, algorithm: 'sha256' | 'sha512'): Promise<{ sum: string; bytes: number }> => {
  const hash = createHash(algorithm)
  let bytes = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { sum: hash.digest('hex'), bytes }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  )

/** The sum at first use; undefined for a file that was put there by hand. */
const recordedSum = async (at: string): Promise<string | undefined> =>
  (await readFile(`${at}.sha256`, 'utf8').catch(() => '')).match(/^[0-9a-f]{64}/)?.[0]

/** The catalogue's sum for a file that was fetched, or else the one it had at first use. */
const pinnedSum = async (file: PublishedFile, at: string): Promise<string | undefined> => {
  const recorded = await recordedSum(at)
  return recorded === undefined || file.sha256 === 'pin on first use' ? recorded : file.sha256
}

/** What is in the cache, without touching the network; undefined when nothing is. */
export const cachedFile = async (file: PublishedFile, root: string): Promise<Result<CachedFile> | undefined> => {
  const at = cachePath(root, file)
  if (!(await isThere(at))) return undefined
  const { sum, bytes } = await digestOf(at, 'sha256')
  const wanted = await pinnedSum(file, at)
  if (wanted !== undefined && wanted !== sum)
    return refuse(
      problem(
        'cached-sum-differs',
        `the cached ${at} has SHA-256 ${sum}`,
        wanted,
        `delete it, or fetch it again with "npm run guests -- --force ${guestOf(file)}"`,
      ),
    )
  const checked = wanted === undefined ? 'nothing' : file.sha256 === wanted ? 'pinned here' : 'first use'
  return ok({ path: file.path, at, bytes, sha256: sum, origin: wanted === undefined ? 'by hand' : 'cached', checked })
}

const guestOf = (file: PublishedFile): string => dirname(file.path)

/** Whether a file is there at all: enough to say so in the page, where the sum would cost a second. */
export const isCached = (file: PublishedFile, root: string): Promise<boolean> => isThere(cachePath(root, file))

/** Deletes the file and everything about it. False when there was none. */
export const removeFile = async (file: PublishedFile, root: string): Promise<boolean> => {
  const at = cachePath(root, file)
  const was = await isThere(at)
  for (const suffix of ['', '.sha256', '.part', '.part.etag', '.new']) await rm(`${at}${suffix}`, { force: true })
  return was
}

/** The file: from the cache, or fetched, checked, unpacked and kept. */
export const fetchFile = async (file: PublishedFile, options: FetchOptions): Promise<Result<CachedFile>> => {
  if (!options.force) {
    const cached = await cachedFile(file, options.root)
    if (cached !== undefined) return cached
  }
  const at = cachePath(options.root, file)
  try {
    await mkdir(dirname(at), { recursive: true })
    const lock = await takeLock(file, `${at}.lock`)
    try {
      return ok(await fetchInto(file, at, options))
    } finally {
      await lock()
    }
  } catch (e) {
    if (e instanceof ProblemError) return refuse(e.problem)
    const saw = `${at} could not be written (${e instanceof Error ? e.message : String(e)})`
    return refuse(problem('cache-unwritable', saw, 'room, and leave to write there', 'set PLAYGROUND_CACHE elsewhere'))
  }
}

const orThrow = <T>(result: Result<T>): T => {
  if (!result.ok) throw new ProblemError(result.problem)
  return result.value
}

const fetchInto = async (file: PublishedFile, at: string, options: FetchOptions): Promise<CachedFile> => {
  const part = `${at}.part`
  const fetched = `${at}.new`
  const url = orThrow(await transferOf(file, part, options))
  let isSound = false
  try {
    const isPublished = file.from.kind === 'oci' || (await checkPublishedSum(file.from, url, part, options))
    const { sum, bytes } = await unpack(file, url, part, fetched)
    await checkPin(file, at, url, sum, options)
    // The pin first: a file without one would count as put there by hand.
    await writeFile(`${at}.sha256`, `${sum}  ${basename(at)}\n`)
    await rename(fetched, at)
    isSound = true
    const first = isPublished ? 'first use and its publisher’s sum' : 'first use'
    const checked = file.sha256 === sum ? 'pinned here' : first
    return { path: file.path, at, bytes, sha256: sum, origin: 'fetched', checked }
  } finally {
    // What is not sound is not gone on with either.
    for (const spent of [part, `${part}.etag`, ...(isSound ? [] : [fetched])]) await rm(spent, { force: true })
  }
}

/** Fetches into `part`. Returns the address it came from. */
const transferOf = async (
  { path, from }: PublishedFile,
  part: string,
  options: FetchOptions,
): Promise<Result<string>> => {
  if (from.kind === 'https')
    return download(
      path,
      from.urls.map((url) => ({ url })),
      part,
      options,
    )
  const layer = await findLayer(path, from, options)
  if (!layer.ok) return layer
  const got = await download(path, [layer.value.address], part, options)
  if (!got.ok) return got
  const { sum } = await digestOf(part, 'sha256')
  if (sum === layer.value.sha256) return got
  await rm(part, { force: true })
  return refuse(sumDiffers(got.value, 'SHA-256', sum, `${layer.value.sha256}, its digest`, 'fetch it again later'))
}

const sumDiffers = (url: string, name: string, sum: string, expected: string, hint: string): Problem =>
  problem('sum-differs', `the file at ${url} has ${name} ${sum}`, expected, hint)

/** Whether the publisher's own sum was there to hold the file against. */
const checkPublishedSum = async (
  { sums }: HttpsSource,
  url: string,
  part: string,
  options: FetchOptions,
): Promise<boolean> => {
  const published = sums && (await publishedSum(sums, basename(new URL(url).pathname), options))
  if (!sums || published === undefined) return false
  const { sum } = await digestOf(part, sums.algorithm)
  if (sum === published) return true
  const name = sums.algorithm === 'sha256' ? 'SHA-256' : 'SHA-512'
  throw new ProblemError(sumDiffers(url, name, sum, `${published}, as ${sums.url} says`, 'fetch it again later'))
}

/** A line of sha256sum(1), `SUM  FILE`, or of NetBSD's cksum(1), `SHA512 (FILE) = SUM`. */
const publishedSum = async (
  { url, algorithm }: NonNullable<HttpsSource['sums']>,
  name: string,
  options: FetchOptions,
): Promise<string | undefined> => {
  try {
    const response = await get({ url }, options, AbortSignal.timeout(options.connectMs ?? 5000))
    if (!response.ok) return undefined
    const sum = new RegExp(`\\b[0-9a-f]{${algorithm === 'sha256' ? 64 : 128}}\\b`, 'i')
    const lines = (await response.text())
      .slice(0, 65536)
      .split('\n')
      .filter((line) => sum.test(line))
    // A file of one sum may call it by another name.
    const line = lines.length === 1 ? lines[0] : lines.find((l) => l.split(/[\s()*]+/).includes(name))
    return line?.match(sum)?.[0].toLowerCase()
  } catch {
    return undefined
  }
}

const unpack = async (
  { kind, from }: PublishedFile,
  url: string,
  part: string,
  to: string,
): Promise<{ sum: string; bytes: number }> => {
  let bytes = 0
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length
      done(bytes > BYTES_MAX ? new Error(`more than ${BYTES_MAX} bytes inside`) : null, chunk)
    },
  })
  try {
    const member = from.kind === 'https' ? from.member : undefined
    await pipeline(await unpacked(part, member), count, createWriteStream(to))
  } catch (e) {
    const saw = `what came from ${url} does not unpack (${e instanceof Error ? e.message : String(e)})`
    throw new ProblemError(problem('damaged', saw, 'a gzip, xz, Zstandard or tar file', 'fetch it again later'))
  }
  if (kind === 'kernel' && !(await isElf(to)))
    throw new ProblemError(
      problem('not-elf', `what came from ${url} is not a kernel`, 'an ELF file', 'look at that address in a browser'),
    )
  if (kind === 'disk' && (bytes === 0 || (await isText(to))))
    throw new ProblemError(
      problem(
        'not-an-image',
        `what came from ${url} is not a disk image`,
        'raw sectors',
        'look at that address in a browser',
      ),
    )
  return digestOf(to, 'sha256')
}

const headOf = async (path: string): Promise<Buffer> => {
  const file = await open(path)
  try {
    return (await file.read(Buffer.alloc(64), 0, 64, 0)).buffer
  } finally {
    await file.close()
  }
}
const isElf = async (path: string): Promise<boolean> =>
  (await headOf(path)).subarray(0, 4).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46]))
/** A page to sign in begins like this; a disk begins with code, a disklabel or nothing. */
const isText = async (path: string): Promise<boolean> =>
  /^\s*<(!doctype|html|\?xml)/i.test((await headOf(path)).toString())

const checkPin = async (
  file: PublishedFile,
  at: string,
  url: string,
  sum: string,
  { repin }: FetchOptions,
): Promise<void> => {
  const isFixed = file.sha256 !== 'pin on first use'
  const wanted = isFixed ? file.sha256 : await recordedSum(at)
  if (wanted === undefined || wanted === sum || (repin && !isFixed)) return
  const hint = isFixed
    ? 'fetch it again later, and if it stays so report it: this is not the file that was pinned'
    : `if the publisher has replaced it, accept the new one with "npm run guests -- --repin ${guestOf(file)}"`
  throw new ProblemError(sumDiffers(url, 'SHA-256', sum, wanted, hint))
}

/** Two processes must not write one part. Returns what gives the lock back. */
const takeLock = async (file: PublishedFile, path: string): Promise<() => Promise<void>> => {
  for (;;) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' })
      return () => rm(path, { force: true })
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => ''))
    if (isAlive(owner))
      throw new ProblemError(
        problem('busy', `process ${owner} is fetching ${file.path} already`, 'one at a time', 'wait for it'),
      )
    await rm(path, { force: true })
  }
}

const isAlive = (pid: number): boolean => {
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM'
  }
}
