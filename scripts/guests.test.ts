import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NETBSD_MICROVM, NETBSD_SMOL, SMOLBSD_SHELL } from '../src/guests/catalogue.ts'
import type { Guest, HttpsSource, PublishedFile } from '../src/guests/guest.ts'
import { cachePath, cacheRoot, fetchFile } from './guest-cache.ts'
import { type GuestsIo, runGuests } from './guests.ts'
import {
  dead,
  gzipped,
  Mirror,
  noise,
  ociRegistry,
  redirect,
  serve,
  silent,
  status,
  sumOf,
  tarred,
  XZ,
  ZSTD,
} from './testing/mirror.ts'

let mirror: Mirror
let root: string

beforeEach(async () => {
  mirror = await Mirror.open()
  root = mirror.directory
})
afterEach(() => mirror.close())

/** 200 kB that nothing shrinks, behind an ELF magic. */
const elf = noise(200_000, [0x7f, 0x45, 0x4c, 0x46])
const gz = gzipped(elf)
const PATH = 'netbsd-microvm/netbsd'
const HOST = 'publisher.test'

const file = (from: Partial<HttpsSource> = {}, more: Partial<PublishedFile> = {}): PublishedFile => ({
  path: PATH,
  kind: 'kernel',
  from: { kind: 'https', urls: [`https://${HOST}/netbsd.gz`], ...from },
  sha256: 'pin on first use',
  ...more,
})
const fetched = (what = file(), more: Partial<GuestsIo> = {}) =>
  fetchFile(what, { root, mirror: mirror.url, connectMs: 2000, ...more })
const kept = (path = PATH) => readFile(join(root, path))
const refusal = (kind: string) => ({ ok: false, problem: { kind } })

