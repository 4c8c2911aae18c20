/**
 * Vite's part in the catalogue. While it serves: the cache's files under `guests/published/`, fetched when somebody asks for
 * one that is missing, and `guests/status.json`, by which the page knows what is there and what is on its way. When it
 * builds: the files of the guests that GUESTS names, copied beside the page with their sums and licences.
 */
import { createReadStream } from 'node:fs'
import { copyFile, mkdir, stat, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import type { Plugin, ViteDevServer } from 'vite'
import { type Problem, problem, sentence } from '../src/base/problem.ts'
import { GUESTS } from '../src/guests/catalogue.ts'
import type { Guest, PublishedFile } from '../src/guests/guest.ts'
import type { FileStatus, GuestStatus } from '../src/guests/status.ts'
import { type CachedFile, cachePath, cacheRoot, fetchFile, isCached } from './guest-cache.ts'
import { notice } from './guest-notice.ts'
import { chooseGuests, filesOf, summary, unreachableSentence } from './guests.ts'

const FOLDER = 'guests/published'
const STATUS = 'guests/status.json'
const PUBLISHED = new RegExp(`^/${FOLDER}/([^?]+)`)

/** `off`: serve what is there. `asked`: fetch what somebody boots. `start`: fetch the eager ones at once, too. */
type Policy = 'off' | 'asked' | 'start'

/** The cache as a server sees it: each file is being fetched at most once. */
class GuestFiles {
  readonly #root = cacheRoot()
  readonly #mirror = process.env['GUESTS_MIRROR']
  readonly #policy: Policy
  readonly #coming = new Map<
    string,
    { received: number; total: number | undefined; done: Promise<Problem | undefined> }
  >()
  readonly #failed = new Map<string, string>()

  constructor(policy: Policy) {
    this.#policy = policy
  }

  at(file: PublishedFile): string {
    return cachePath(this.#root, file)
  }

  /** Undefined when the file is there, perhaps after a while. */
  async need(file: PublishedFile): Promise<Problem | undefined> {
    const coming = this.#coming.get(file.path)
    if (coming) return coming.done
    if (await isCached(file, this.#root)) return undefined
    if (this.#policy === 'off')
      return problem('not-here', `the file ${file.path} is not here`, 'it in the cache', 'run "npm run guests"')
    return this.#fetch(file)
  }

  async #fetch(file: PublishedFile): Promise<Problem | undefined> {
    const entry = {
      received: 0,
      total: undefined as number | undefined,
      done: Promise.resolve<Problem | undefined>(undefined),
    }
    this.#coming.set(file.path, entry)
    this.#failed.delete(file.path)
    entry.done = fetchFile(file, {
      root: this.#root,
      ...(this.#mirror !== undefined && { mirror: this.#mirror }),
      progress: ({ received, total }) => Object.assign(entry, { received, total }),
    }).then((result) => {
      this.#coming.delete(file.path)
      if (result.ok) {
        console.log(summary(result.value))
        return undefined
      }
      this.#failed.set(file.path, sentence(result.problem))
      return result.problem
    })
    return entry.done
  }

  /** Begins with what `npm start` fetches unasked. One sentence says that nothing could be reached. */
  async start(guests: readonly Guest[]): Promise<void> {
    if (this.#policy !== 'start') return
    const files = filesOf(guests.filter(({ eager }) => eager))
    const wrong = await Promise.all(files.map((file) => this.need(file)))
    const unreached = files.filter((_, at) => wrong[at]?.kind === 'unreachable')
    if (unreached.length > 0) console.log(unreachableSentence(unreached.map(({ path }) => path)))
    for (const p of wrong) if (p && p.kind !== 'unreachable') console.log(sentence(p))
  }

  async status(guests: readonly Guest[]): Promise<GuestStatus> {
    const files: Record<string, FileStatus> = {}
    for (const file of filesOf(guests)) files[file.path] = await this.#statusOf(file)
    return { files, fetches: this.#policy !== 'off' }
  }

  async #statusOf(file: PublishedFile): Promise<FileStatus> {
    const coming = this.#coming.get(file.path)
    const size = coming?.total ?? file.bytes
    if (coming) return { state: 'coming', received: coming.received, ...(size !== undefined && { total: size }) }
    if (await isCached(file, this.#root)) return { state: 'here', bytes: (await stat(this.at(file))).size }
    const why = this.#failed.get(file.path)
    return { state: 'absent', ...(size !== undefined && { bytes: size }), ...(why !== undefined && { why }) }
  }
}

const policyOf = (text: string | undefined): Policy => (text === 'off' || text === 'start' ? text : 'asked')

/** `headers` are what isolates the page. */
export const publishedGuests = (headers: Readonly<Record<string, string>>): Plugin => {
  const guests = GUESTS
  const files = new Map(filesOf(guests).map((file) => [file.path, file]))

  const serve = (server: ViteDevServer) => {
    const cache = new GuestFiles(policyOf(process.env['PLAYGROUND_GUESTS']))
    server.httpServer?.once('listening', () => void cache.start(guests))
    server.middlewares.use(async (request: IncomingMessage, response: ServerResponse, next: () => void) => {
      const url = request.url ?? ''
      const file = files.get(PUBLISHED.exec(url)?.[1] ?? '')
      if (file) return send(file, cache, headers, response)
      if (url.split('?')[0] !== `/${STATUS}`) return next()
      json(response, 200, headers, await cache.status(guests))
    })
  }

  // Preview serves what was built and nothing else, as a static host does.
  return { name: 'published-guests', configureServer: serve, writeBundle: ({ dir }) => bundle(guests, dir ?? 'dist') }
}

const json = (
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: unknown,
  type = 'application/json',
): void => {
  response.writeHead(status, { ...headers, 'Content-Type': type, 'Cache-Control': 'no-store' })
  response.end(JSON.stringify(body))
}

/** The file, once it is here; or why it is not, as problem details (RFC 9457) with the problem's own fields. */
const send = async (
  file: PublishedFile,
  cache: GuestFiles,
  headers: Readonly<Record<string, string>>,
  response: ServerResponse,
): Promise<void> => {
  const wrong = await cache.need(file)
  if (wrong) {
    const status = wrong.kind === 'not-here' ? 404 : 502
    return json(response, status, headers, { ...wrong, title: sentence(wrong) }, 'application/problem+json')
  }
  const at = cache.at(file)
  const { size, mtime } = await stat(at)
  response.writeHead(200, {
    ...headers,
    'Content-Type': 'application/octet-stream',
    'Content-Length': size,
    'Last-Modified': mtime.toUTCString(),
    'Cache-Control': 'no-cache',
  })
  createReadStream(at)
    .on('error', () => response.destroy())
    .pipe(response)
}

/** GUESTS: ids with commas between, `cached` for all that is in the cache, nothing for none. */
const chosenFiles = async (guests: readonly Guest[], root: string): Promise<readonly PublishedFile[]> => {
  const named = process.env['GUESTS'] ?? ''
  if (named === 'cached') {
    const files = filesOf(guests)
    const there = await Promise.all(files.map((file) => isCached(file, root)))
    return files.filter((_, at) => there[at])
  }
  const chosen = chooseGuests(named.split(',').filter(Boolean), guests)
  if (typeof chosen === 'string') throw new Error(chosen)
  return filesOf(chosen)
}

const bundle = async (guests: readonly Guest[], directory: string): Promise<void> => {
  const root = cacheRoot()
  const mirror = process.env['GUESTS_MIRROR']
  const chosen = await chosenFiles(guests, root)
  const status: Record<string, FileStatus> = {}
  for (const file of filesOf(guests)) {
    if (!chosen.includes(file)) {
      status[file.path] = { state: 'absent' }
      continue
    }
    const got = await fetchFile(file, { root, ...(mirror !== undefined && { mirror }) })
    if (!got.ok) throw new Error(sentence(got.problem))
    await place(file, got.value, join(directory, FOLDER), guests)
    status[file.path] = { state: 'here', bytes: got.value.bytes, sha256: got.value.sha256 }
  }
  await mkdir(dirname(join(directory, STATUS)), { recursive: true })
  await writeFile(join(directory, STATUS), `${JSON.stringify({ files: status, fetches: false }, undefined, 2)}\n`)
}

/** Copies a file, its sum, and whose it is. */
const place = async (
  file: PublishedFile,
  { at, sha256 }: CachedFile,
  folder: string,
  guests: readonly Guest[],
): Promise<void> => {
  const to = join(folder, file.path)
  await mkdir(dirname(to), { recursive: true })
  await copyFile(at, to)
  await writeFile(`${to}.sha256`, `${sha256}  ${file.path.split('/')[1]}\n`)
  const guest = guests.find(({ id }) => id === file.path.split('/')[0])
  if (guest) await writeFile(join(dirname(to), 'LICENCE.txt'), notice(guest))
}
