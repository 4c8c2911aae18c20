/** Trees by chance, the same for the same seed: every kind of node, awkward sizes, holes, long and foreign names. */
import {
  type Attributes,
  blockDevice,
  charDevice,
  type DirectoryNode,
  file,
  type Piece,
  sparseFile,
  symlink,
  type TreeNode,
} from '../tree.ts'

export type Random = (below: number) => number

/** A 32-bit xorshift generator. */
export function random(seed: number): Random {
  let state = (seed * 2654435761 + 1) >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

const ALPHABETS = ['abcdefghijklmnop', 'A b-_.,~', 'äöüßéñ', '日本語網', '😀🚩🐡']
const SIZES = [0, 1, 59, 60, 1023, 1024, 1025, 4095, 4096, 4097, 12 * 1024, 13 * 1024 + 1, 49_152, 49_153, 280_000]

export function randomTree(pick: Random, entries = 40): DirectoryNode {
  let left = pick(entries) + 1

  const attributes = (): Attributes =>
    pick(2) === 0
      ? {}
      : { mode: pick(0o10000), uid: pick(0xffff_ffff), gid: pick(70_000), mtime: 1 + pick(0xffff_ffff) }
  const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(1 + pick(255))
  const name = (): string => {
    const alphabet = [...ALPHABETS[pick(ALPHABETS.length)]!]
    const long = pick(12) === 0
    return Array.from({ length: 1 + pick(long ? 60 : 9) }, () => alphabet[pick(alphabet.length)]).join('')
  }
  const sparse = (): TreeNode => {
    const pieces: Piece[] = []
    let end = 0
    for (let i = pick(4); i > 0; i--) {
      const offset = end + pick(300_000)
      const piece = { offset, bytes: bytes(1 + pick(6000)) }
      pieces.push(piece)
      end = offset + piece.bytes.length
    }
    return sparseFile(end + pick(9000), pieces, attributes())
  }
  const node = (depth: number): TreeNode => {
    const kind = pick(10)
    if (kind < 3 && depth < 5) return directoryNode(depth + 1)
    if (kind < 7) return file(bytes(SIZES[pick(SIZES.length)]!), attributes())
    if (kind === 7) return sparse()
    if (kind === 8) return symlink(`/${'x'.repeat(pick(2) === 0 ? pick(70) : pick(900))}é`, attributes())
    const device = pick(2) === 0 ? charDevice : blockDevice
    return pick(4) === 0 ? device(pick(4096), pick(1 << 20), attributes()) : device(pick(256), pick(256), attributes())
  }
  const directoryNode = (depth: number): DirectoryNode => {
    const map = new Map<string, TreeNode>()
    for (let i = pick(12); i >= 0 && left > 0; i--) {
      left--
      const key = name()
      if (key !== '.' && key !== '..') map.set(key, node(depth))
    }
    return { ...attributes(), kind: 'directory', entries: map }
  }
  return directoryNode(0)
}