describe('a file', () => {
  test('is fetched, unpacked, pinned and then found in the cache', async () => {
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    const seen: number[] = []
    const first = await fetched(file(), { progress: (p) => seen.push(p.received) })
    expect(first).toMatchObject({
      ok: true,
      value: { origin: 'fetched', sha256: sumOf(elf), bytes: elf.length, checked: 'first use' },
    })
    expect(seen.at(-1)).toBe(gz.length)
    expect(sumOf(await kept())).toBe(sumOf(elf))
    expect(await readFile(join(root, `${PATH}.sha256`), 'utf8')).toBe(`${sumOf(elf)}  netbsd\n`)
    expect(await fetched()).toMatchObject({ ok: true, value: { origin: 'cached' } })
    expect(mirror.requests).toEqual([`/${HOST}/netbsd.gz`])
  })

  test('with the right sum is accepted and with a wrong one refused, leaving nothing', async () => {
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    expect(await fetched(file({}, { sha256: '0'.repeat(64) }))).toMatchObject(refusal('sum-differs'))
    await expect(kept()).rejects.toThrow()
    expect(await fetched(file({}, { sha256: sumOf(elf) }))).toMatchObject({
      ok: true,
      value: { checked: 'pinned here' },
    })
  })

  test.each(['sha256', 'sha512'] as const)('is held against its publisher’s own %s', async (algorithm) => {
    const sums = { url: `https://${HOST}/SUMS`, algorithm }
    const digits = algorithm === 'sha256' ? 64 : 128
    const other = `SHA512 (netbsd-GENERIC.gz) = ${'2'.repeat(digits)}\n`
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    mirror.on(HOST, '/SUMS', serve(Buffer.from(`${other}SHA512 (netbsd.gz) = ${'1'.repeat(digits)}\n`)))
    expect(await fetched(file({ sums }))).toMatchObject(refusal('sum-differs'))
    mirror.on(HOST, '/SUMS', serve(Buffer.from(`${other}SHA512 (netbsd.gz) = ${sumOf(gz, algorithm)}\n`)))
    expect(await fetched(file({ sums }))).toMatchObject({ value: { checked: 'first use and its publisher’s sum' } })
    mirror.on(HOST, '/SUMS', serve(Buffer.from(`${sumOf(gz, algorithm)}  images/netbsd.gz\n`)))
    expect(await fetched(file({ sums }), { force: true })).toMatchObject({ ok: true })
  })

  test('whose publisher offers no sum is kept, and the command says so', async () => {
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    expect(await fetched(file({ sums: { url: `https://${HOST}/SUMS`, algorithm: 'sha512' } }))).toMatchObject({
      value: { checked: 'first use' },
    })
  })

  test('that changed at its publisher needs --repin', async () => {
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    await fetched()
    const other = noise(200_001, [0x7f, 0x45, 0x4c, 0x46])
    mirror.on(HOST, '/netbsd.gz', serve(gzipped(other), { etag: '"2"' }))
    expect(await fetched(file(), { force: true })).toMatchObject(refusal('sum-differs'))
    expect(sumOf(await kept())).toBe(sumOf(elf))
    expect(await fetched(file(), { force: true, repin: true })).toMatchObject({ ok: true })
    expect(sumOf(await kept())).toBe(sumOf(other))
  })

  test('that a sum in the catalogue pins is not repinned', async () => {
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    expect(await fetched(file({}, { sha256: '0'.repeat(64) }), { repin: true })).toMatchObject(refusal('sum-differs'))
  })

  test('is looked for at the next address when one fails', async () => {
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    expect(await fetched(file({ urls: [`https://${HOST}/gone`, `https://${HOST}/netbsd.gz`] }))).toMatchObject({
      ok: true,
    })
  })

  test('is found behind redirects, to another host too', async () => {
    mirror.on(HOST, '/netbsd.gz', redirect('https://elsewhere.test/x?token=1'))
    mirror.on('elsewhere.test', '/x?token=1', redirect('/y'))
    mirror.on('elsewhere.test', '/y', serve(gz))
    expect(await fetched()).toMatchObject({ ok: true })
    mirror.on('elsewhere.test', '/y', redirect('/y'))
    expect(await fetched(file(), { force: true })).toMatchObject({
      ok: false,
      problem: { saw: expect.stringMatching(/redirects/) },
    })
  })

  test('is not served by two processes at once', async () => {
    await mkdir(join(root, 'netbsd-microvm'))
    await writeFile(join(root, `${PATH}.lock`), String(process.ppid))
    expect(await fetched()).toMatchObject(refusal('busy'))
    // Of a process that is gone.
    await writeFile(join(root, `${PATH}.lock`), '4194305')
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    expect(await fetched()).toMatchObject({ ok: true })
  })
})

describe('a transfer', () => {
  test('that is cut off goes on where it stopped', async () => {
    mirror.on(HOST, '/netbsd.gz', serve(gz, { cut: 80_000 }))
    expect(await fetched()).toMatchObject({ ok: true })
    expect(mirror.requests.length).toBe(3)
    expect(mirror.requests[1]).toMatch(/bytes=\d+-$/)
  })

  test('begins again where the server knows no ranges', async () => {
    let times = 0
    mirror.on(HOST, '/netbsd.gz', (request, response) =>
      serve(gz, { ranges: false, cut: times++ === 0 ? 80_000 : Number.POSITIVE_INFINITY })(request, response),
    )
    expect(await fetched()).toMatchObject({ ok: true })
    expect(sumOf(await kept())).toBe(sumOf(elf))
  })

  test('that an earlier run left is taken up, unless the file is another', async () => {
    const once = () =>
      mirror.on(HOST, '/netbsd.gz', (request, response) =>
        mirror.requests.length === 1 ? serve(gz, { cut: 80_000 })(request, response) : dead(request, response),
      )
    once()
    expect(await fetched()).toMatchObject(refusal('fetch-failed'))
    mirror.requests.length = 0
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    expect(await fetched()).toMatchObject({ ok: true })
    expect(mirror.requests[0]).toMatch(/bytes=\d+-/)

    mirror.requests.length = 0
    once()
    await fetched(file(), { force: true })
    mirror.requests.length = 0
    mirror.on(HOST, '/netbsd.gz', serve(gz, { etag: '"2"' }))
    expect(await fetched(file(), { force: true })).toMatchObject({ ok: true })
    expect(sumOf(await kept())).toBe(sumOf(elf))
  })

  test('of a slow server is waited for as long as bytes come, of a stalled one not', async () => {
    mirror.on(HOST, '/netbsd.gz', serve(gz, { piece: 50_000, everyMs: 60 }))
    expect(await fetched(file(), { connectMs: 200, stallMs: 200 })).toMatchObject({ ok: true })
    mirror.on(HOST, '/netbsd.gz', (_, response) => {
      response.writeHead(200, { 'content-length': gz.length }).write(gz.subarray(0, 10))
    })
    expect(await fetched(file(), { force: true, stallMs: 150 })).toMatchObject({
      ok: false,
      problem: { kind: 'fetch-failed', saw: expect.stringMatching(/no byte in 0\.1 s|no byte in 0\.2 s/) },
    })
  })

  test('that ends early without a length is seen when it is unpacked', async () => {
    mirror.on(HOST, '/netbsd.gz', (_, response) => response.end(gz.subarray(0, 100_000)))
    expect(await fetched()).toMatchObject(refusal('damaged'))
    await expect(kept()).rejects.toThrow()
  })
})

