/**
 * The whole way of a published guest: a publisher on localhost, good or bad, `npm start` or a build, the boot in the page.
 * The kernel is NetBSD's where `npm run guests` has fetched it; elsewhere the embedded guest stands in under its id.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import {
  dead,
  gptDisk,
  gzipped,
  Mirror,
  ociRegistry,
  redirect,
  serve,
  silent,
  status,
  sumOf,
} from '../scripts/testing/mirror.ts'
import { sentence } from '../src/base/problem.ts'
import { netbsdRoot } from '../src/disk/netbsd-root.ts'
import { expect, type PlaygroundPage, test } from './playground-page.ts'

const ROOT = join(import.meta.dirname, '..')
const NETBSD = kernelPath(cacheRoot(), 'netbsd-microvm')
const isReal = existsSync(NETBSD)
const kernel = readFileSync(isReal ? NETBSD : join(ROOT, 'public/guests/embedded/playground.elf'))
/** What the kernel says when it has booted from the root that it was given. */
const BOOTED = isReal ? 'INIT: hello from NetBSD userland' : 'playground> '
const packed = gzipped(kernel)

const HOST = 'cdn.netbsd.org'
const PATH = '/pub/NetBSD/NetBSD-11.0/amd64/binary/kernel/netbsd-MICROVM.gz'
const SUMS = '/pub/NetBSD/NetBSD-11.0/amd64/binary/kernel/SHA512'
const sumsOf = (bytes: Uint8Array) => Buffer.from(`SHA512 (netbsd-MICROVM.gz) = ${sumOf(bytes, 'sha512')}\n`)

let mirror: Mirror
let child: ChildProcess | undefined
let terminal: string

test.beforeEach(async () => {
  mirror = await Mirror.open()
  terminal = ''
})
test.afterEach(async () => {
  const running = child
  child = undefined
  if (running?.exitCode === null) {
    const gone = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGTERM')
    await gone
  }
  await mirror.close()
})

const environment = () => ({
  ...process.env,
  PLAYGROUND_CACHE: mirror.directory,
  PLAYGROUND_WATCH: 'off',
  GUESTS_MIRROR: mirror.url,
})

const START_PORT = String(Number(process.env['PLAYGROUND_PORT'] ?? 5301) + 3)

/** `npm start`, with nothing in its cache. Returns the page's address. */
const start = async (...options: string[]): Promise<string> => {
  child = spawn(process.execPath, [join(ROOT, 'scripts/start.mjs'), '--port', START_PORT, ...options], {
    cwd: ROOT,
    env: environment(),
  })
  const address = new Promise<string>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      terminal += chunk
      const found = /playground: (\S+)/.exec(terminal)?.[1]
      if (found) resolve(found)
    }
    child?.stdout?.on('data', hear)
    child?.stderr?.on('data', hear)
    child?.on('exit', () => reject(new Error(terminal)))
  })
  return address
}

const openAt = async (playground: PlaygroundPage, address: string, query = '') => {
  await playground.page.goto(`${address}${query}`)
  await playground.page.waitForFunction(() => 'playground' in window && crossOriginIsolated)
}
const option = (playground: PlaygroundPage, id: string) => playground.page.locator(`option[value="${id}"]`)

/** The embedded guest boots whatever else is wrong. */
const bootEmbedded = async (playground: PlaygroundPage) => {
  await playground.boot('embedded')
  await playground.prompt()
}

