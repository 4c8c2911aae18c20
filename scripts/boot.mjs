#!/usr/bin/env node
/**
 * `npm run boot`: the headless machine as one bundled file, made again when a source is newer. A loader that translates
 * modules one by one costs half of a short run: it starts later, and the functions that it names one by one are slow.
 */
import { readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { installDependencies, nodeTooOld, ROOT } from './start.mjs'

const SOURCES = join(ROOT, 'src')
// As deep as src/headless: addresses relative to the module stay what they are.
const BUNDLE = join(ROOT, 'build', 'headless', 'boot.mjs')

const modifiedMs = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

const newest = () => {
  let ms = Math.max(modifiedMs(join(ROOT, 'package-lock.json')), modifiedMs(fileURLToPath(import.meta.url)))
  // A directory's own time tells of files that have gone.
  for (const entry of readdirSync(SOURCES, { recursive: true, withFileTypes: true }))
    if (entry.isDirectory() || /\.ts$/.test(entry.name))
      ms = Math.max(ms, modifiedMs(join(entry.parentPath ?? entry.path, entry.name)))
  return ms
}

/** Two boots may find it stale at once: each makes its own and puts it there whole. */
const bundle = async () => {
  const { build } = await import('rolldown')
  const mine = `${BUNDLE}.${process.pid}.mjs`
  try {
    await build({
      input: join(SOURCES, 'headless', 'main.ts'),
      platform: 'node',
      // Packages and Node's own; what has a colon elsewhere is a path of Windows.
      external: [/^node:/, /^[@a-z][^:]*$/],
      output: { file: mine, format: 'esm' },
      logLevel: 'warn',
    })
    for (const name of readdirSync(dirname(BUNDLE))) if (/^engine-/.test(name)) rmSync(join(dirname(BUNDLE), name))
    renameSync(mine, BUNDLE)
  } finally {
    rmSync(mine, { force: true })
  }
}

// npm has changed to this folder; names of files are meant where the person is.
const { INIT_CWD, npm_lifecycle_event } = process.env
if (npm_lifecycle_event === 'boot' && INIT_CWD !== undefined && process.cwd() === realpathSync(ROOT))
  try {
    process.chdir(INIT_CWD)
  } catch {
    // Gone, or not to be entered: then names are meant here.
  }

const wrong = nodeTooOld() ?? installDependencies()
if (wrong) {
  console.error(wrong)
  process.exit(2)
}
if (modifiedMs(BUNDLE) <= newest()) await bundle()
process.env.PLAYGROUND_ENGINES = dirname(BUNDLE)
await import(pathToFileURL(BUNDLE).href)
