/** The root disk that `--add` and `--save-disk` ask for: our init and the files of this computer that are put beside it. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ProblemError, problem, type Result, refuse } from '../base/problem.ts'
import { KEPT_FREE_BYTES, netbsdRoot } from '../disk/netbsd-root.ts'
import { type DirectoryNode, file, symlink, type TreeNode } from '../disk/tree.ts'
import { NETBSD_INIT, NETBSD_INIT32 } from '../guests/catalogue.ts'
import { is32BitKernel } from '../machine/index.ts'
import { fileProblem } from './file-disk.ts'
import type { AddOption } from './options.ts'

/** The image that `kernel` boots from, a whole number of sectors. */
export const madeRoot = (kernel: Uint8Array, adds: readonly AddOption[], keeps: boolean): Result<Uint8Array> => {
  const bundled = is32BitKernel(kernel) ? NETBSD_INIT32 : NETBSD_INIT
  const init = fileURLToPath(new URL(`../../public${bundled}`, import.meta.url))
  try {
    const files = new Map<string, TreeNode>()
    for (const { path, target } of adds)
      files.set(`${target.replace(/\/+$/, '')}/${basename(resolve(path))}`, nodeOf(path))
    return netbsdRoot(readFileSync(init), { files, ...(keeps && { free: KEPT_FREE_BYTES }) })
  } catch (e) {
    if (e instanceof ProblemError) return refuse(e.problem)
    return refuse(fileProblem('file for the root', (e as NodeJS.ErrnoException).path ?? init, e))
  }
}

/** As it is here, but root's. Throws what the file system says. */
const nodeOf = (path: string): TreeNode => {
  const stat = lstatSync(path)
  const attributes = { mode: stat.mode & 0o7777, mtime: Math.max(0, Math.floor(stat.mtimeMs / 1000)) }
  if (stat.isSymbolicLink()) return symlink(readlinkSync(path), attributes)
  if (stat.isFile()) return file(readFileSync(path), attributes)
  if (!stat.isDirectory())
    throw new ProblemError(
      problem(
        'not-a-file',
        `the path ${path} is a device, a pipe or a socket`,
        'files, folders and links',
        'leave it out',
      ),
    )
  const entries = new Map(readdirSync(path).map((name) => [name, nodeOf(join(path, name))]))
  const directory: DirectoryNode = { ...attributes, kind: 'directory', entries }
  return directory
}
