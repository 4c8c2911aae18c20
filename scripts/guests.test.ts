import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NETBSD_MICROVM } from '../src/guests/catalogue.ts'
import type { Guest, KernelSource } from '../src/guests/guest.ts'
import { cacheRoot, fetchKernel } from './guest-cache.ts'
import { runGuests } from './guests.ts'

let server: Server
let base: string
let root: string
let requests: string[]
let answer: (request: IncomingMessage, response: ServerResponse) => void

/** 200 kB that gzip cannot shrink, behind an ELF magic. */
const elf = Buffer.alloc(200_000)
for (let i = 0, x = 1; i < elf.length; i++) elf[i] = x = (x * 75 + 74) % 65537
elf.set([0x7f, 0x45, 0x4c, 0x46])
const gz = gzipSync(elf)
const sum = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'guests-'))
  requests = []
  server = createServer((request, response) => {
    requests.push(`${request.url} ${request.headers.range ?? ''}`.trim())
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(root, { recursive: true })
})

const guest = (more: Partial<Extract<KernelSource, { kind: 'published' }>> = {}): Guest => ({
  ...NETBSD_MICROVM,
  kernel: { kind: 'published', urls: [`${base}/netbsd.gz`], sha256: 'pin on first use', ...more },
})

/** Serves `body` with an ETag and ranges; `cut` bytes per request at most. */
const serve =
  (body: Uint8Array, { cut = Infinity, etag = '"1"' } = {}) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    const range = /bytes=(\d+)-/.exec(request.headers.range ?? '')
    const from = range && request.headers['if-range'] === etag ? Number(range[1]) : 0
    const rest = body.subarray(from)
    response.writeHead(from > 0 ? 206 : 200, {
      etag,
      'content-length': rest.length,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {}),
    })
    if (rest.length <= cut) response.end(rest)
    else response.write(rest.subarray(0, cut), () => setTimeout(() => response.destroy(), 20))
  }

test('a kernel is fetched, unpacked, pinned and then found in the cache', async () => {
  answer = serve(gz)
  const seen: number[] = []
  const first = await fetchKernel(guest(), { root, progress: (p) => seen.push(p.received) })
  expect(first).toMatchObject({ ok: true, value: { origin: 'fetched', sha256: sum(elf), bytes: elf.length } })
  expect(seen.at(-1)).toBe(gz.length)
  expect(await readFile(join(root, 'netbsd-microvm', 'netbsd'))).toEqual(elf)
  expect(await readFile(join(root, 'netbsd-microvm', 'netbsd.sha256'), 'utf8')).toContain(sum(elf))
  expect(await fetchKernel(guest(), { root })).toMatchObject({ ok: true, value: { origin: 'cached' } })
  expect(requests).toEqual(['/netbsd.gz'])
})

test('the right sum is accepted and a wrong one refused, leaving nothing', async () => {
  answer = serve(gz)
  const wrong = await fetchKernel(guest({ sha256: '0'.repeat(64) }), { root })
  expect(wrong).toMatchObject({ ok: false, problem: { kind: 'sum-differs' } })
  await expect(readFile(join(root, 'netbsd-microvm', 'netbsd'))).rejects.toThrow()
  expect((await fetchKernel(guest({ sha256: sum(elf) }), { root })).ok).toBe(true)
})

test("the publisher's own sum is checked where there is one", async () => {
  let said = '1'.repeat(64)
  answer = (request, response) =>
    request.url === '/sum' ? void response.end(`${said}  netbsd\n`) : serve(gz)(request, response)
  expect(await fetchKernel(guest({ sumUrl: `${base}/sum` }), { root })).toMatchObject({
    ok: false,
    problem: { kind: 'sum-differs' },
  })
  said = sum(gz)
  expect((await fetchKernel(guest({ sumUrl: `${base}/sum` }), { root })).ok).toBe(true)
})

test('a kernel that changed at its publisher needs --repin', async () => {
  answer = serve(gz)
  await fetchKernel(guest(), { root })
  const other = Buffer.from(elf)
  other[100]! ^= 1
  answer = serve(gzipSync(other))
  expect(await fetchKernel(guest(), { root, force: true })).toMatchObject({
    ok: false,
    problem: { kind: 'sum-differs' },
  })
  expect(await readFile(join(root, 'netbsd-microvm', 'netbsd'))).toEqual(elf)
  expect((await fetchKernel(guest(), { root, force: true, repin: true })).ok).toBe(true)
  expect(await readFile(join(root, 'netbsd-microvm', 'netbsd'))).toEqual(other)
})

test('a transfer that is cut off goes on where it stopped', async () => {
  answer = serve(gz, { cut: 80_000 })
  expect((await fetchKernel(guest(), { root })).ok).toBe(true)
  expect(requests.length).toBe(3)
  expect(requests[1]).toMatch(/bytes=\d+-/)
})

