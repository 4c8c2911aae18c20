#!/usr/bin/env node
/**
 * `npm start`, on a fresh clone too: installs what is missing, begins fetching NetBSD kernels in the background, serves
 * the page and says where. Plain Node: nothing of node_modules may be there yet.
 *
 *   npm start -- [--port N] [--host] [--no-guests]
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const NODE_MINIMUM = [20, 19]

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

/** Undefined, or the sentence that says why this Node will not do. */
export const nodeTooOld = () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [wantMajor, wantMinor] = NODE_MINIMUM
  return major > wantMajor || (major === wantMajor && minor >= wantMinor)
    ? undefined
    : `This is Node ${process.versions.node}; expected: ${NODE_MINIMUM.join('.')} or newer. Try: install a newer Node.`
}

/** Runs `npm ci` when node_modules is missing or belongs to another lock file. Returns a sentence when it failed. */
export const installDependencies = () => {
  const lock = join(ROOT, 'package-lock.json')
  const stamp = join(ROOT, 'node_modules', '.playground-lock')
  const installed = join(ROOT, 'node_modules', '.package-lock.json')
  const sum = createHash('sha256').update(readFileSync(lock)).digest('hex')
  const isStamped = existsSync(stamp) && readFileSync(stamp, 'utf8') === sum
  // Installed by hand: npm's own record is then newer than the lock file.
  const isByHand = existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs
  if (!isStamped && !isByHand) {
    console.error('Installing dependencies (npm ci).')
    const { status } = spawnSync(npm, ['ci', '--no-audit', '--no-fund'], {
      cwd: ROOT,
      // Standard output may be a guest's console.
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    })
    if (status !== 0)
      return 'npm ci failed; expected: the packages of package-lock.json. Try: check the network, then run it again.'
  }
  if (!isStamped) writeFileSync(stamp, sum)
  return undefined
}

const option = (name) => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : (process.argv[at + 1] ?? '')
}

const main = async () => {
  const wrong = nodeTooOld() ?? installDependencies()
  if (wrong) {
    console.error(wrong)
    return 1
  }
  // The server fetches NetBSD's kernels beside its work (scripts/guest-server.ts); they are never required.
  process.env.PLAYGROUND_GUESTS = process.argv.includes('--no-guests') ? 'off' : 'start'
  const { createServer } = await import('vite')
  const port = Number(option('--port') ?? process.env.PORT ?? 5173)
  let server
  try {
    server = await createServer({
      root: ROOT,
      logLevel: 'warn',
      server: { port, ...(process.argv.includes('--host') && { host: true }) },
    })
    await server.listen()
  } catch (error) {
    console.error(`The page cannot be served: ${error.message}. Try: npm start -- --port ${port + 1}.`)
    return 1
  }
  const { local = [], network = [] } = server.resolvedUrls ?? {}
  console.log(`NetBSD microVM playground: ${[...local, ...network].join('  ')}`)
  const stop = async () => {
    await server.close()
    process.exit(0)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return undefined
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const status = await main()
  if (status !== undefined) process.exit(status)
}