describe('what it is wrapped in', () => {
  test.each([
    ['nothing', elf, elf],
    ['gzip', gz, elf],
    ['xz', XZ.packed, XZ.plain],
    ['Zstandard', ZSTD.packed, ZSTD.plain],
  ])('%s', async (_, packed, plain) => {
    mirror.on(HOST, '/netbsd.gz', serve(packed))
    expect(await fetched()).toMatchObject({ ok: true })
    expect(sumOf(await kept())).toBe(sumOf(plain))
  })

  test('a file in a gzipped tar archive', async () => {
    const archive = gzipped(await tarred({ './boot.cfg': Buffer.from('x'), './netbsd': elf }))
    mirror.on(HOST, '/netbsd.gz', serve(archive))
    expect(await fetched(file({ member: 'netbsd' }))).toMatchObject({ ok: true })
    expect(sumOf(await kept())).toBe(sumOf(elf))
    expect(await fetched(file({ member: 'netbsd-XEN' }), { force: true })).toMatchObject(refusal('damaged'))
  })

  test.each([
    ['gzip', Buffer.concat([gz.subarray(0, 90_000), Buffer.alloc(1000), gz.subarray(91_000)])],
    ['xz', XZ.packed.subarray(0, XZ.packed.length - 40)],
  ])('damaged %s is refused', async (_, packed) => {
    mirror.on(HOST, '/netbsd.gz', serve(packed))
    expect(await fetched()).toMatchObject(refusal('damaged'))
  })

  test('a web page is neither a kernel nor a disk', async () => {
    mirror.on(HOST, '/netbsd.gz', serve(Buffer.from('<!DOCTYPE html><title>Sign in</title>')))
    expect(await fetched()).toMatchObject(refusal('not-elf'))
    expect(await fetched(file({}, { kind: 'disk' }))).toMatchObject(refusal('not-an-image'))
  })
})