test.describe('npm start', () => {
  test.beforeEach(({ playground: _ }, info) => {
    test.skip(info.project.name !== 'dev', 'it starts a server of its own')
    // Whatever is not served below is not there.
    mirror.on('smolbsd.org', '/assets/netbsd-SMOL', status(404))
  })

  test('offers the embedded guest at once, and NetBSD as it comes', async ({ playground, page }) => {
    test.setTimeout(120_000)
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    mirror.on(HOST, PATH, serve(packed, { released }))
    mirror.on('ftp.netbsd.org', SUMS, serve(sumsOf(packed)))
    await openAt(playground, await start())
    await expect(option(playground, 'netbsd-microvm')).toHaveText(/^NetBSD 11 MICROVM · \d+ %$/)
    await bootEmbedded(playground)
    await page.evaluate(() => window.playground.powerOff())

    // Boot waits for the same transfer, and shows it.
    const booted = playground.boot('netbsd-microvm')
    await expect(page.getByText('netbsd-microvm/netbsd')).toBeVisible()
    release()
    await booted
    await playground.waitForText(BOOTED, 60_000)
    await expect(option(playground, 'netbsd-microvm')).toHaveText('NetBSD 11 MICROVM')
    expect(mirror.requests.filter((line) => line.includes(PATH))).toHaveLength(1)
    expect(terminal).toMatch(/netbsd-microvm\/netbsd: fetched, .* \(first use and its publisher’s sum\)/)
  })

  for (const [name, ranges] of [
    ['goes on where a transfer was cut off', true],
    ['begins again where the server knows no ranges', false],
  ] as const)
    test(name, async ({ playground }) => {
      let times = 0
      mirror.on(HOST, PATH, (request, response) => {
        const cut = times++ === 0 ? Math.floor(packed.length / 2) : Number.POSITIVE_INFINITY
        serve(packed, { ranges, cut })(request, response)
      })
      await openAt(playground, await start())
      await playground.boot('netbsd-microvm')
      await playground.waitForText(BOOTED, 60_000)
      expect(mirror.requests.filter((line) => line.includes(PATH)).length).toBe(2)
    })

  const failures = [
    [
      'a sum that differs',
      () => mirror.on('ftp.netbsd.org', SUMS, serve(sumsOf(kernel))),
      /has SHA-512 \w+; expected:/,
    ],
    ['a kernel that is not there', () => mirror.on(HOST, PATH, status(404)), /status 404/],
    ['a page in its place', () => mirror.on(HOST, PATH, serve(Buffer.from('<!doctype html>'))), /is not a kernel;/],
    ['a redirect to nowhere', () => mirror.on(HOST, PATH, redirect('/sign-in')), /status 404/],
    ['a broken server', () => mirror.on(HOST, PATH, dead), /could not be fetched/],
  ] as const
  for (const [name, spoil, pattern] of failures)
    test(`${name} is one sentence, in the terminal and in the page`, async ({ playground, page }) => {
      mirror.on(HOST, PATH, serve(packed))
      spoil()
      await openAt(playground, await start())
      await expect.poll(() => terminal.match(/microvm\/netbsd|MICROVM/i)).not.toBeNull()
      await expect(playground.boot('netbsd-microvm')).rejects.toThrow(pattern)
      await expect(page.getByTestId('problem')).toContainText(pattern)
      await expect(page.getByTestId('problem')).not.toContainText(/at \w+ \(|Error:/)
      expect(terminal).not.toMatch(/\n\s+at /)
      await bootEmbedded(playground)
    })

  test('says once that nobody answers, and boots what it has', async ({ playground, page }) => {
    for (const host of [HOST, 'ftp.netbsd.org']) mirror.on(host, PATH, silent)
    mirror.on('smolbsd.org', '/assets/netbsd-SMOL', silent)
    await openAt(playground, await start())
    await bootEmbedded(playground)
    await expect.poll(() => terminal, { timeout: 15_000 }).toMatch(/could not be reached, so they are not here yet/)
    await page.evaluate(() => window.playground.powerOff())
    expect(terminal.trim().split('\n')).toHaveLength(2)
    await expect(option(playground, 'netbsd-microvm')).toHaveText(/· to fetch$/)
  })

  test('fetches nothing unasked with --no-guests, and says what to do', async ({ playground, page }) => {
    mirror.on(HOST, PATH, serve(packed))
    await openAt(playground, await start('--no-guests'))
    await expect(option(playground, 'netbsd-microvm')).toHaveText(/· not here$/)
    await expect(playground.boot('netbsd-microvm')).rejects.toThrow(/is not here; .* run "npm run guests/)
    await expect(page.getByTestId('problem')).toContainText('npm run guests')
    expect(mirror.requests).toEqual([])
  })

  test('a kernel in the cache under an id is used', async ({ playground }) => {
    await mkdir(join(mirror.directory, 'netbsd-smol'), { recursive: true })
    await writeFile(join(mirror.directory, 'netbsd-smol/netbsd'), kernel)
    await openAt(playground, await start('--no-guests'))
    await playground.boot('netbsd-smol')
    await playground.waitForText(BOOTED, 60_000)
  })

  test('an image out of a registry, on another guest’s kernel, when somebody asks', async ({ playground }) => {
    const image = gptDisk(await rootImage(), 'bsdshellroot')
    mirror.on(HOST, PATH, status(404))
    mirror.on('smolbsd.org', '/assets/netbsd-SMOL', serve(kernel))
    ociRegistry(mirror, 'ghcr.io', image, { token: true, blobHost: 'blobs.test', cut: Math.floor(image.length * 0.7) })
    await openAt(playground, await start())
    await expect(option(playground, 'smolbsd-bsdshell')).toHaveText(/· to fetch$/)
    expect(mirror.requests.filter((line) => line.includes('/ghcr.io/'))).toEqual([])
    await playground.boot('smolbsd-bsdshell')
    await playground.waitForText(BOOTED, 60_000)
    expect(mirror.leaks).toEqual([])
  })
})

const rootImage = async (): Promise<Uint8Array> => {
  const root = netbsdRoot(await readFile(join(ROOT, 'public/guests/netbsd/init')))
  if (!root.ok) throw new Error(sentence(root.problem))
  return root.value
}

test.describe('a build', () => {
  test.beforeEach(({ playground: _ }, info) => {
    test.skip(info.project.name !== 'built', 'it builds its own')
  })

  /** Exit status; what was said is in `terminal`. */
  const build = (out: string, ...options: string[]): Promise<number | null> => {
    const tsx = join(ROOT, 'node_modules/tsx/dist/cli.mjs')
    const words = [tsx, join(ROOT, 'scripts/build.ts'), ...options, '--outDir', out, '--emptyOutDir']
    child = spawn(process.execPath, words, { cwd: ROOT, env: { ...environment(), GUESTS: '' } })
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => {
        terminal += chunk
      })
    return new Promise((resolve) => child?.on('exit', resolve))
  }

  test('bundles the guests it is told to, for a host that sets no headers', async ({ playground }) => {
    test.setTimeout(120_000)
    mirror.on(HOST, PATH, serve(packed))
    const out = join(mirror.directory, 'dist')
    expect(await build(out, '--guests', 'netbsd-microvm', '--logLevel', 'warn'), terminal).toBe(0)
    const folder = join(out, 'guests/published/netbsd-microvm')
    expect(await readFile(join(folder, 'netbsd.sha256'), 'utf8')).toBe(`${sumOf(kernel)}  netbsd\n`)
    expect(await readFile(join(folder, 'LICENCE.txt'), 'utf8')).toContain('The NetBSD Foundation')

    const host = await staticHost(out)
    try {
      await openAt(playground, host.address)
      await expect(option(playground, 'netbsd-microvm')).toHaveText('NetBSD 11 MICROVM')
      await expect(option(playground, 'netbsd-smol')).toHaveText(/· not here$/)
      await playground.boot('netbsd-microvm')
      await playground.waitForText(BOOTED, 60_000)
    } finally {
      host.server.closeAllConnections()
      host.server.close()
    }
  })

  test('that cannot have its guest fails with one sentence', async () => {
    expect(await build(join(mirror.directory, 'dist'), '--guests=netbsd-smol')).toBe(1)
    expect(terminal).toMatch(/^The file netbsd-smol\/netbsd could not be fetched \(smolbsd\.org: status 404\);.*\.\n$/)
  })
})

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
}

/** As plain as hosting gets: files, types, 404. */
const staticHost = async (directory: string): Promise<{ server: Server; address: string }> => {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const path = join(directory, pathname.endsWith('/') ? `${pathname}index.html` : pathname)
    const found = await stat(path).catch(() => undefined)
    if (!found?.isFile()) return void response.writeHead(404).end()
    response.writeHead(200, {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
      'content-length': found.size,
    })
    createReadStream(path).pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}