test('so does one that an earlier run left, unless the file is another', async () => {
  const dead = (request: IncomingMessage, response: ServerResponse) =>
    requests.length === 1 ? serve(gz, { cut: 80_000 })(request, response) : void response.destroy()
  answer = dead
  expect(await fetchKernel(guest(), { root })).toMatchObject({ ok: false, problem: { kind: 'fetch-failed' } })
  requests = []
  answer = serve(gz)
  expect((await fetchKernel(guest(), { root })).ok).toBe(true)
  expect(requests[0]).toMatch(/bytes=\d+-/)

  await rm(join(root, 'netbsd-microvm'), { recursive: true })
  requests = []
  answer = dead
  await fetchKernel(guest(), { root })
  requests = []
  answer = serve(gz, { etag: '"2"' })
  expect((await fetchKernel(guest(), { root })).ok).toBe(true)
})

test('a slow server is waited for as long as bytes come, a stalled one is not', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-length': gz.length })
    let at = 0
    const timer = setInterval(() => {
      response.write(gz.subarray(at, at + 50_000))
      at += 50_000
      if (at >= gz.length) {
        clearInterval(timer)
        response.end()
      }
    }, 60)
  }
  expect((await fetchKernel(guest(), { root, connectMs: 200, stallMs: 200 })).ok).toBe(true)
  answer = (_, response) => void response.writeHead(200, { 'content-length': gz.length }).write(gz.subarray(0, 10))
  const started = Date.now()
  const stalled = await fetchKernel(guest(), { root, force: true, stallMs: 150 })
  expect(stalled).toMatchObject({ ok: false, problem: { kind: 'fetch-failed' } })
  expect(Date.now() - started).toBeLessThan(5000)
})

test('the next address is tried when one fails', async () => {
  answer = (request, response) =>
    request.url === '/gone' ? void response.writeHead(404).end() : serve(gz)(request, response)
  expect((await fetchKernel(guest({ urls: [`${base}/gone`, `${base}/netbsd.gz`] }), { root })).ok).toBe(true)
})

test('a web page is not a kernel', async () => {
  answer = serve(Buffer.from('<html>sign in</html>'))
  expect(await fetchKernel(guest(), { root })).toMatchObject({ ok: false, problem: { kind: 'not-elf' } })
})

const run = async (argv: string[], guests: Guest[]) => {
  const lines: string[] = []
  const status = await runGuests(argv, { out: (l) => lines.push(l), status: () => {}, guests, root, connectMs: 300 })
  return { status, lines }
}

test('unreachable publishers are exactly one sentence, quickly, and no failure', async () => {
  answer = () => {}
  const started = Date.now()
  const silent = guest({ urls: [`${base}/a`, `${base}/b`] })
  const refused = { ...guest({ urls: ['http://127.0.0.1:9/netbsd'] }), id: 'netbsd-smol' }
  const { status, lines } = await run([], [silent, refused])
  expect(status).toBe(0)
  expect(lines.length).toBe(1)
  expect(lines[0]).toMatch(/netbsd-microvm and netbsd-smol could not be reached.*\.$/)
  expect(Date.now() - started).toBeLessThan(3000)
})

test('a kernel put there by hand is offered as it is', async () => {
  answer = (_, response) => void response.writeHead(500).end()
  await mkdir(join(root, 'netbsd-microvm'))
  await writeFile(join(root, 'netbsd-microvm', 'netbsd'), elf)
  const { status, lines } = await run([], [guest()])
  expect(status).toBe(0)
  expect(lines[0]).toMatch(/^netbsd-microvm: by hand, 0\.2 MB/)
  expect(requests).toEqual([])
  expect((await run(['--list'], [guest()])).lines[0]).toMatch(/by hand/)
})

test('a cached kernel that changed is refused', async () => {
  answer = serve(gz)
  await fetchKernel(guest(), { root })
  await writeFile(join(root, 'netbsd-microvm', 'netbsd'), 'x')
  const { status, lines } = await run([], [guest()])
  expect(status).toBe(1)
  expect(lines[0]).toMatch(/npm run guests -- --force netbsd-microvm/)
})

test('bad arguments are a sentence and status 2', async () => {
  expect(await run(['--fast'], [guest()])).toMatchObject({ status: 2, lines: [expect.stringMatching(/--fast/)] })
  expect(await run(['netbsd-3'], [guest()])).toMatchObject({ status: 2, lines: [expect.stringMatching(/netbsd-3/)] })
})

test('the cache is outside the repository and can be moved', () => {
  expect(cacheRoot({})).toMatch(/\.cache\/netbsd-microvm-playground\/guests$/)
  expect(cacheRoot({ PLAYGROUND_CACHE: '/tmp/c' })).toBe('/tmp/c')
})