describe('a registry', () => {
  const disk = noise(300_000)
  const image = (reference = 'latest'): PublishedFile => ({
    path: 'smolbsd-bsdshell/root.img',
    kind: 'disk',
    from: {
      kind: 'oci',
      registry: 'ghcr.test',
      repository: 'netbsdfr/smolbsd/bsdshell-amd64',
      reference,
      mediaType: 'application/x-raw-disk-image',
    },
    sha256: 'pin on first use',
  })

  test('gives a layer by tag, after a token, from where its blobs are', async () => {
    const { manifest } = ociRegistry(mirror, 'ghcr.test', disk, { token: true, blobHost: 'blobs.test' })
    expect(await fetched(image())).toMatchObject({
      ok: true,
      value: { sha256: sumOf(disk), checked: 'first use and its publisher’s sum' },
    })
    expect(sumOf(await kept(image().path))).toBe(sumOf(disk))
    expect(mirror.requests.some((line) => line.includes('/token?'))).toBe(true)
    expect(mirror.leaks, 'credentials at another host').toEqual([])
    expect(await fetched(image(manifest), { force: true })).toMatchObject({ ok: true })
  })

  test('gives a layer through an index', async () => {
    ociRegistry(mirror, 'ghcr.test', disk, { index: true })
    expect(await fetched(image())).toMatchObject({ ok: true })
  })

  test('whose manifest is not the one that was asked for is refused', async () => {
    ociRegistry(mirror, 'ghcr.test', disk)
    const wanted = `sha256:${'a'.repeat(64)}`
    mirror.on('ghcr.test', `/v2/netbsdfr/smolbsd/bsdshell-amd64/manifests/${wanted}`, serve(Buffer.from('{}')))
    expect(await fetched(image(wanted))).toMatchObject(refusal('fetch-failed'))
  })

  test('whose blob is another is refused', async () => {
    ociRegistry(mirror, 'ghcr.test', disk, { blob: noise(300_000, [1]) })
    expect(await fetched(image())).toMatchObject(refusal('sum-differs'))
    await expect(kept(image().path)).rejects.toThrow()
  })

  test('that cuts a blob off is asked for the rest', async () => {
    ociRegistry(mirror, 'ghcr.test', disk, { cut: 120_000 })
    expect(await fetched(image())).toMatchObject({ ok: true })
    expect(mirror.requests.filter((line) => /bytes=\d+-$/.test(line)).length).toBeGreaterThan(0)
  })

  test('that wants an account, has nothing, or is not there is one sentence', async () => {
    mirror.on('ghcr.test', '/v2/netbsdfr/smolbsd/bsdshell-amd64/manifests/latest', (_, response) =>
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(),
    )
    expect(await fetched(image())).toMatchObject({ problem: { saw: expect.stringMatching(/account/) } })
    mirror.on('ghcr.test', '/v2/netbsdfr/smolbsd/bsdshell-amd64/manifests/latest', status(404))
    expect(await fetched(image())).toMatchObject({ problem: { saw: expect.stringMatching(/status 404/) } })
    expect(await fetched(image(), { mirror: 'http://127.0.0.1:9' })).toMatchObject(refusal('unreachable'))
  })
})

describe('npm run guests', () => {
  const microvm: Guest = { ...NETBSD_MICROVM, kernel: { kind: 'published', file: file() } }
  const smol: Guest = {
    ...NETBSD_SMOL,
    kernel: { kind: 'published', file: { ...file({ urls: [`https://${HOST}/smol`] }), path: 'netbsd-smol/netbsd' } },
  }
  const shell: Guest = {
    ...SMOLBSD_SHELL,
    kernel: smol.kernel,
    disks: [
      {
        kind: 'image',
        readOnly: false,
        file: { ...file({ urls: [`https://${HOST}/disk`] }), path: 'smolbsd-bsdshell/root.img', kind: 'disk' },
      },
    ],
  }
  const guests = [microvm, smol, shell]
  const disk = noise(4096)

  const run = async (...argv: string[]) => {
    const lines: string[] = []
    const io = { out: (l: string) => lines.push(l), status: () => {}, guests, root, mirror: mirror.url, connectMs: 300 }
    return { status: await runGuests(argv, io), lines }
  }
  const serveAll = () => {
    mirror.on(HOST, '/netbsd.gz', serve(gz))
    mirror.on(HOST, '/smol', serve(elf))
    mirror.on(HOST, '/disk', serve(disk))
  }

  test('fetches the kernels, --all the images too, an id what it names', async () => {
    serveAll()
    expect((await run()).lines.map((l) => l.split(',')[0])).toEqual([
      'netbsd-microvm/netbsd: fetched',
      'netbsd-smol/netbsd: fetched',
    ])
    expect((await run('smolbsd-bsdshell')).lines.map((l) => l.split(',')[0])).toEqual([
      'netbsd-smol/netbsd: cached',
      'smolbsd-bsdshell/root.img: fetched',
    ])
    expect((await run('--all')).lines).toHaveLength(3)
  })

  test('--list says what is here, how large and under which sum, and asks nobody', async () => {
    serveAll()
    await run('netbsd-microvm')
    mirror.requests.length = 0
    const { lines } = await run('--list')
    expect(lines[0]).toBe(
      `netbsd-microvm/netbsd: cached, 0.2 MB, SHA-256 ${sumOf(elf)} (first use), ${cachePath(root, file())}`,
    )
    expect(lines.slice(1)).toEqual(['netbsd-smol/netbsd: not here', 'smolbsd-bsdshell/root.img: not here'])
    expect(mirror.requests).toEqual([])
  })

  test('--remove takes what is named, and not another guest’s kernel', async () => {
    serveAll()
    await run('--all')
    expect((await run('--remove', 'smolbsd-bsdshell')).lines).toEqual(['smolbsd-bsdshell/root.img: removed'])
    expect((await run('--remove')).status).toBe(2)
    expect((await run('--remove', '--all')).lines).toEqual([
      'netbsd-microvm/netbsd: removed',
      'netbsd-smol/netbsd: removed',
      'smolbsd-bsdshell/root.img: was not here',
    ])
    expect((await run('--list')).lines.every((line) => line.includes('not here'))).toBe(true)
  })

  test('unreachable publishers are exactly one sentence and no failure', async () => {
    mirror.on(HOST, '/netbsd.gz', silent)
    mirror.on(HOST, '/smol', dead)
    const { status, lines } = await run()
    expect(status).toBe(0)
    expect(lines).toEqual([
      expect.stringMatching(
        /^The publishers of netbsd-microvm\/netbsd and netbsd-smol\/netbsd could not be reached.*\.$/,
      ),
    ])
  })

  test('every other failure is one sentence and status 1', async () => {
    mirror.on(HOST, '/netbsd.gz', status(404))
    mirror.on(HOST, '/smol', serve(Buffer.from('<html>')))
    const { status: code, lines } = await run()
    expect(code).toBe(1)
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(
      /^The file netbsd-microvm\/netbsd could not be fetched \(publisher\.test: status 404\); .*\.$/,
    )
    expect(lines[1]).toMatch(/is not a kernel; expected: an ELF file\. Try: .*\.$/)
  })

  test('a kernel put there by hand is offered as it is', async () => {
    await mkdir(join(root, 'netbsd-microvm'))
    await writeFile(join(root, PATH), elf)
    const { status, lines } = await run('netbsd-microvm')
    expect(status).toBe(0)
    expect(lines[0]).toMatch(/^netbsd-microvm\/netbsd: by hand, 0\.2 MB, SHA-256 [0-9a-f]{64}, /)
    expect(mirror.requests).toEqual([])
  })

  test('a cached file that changed is refused', async () => {
    serveAll()
    await run()
    await writeFile(join(root, PATH), 'x')
    const { status, lines } = await run()
    expect(status).toBe(1)
    expect(lines.at(-1)).toMatch(/npm run guests -- --force netbsd-microvm/)
  })

  test('bad arguments are a sentence and status 2', async () => {
    expect(await run('--fast')).toMatchObject({ status: 2, lines: [expect.stringMatching(/--fast/)] })
    expect(await run('netbsd-3')).toMatchObject({ status: 2, lines: [expect.stringMatching(/netbsd-3/)] })
  })
})

test('the cache is outside the repository and can be moved', () => {
  expect(cacheRoot({})).toMatch(/\.cache\/netbsd-microvm-playground\/guests$/)
  expect(cacheRoot({ PLAYGROUND_CACHE: '/tmp/c' })).toBe('/tmp/c')
})
