/**
 * Writes an ext2 file system image from a tree: revision 1, 128-byte inodes, features `filetype`, `sparse_super` and, when
 * a file needs it, `large_file`: what NetBSD's ext2fs mounts read-write and e2fsck finds nothing wrong with.
 *
 * Blocks and inodes are handed out in one ascending sweep, depth first, so each group is full, part full or empty, and its
 * bitmaps follow from two numbers. Blocks of zeros become holes.
 *
 * Left out on purpose: hard links, extended attributes, journals, hashed directories, extents, 256-byte inodes (and with
 * them times after 2106 and parts of a second).
 */
import { assert } from '../base/assert.ts'
import { ok, ProblemError, problem, type Result, refuse } from '../base/problem.ts'
import { utf8EncodeStrictly } from '../base/utf8.ts'
import {
  BG,
  DEVICE_MAJOR_MAX,
  DEVICE_MINOR_MAX,
  deviceNumber,
  directoryEntryBytes,
  EXT2_DYNAMIC_REV,
  EXT2_ERRORS_CONTINUE,
  EXT2_FIRST_INO,
  EXT2_N_BLOCKS,
  EXT2_NDIR_BLOCKS,
  EXT2_OS_LINUX,
  EXT2_ROOT_INO,
  EXT2_SUPER_MAGIC,
  EXT2_VALID_FS,
  FAST_SYMLINK_BYTES,
  FEATURE_INCOMPAT_FILETYPE,
  FEATURE_RO_COMPAT_LARGE_FILE,
  FEATURE_RO_COMPAT_SPARSE_SUPER,
  FT_BLKDEV,
  FT_CHRDEV,
  FT_DIR,
  FT_REG_FILE,
  FT_SYMLINK,
  GROUP_DESCRIPTOR_BYTES,
  groupHasSuperblock,
  I,
  INODE_BYTES,
  LINKS_MAX,
  NAME_BYTES_MAX,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  SB,
  SUPERBLOCK_OFFSET,
  UUID_BYTES,
  VOLUME_NAME_BYTES,
} from './ext2-layout.ts'
import { type Attributes, type DirectoryNode, directory, type Piece, type TreeNode } from './tree.ts'

export type Ext2BlockSize = 1024 | 2048 | 4096

export interface Ext2Options {
  /** 4096 by default, the size of a page. */
  readonly blockSize?: Ext2BlockSize
  /** Bytes of the whole image. Without it the image is as large as the tree and `free` ask for. */
  readonly size?: number
  /** Bytes left free for the guest where `size` is not given: by default a tenth of the files, at least 256 KiB. */
  readonly free?: number
  /** Inodes, the ten reserved ones included; more may be there. By default one for each 8 KiB, and enough. */
  readonly inodes?: number
  /** s_volume_name, at most 16 bytes. */
  readonly label?: string
  /** s_uuid, 16 bytes. */
  readonly uuid?: Uint8Array
  /** Seconds since 1970 for the file system and for nodes without an mtime; 1 January 2025 by default. */
  readonly time?: number
}

const DEFAULT_TIME = 1_735_689_600
/** Images from here are told apart by their contents, so one UUID does. e2fsck wants some. */
const DEFAULT_UUID = Uint8Array.of(
  0x6e,
  0x65,
  0x74,
  0x62,
  0x73,
  0x64,
  0x4d,
  0x56,
  0x8d,
  0x70,
  0x6c,
  0x61,
  0x79,
  0,
  0,
  1,
)
const FREE_BYTES_MIN = 256 * 1024
const BYTES_PER_INODE = 8192
const UINT32_MAX = 0xffff_ffff
/** Blocks are counted in 32 bits, and a typed array of 4 GiB is what engines agree on. */
const IMAGE_BYTES_MAX = 2 ** 32
/** NetBSD's PATH_MAX, its terminating zero included. */
const SYMLINK_BYTES_MAX = 1023

const fail = (kind: string, saw: string, expected: string, hint: string): never => {
  throw new ProblemError(problem(kind, saw, expected, hint))
}

/** An inode before it has a place: everything but block numbers. */
interface PlannedInode {
  readonly ino: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: number
  readonly links: number
  readonly size: number
  readonly pieces: readonly Piece[]
  /** Logical blocks that hold something, ascending. */
  readonly blocks: readonly number[]
  /** What lies in i_block in place of block numbers: a short symbolic link, a device number. */
  readonly inline: Uint8Array | undefined
}

interface Plan {
  readonly inodes: readonly PlannedInode[]
  readonly lastIno: number
  /** Data and indirect blocks. */
  readonly blocks: number
  readonly largeFile: boolean
}

interface Group {
  readonly start: number
  readonly blocks: number
  readonly hasSuperblock: boolean
  readonly blockBitmap: number
  readonly dataStart: number
}

interface Geometry {
  readonly blockSize: number
  readonly firstDataBlock: number
  readonly blocksCount: number
  readonly inodesPerGroup: number
  readonly descriptorBlocks: number
  readonly groups: readonly Group[]
  /** Blocks that are nobody's metadata. */
  readonly capacity: number
}

/** The image, or the reason why there is none. Same tree and options, same bytes. */
export function makeExt2(root: DirectoryNode, options: Ext2Options = {}): Result<Uint8Array> {
  try {
    const blockSize = options.blockSize ?? 4096
    const time = options.time ?? DEFAULT_TIME
    checkOptions(options, time)
    const plan = planTree(root, blockSize, time)
    const geometry = chooseGeometry(plan, blockSize, options)
    return ok(new Writer(plan, geometry, options, time).write())
  } catch (error) {
    if (error instanceof ProblemError) return refuse(error.problem)
    throw error
  }
}

function checkOptions(options: Ext2Options, time: number): void {
  checkNumber('the image', 'time', time, UINT32_MAX)
  for (const name of ['size', 'free', 'inodes'] as const) {
    const value = options[name]
    if (value !== undefined) checkNumber('the image', name, value, name === 'inodes' ? UINT32_MAX : IMAGE_BYTES_MAX)
  }
  if (options.uuid && options.uuid.length !== UUID_BYTES)
    fail('bad-uuid', `the UUID has ${options.uuid.length} bytes`, '16 bytes', 'give 16 bytes or none')
  const label = utf8EncodeStrictly(options.label ?? '')
  if (!label || label.length > VOLUME_NAME_BYTES)
    fail('bad-label', `the label is "${options.label}"`, 'at most 16 bytes of UTF-8', 'choose a shorter label')
}

function checkNumber(path: string, what: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return
  fail(
    'number-out-of-range',
    `${path} has ${what} ${value}`,
    `a whole number from 0 to ${max}`,
    `give a ${what} in that range`,
  )
}

// ---------------------------------------------------------------------------------------------- the plan

const DEFAULT_MODE = { file: 0o644, directory: 0o755, symlink: 0o777, char: 0o600, block: 0o600 } as const
const FORMAT = { file: S_IFREG, directory: S_IFDIR, symlink: S_IFLNK, char: S_IFCHR, block: S_IFBLK } as const
const FILE_TYPE = {
  file: FT_REG_FILE,
  directory: FT_DIR,
  symlink: FT_SYMLINK,
  char: FT_CHRDEV,
  block: FT_BLKDEV,
} as const

function planTree(root: DirectoryNode, blockSize: number, time: number): Plan {
  const inodes: PlannedInode[] = []
  let lastIno = EXT2_FIRST_INO - 1
  let blocks = 0
  let largeFile = false

  const add = (ino: number, path: string, node: TreeNode, links: number, size: number, pieces: readonly Piece[]) => {
    checkAttributes(path, node)
    const inline = inlineBytes(path, node)
    const used = inline ? [] : usedBlocks(pieces, blockSize)
    blocks += used.length + indirectBlocks(used, blockSize / 4)
    if (size > 0x7fff_ffff) largeFile = true
    inodes.push({
      ino,
      mode: FORMAT[node.kind] | (node.mode ?? DEFAULT_MODE[node.kind]),
      uid: node.uid ?? 0,
      gid: node.gid ?? 0,
      mtime: node.mtime ?? time,
      links,
      size,
      pieces,
      blocks: used,
      inline,
    })
  }

  const visit = (ino: number, parent: number, path: string, node: TreeNode): void => {
    const at = path === '' ? '/' : path
    switch (node.kind) {
      case 'file':
        checkFile(at, node.size, node.pieces)
        add(ino, at, node, 1, node.size, node.pieces)
        break
      case 'symlink': {
        const target = checkedTarget(at, node.target)
        add(ino, at, node, 1, target.length, [{ offset: 0, bytes: target }])
        break
      }
      case 'char':
      case 'block':
        add(ino, at, node, 1, 0, [])
        break
      case 'directory': {
        const children = [...node.entries].map(([name, child]) => ({
          child,
          path: `${path}/${name}`,
          name: checkedName(at, name),
          ino: ++lastIno,
          fileType: FILE_TYPE[child.kind],
        }))
        const links = 2 + children.filter(({ child }) => child.kind === 'directory').length
        if (links > LINKS_MAX)
          fail(
            'too-many-directories',
            `${at} holds ${links - 2} directories`,
            `at most ${LINKS_MAX - 2} in one directory`,
            'spread them over several directories',
          )
        const bytes = directoryBlocks(ino, parent, children, blockSize)
        add(ino, at, node, links, bytes.length, [{ offset: 0, bytes }])
        for (const { ino: childIno, path: childPath, child } of children) visit(childIno, ino, childPath, child)
      }
    }
  }

  const found = root.entries.get('lost+found')
  if (found && found.kind !== 'directory')
    fail('bad-name', '/lost+found is no directory', 'a directory there, for e2fsck to use', 'rename the file')
  const entries = new Map<string, TreeNode>([['lost+found', directory({}, { mode: 0o700 })], ...root.entries])
  visit(EXT2_ROOT_INO, EXT2_ROOT_INO, '', { ...root, entries })
  return { inodes, lastIno, blocks, largeFile }
}

function checkAttributes(path: string, { mode, uid, gid, mtime }: Attributes): void {
  if (mode !== undefined) checkNumber(path, 'mode', mode, 0o7777)
  if (uid !== undefined) checkNumber(path, 'uid', uid, UINT32_MAX)
  if (gid !== undefined) checkNumber(path, 'gid', gid, UINT32_MAX)
  if (mtime !== undefined) checkNumber(path, 'mtime', mtime, UINT32_MAX)
}

function checkFile(path: string, size: number, pieces: readonly Piece[]): void {
  if (size > UINT32_MAX)
    fail('file-too-large', `${path} has ${size} bytes`, 'less than 4 GiB in a file', 'split the file or leave it out')
  checkNumber(path, 'size', size, UINT32_MAX)
  let end = 0
  for (const { offset, bytes } of pieces) {
    if (!Number.isInteger(offset) || offset < end || offset + bytes.length > size)
      fail(
        'bad-pieces',
        `${path} has ${bytes.length} bytes at ${offset}`,
        `pieces in ascending order, none over another, within its ${size} bytes`,
        'sort the pieces and give the whole size',
      )
    end = offset + bytes.length
  }
}

function checkedName(directoryPath: string, name: string): Uint8Array {
  const bytes = utf8EncodeStrictly(name)
  if (!bytes)
    return fail(
      'name-not-unicode',
      `a name in ${directoryPath} holds half a surrogate pair`,
      'names that UTF-8 can write',
      'rename the file',
    )
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name))
    fail(
      'bad-name',
      `${directoryPath} holds an entry named "${name.replace('\0', '\\0')}"`,
      'a name without slash or zero byte, not empty, "." or ".."',
      'rename the file',
    )
  if (bytes.length > NAME_BYTES_MAX)
    fail(
      'name-too-long',
      `${directoryPath} holds a name of ${bytes.length} bytes, "${name.slice(0, 24)}..."`,
      `at most ${NAME_BYTES_MAX} bytes in a name`,
      'shorten the name',
    )
  return bytes
}

function checkedTarget(path: string, target: string): Uint8Array {
  const bytes = utf8EncodeStrictly(target)
  if (!bytes || bytes.length === 0 || bytes.length > SYMLINK_BYTES_MAX || target.includes('\0'))
    return fail(
      'bad-symlink',
      `${path} points to ${bytes ? `a path of ${bytes.length} bytes` : 'what is not Unicode'}`,
      `1 to ${SYMLINK_BYTES_MAX} bytes of UTF-8 without a zero byte`,
      'choose another target',
    )
  return bytes
}

function inlineBytes(path: string, node: TreeNode): Uint8Array | undefined {
  if (node.kind === 'symlink') {
    const target = checkedTarget(path, node.target)
    return target.length < FAST_SYMLINK_BYTES ? target : undefined
  }
  if (node.kind !== 'char' && node.kind !== 'block') return undefined
  checkNumber(path, 'major', node.major, DEVICE_MAJOR_MAX)
  checkNumber(path, 'minor', node.minor, DEVICE_MINOR_MAX)
  const dev = deviceNumber(node.major, node.minor)
  return Uint8Array.of(dev & 255, (dev >>> 8) & 255, (dev >>> 16) & 255, dev >>> 24)
}

interface DirectoryEntry {
  readonly name: Uint8Array
  readonly ino: number
  readonly fileType: number
}

function directoryBlocks(ino: number, parent: number, children: readonly DirectoryEntry[], blockSize: number) {
  const dot = 0x2e
  const entries: readonly DirectoryEntry[] = [
    { name: Uint8Array.of(dot), ino, fileType: FT_DIR },
    { name: Uint8Array.of(dot, dot), ino: parent, fileType: FT_DIR },
    ...children,
  ]
  // Where each entry begins; one that would cross a block's end begins the next block.
  const starts: number[] = []
  let end = 0
  for (const { name } of entries) {
    const bytes = directoryEntryBytes(name.length)
    if ((end % blockSize) + bytes > blockSize) end = Math.ceil(end / blockSize) * blockSize
    starts.push(end)
    end += bytes
  }
  const image = new Uint8Array(Math.ceil(end / blockSize) * blockSize)
  const view = new DataView(image.buffer)
  entries.forEach((entry, index) => {
    const at = starts[index]!
    const blockEnd = (Math.floor(at / blockSize) + 1) * blockSize
    view.setUint32(at, entry.ino, true)
    view.setUint16(at + 4, Math.min(starts[index + 1] ?? blockEnd, blockEnd) - at, true)
    view.setUint8(at + 6, entry.name.length)
    view.setUint8(at + 7, entry.fileType)
    image.set(entry.name, at + 8)
  })
  return image
}

/** Calls `take` with each part of each piece that lies in one block. */
function eachPart(
  pieces: readonly Piece[],
  blockSize: number,
  take: (logical: number, offset: number, part: Uint8Array) => void,
): void {
  for (const { offset, bytes } of pieces) {
    for (let at = 0; at < bytes.length; ) {
      const inBlock = (offset + at) % blockSize
      const length = Math.min(blockSize - inBlock, bytes.length - at)
      take(Math.floor((offset + at) / blockSize), inBlock, bytes.subarray(at, at + length))
      at += length
    }
  }
}

function holdsSomething(part: Uint8Array): boolean {
  for (let i = 0; i < part.length; i++) if (part[i] !== 0) return true
  return false
}

function usedBlocks(pieces: readonly Piece[], blockSize: number): number[] {
  const used: number[] = []
  eachPart(pieces, blockSize, (logical, _offset, part) => {
    if (used.at(-1) !== logical && holdsSomething(part)) used.push(logical)
  })
  return used
}

/** How many indirect blocks ascending `logical` blocks need, with `perBlock` numbers in each. */
function indirectBlocks(logical: readonly number[], perBlock: number): number {
  let count = 0
  const last = ['', '', '']
  for (const block of logical) {
    let index = block - EXT2_NDIR_BLOCKS
    if (index < 0) continue
    let level = 1
    let span = perBlock
    for (; index >= span; level++) {
      index -= span
      span *= perBlock
    }
    // The table at each depth is named by the numbers that led to it.
    for (let depth = 0; depth < level; depth++) {
      const name = `${level}:${Math.floor(index / span)}`
      if (last[depth] !== name) count++
      last[depth] = name
      span /= perBlock
    }
  }
  return count
}

// ---------------------------------------------------------------------------------------------- the geometry

/** How `blocksCount` blocks divide, or undefined where they cannot hold so many inodes or their own metadata. */
function geometryOf(blocksCount: number, inodes: number, blockSize: number): Geometry | undefined {
  const firstDataBlock = blockSize === 1024 ? 1 : 0
  const blocksPerGroup = 8 * blockSize
  const inodesPerBlock = blockSize / INODE_BYTES
  let groupCount = Math.ceil((blocksCount - firstDataBlock) / blocksPerGroup)
  for (; groupCount > 0; groupCount--) {
    const inodesPerGroup = Math.ceil(inodes / groupCount / inodesPerBlock) * inodesPerBlock
    if (inodesPerGroup > 8 * blockSize) return undefined
    const descriptorBlocks = Math.ceil((groupCount * GROUP_DESCRIPTOR_BYTES) / blockSize)
    const tableBlocks = inodesPerGroup / inodesPerBlock
    const usable = Math.min(blocksCount, firstDataBlock + groupCount * blocksPerGroup)
    const groups = Array.from({ length: groupCount }, (_, group): Group => {
      const start = firstDataBlock + group * blocksPerGroup
      const hasSuperblock = groupHasSuperblock(group)
      const blockBitmap = start + (hasSuperblock ? 1 + descriptorBlocks : 0)
      const blocks = Math.min(blocksPerGroup, usable - start)
      return { start, blocks, hasSuperblock, blockBitmap, dataStart: blockBitmap + 2 + tableBlocks }
    })
    // A last group too short for its own tables is left outside the file system.
    const last = groups.at(-1)!
    if (last.dataStart >= last.start + last.blocks) continue
    const capacity = groups.reduce((sum, group) => sum + group.start + group.blocks - group.dataStart, 0)
    return { blockSize, firstDataBlock, blocksCount: usable, inodesPerGroup, descriptorBlocks, groups, capacity }
  }
  return undefined
}

/** The smallest image, near enough, with `capacity` blocks for data. */
function geometryFor(capacity: number, inodes: number, blockSize: number): Geometry | undefined {
  const step = Math.max(1, Math.floor(capacity / 1024))
  for (let blocksCount = capacity + 4; blocksCount * blockSize <= IMAGE_BYTES_MAX; ) {
    const geometry = geometryOf(blocksCount, inodes, blockSize)
    if (geometry && geometry.capacity >= capacity) return geometry
    blocksCount += geometry ? Math.max(step, capacity - geometry.capacity) : step
  }
  return undefined
}

function chooseGeometry(plan: Plan, blockSize: Ext2BlockSize, options: Ext2Options): Geometry {
  const filesBytes = plan.blocks * blockSize
  if (options.size === undefined) {
    const free = options.free ?? Math.max(FREE_BYTES_MIN, filesBytes / 10)
    const inodes = Math.max(plan.lastIno, options.inodes ?? plan.lastIno + Math.ceil(free / BYTES_PER_INODE))
    const geometry = geometryFor(plan.blocks + Math.ceil(free / blockSize), inodes, blockSize)
    if (geometry) return geometry
    return fail(
      'image-too-large',
      `the files need ${filesBytes} bytes and ${inodes} inodes, with ${Math.ceil(free)} bytes to be left free`,
      'an image of at most 4 GiB',
      'leave out some files',
    )
  }
  const blocksCount = Math.floor(options.size / blockSize)
  const wanted = [options.inodes ?? Math.floor(options.size / BYTES_PER_INODE), plan.lastIno]
  for (const inodes of wanted) {
    const geometry = geometryOf(blocksCount, Math.max(inodes, plan.lastIno), blockSize)
    if (geometry && geometry.capacity >= plan.blocks) return geometry
  }
  const least = geometryFor(plan.blocks, plan.lastIno, blockSize)
  return fail(
    'tree-over-size',
    `the files and directories need ${filesBytes} bytes and ${plan.lastIno} inodes, and the image has ${options.size} bytes`,
    'an image that holds them with its own tables',
    least ? `a size of at least ${least.blocksCount * blockSize} bytes` : 'leaving out some files',
  )
}

// ---------------------------------------------------------------------------------------------- the bytes

class Writer {
  private readonly plan: Plan
  private readonly geometry: Geometry
  private readonly options: Ext2Options
  private readonly time: number
  private readonly blockSize: number
  private readonly image: Uint8Array
  private readonly view: DataView
  /** The sweep: the group whose data blocks are being handed out, and its next one. */
  private group = 0
  private next: number

  constructor(plan: Plan, geometry: Geometry, options: Ext2Options, time: number) {
    this.plan = plan
    this.geometry = geometry
    this.options = options
    this.time = time
    this.blockSize = geometry.blockSize
    const bytes = options.size ?? geometry.blocksCount * geometry.blockSize
    this.image = allocate(bytes)
    this.view = new DataView(this.image.buffer)
    this.next = geometry.groups[0]!.dataStart
  }

  write(): Uint8Array {
    for (const inode of this.plan.inodes) this.inode(inode)
    const { groups, descriptorBlocks } = this.geometry
    const free = groups.map((_, group) => this.groupTables(group))
    const freeBlocks = free.reduce((sum, { blocks }) => sum + blocks, 0)
    const freeInodes = free.reduce((sum, { inodes }) => sum + inodes, 0)
    groups.forEach(({ start, hasSuperblock }, group) => {
      if (!hasSuperblock) return
      // The primary superblock keeps its place behind the boot block whatever the block size.
      this.superblock(group === 0 ? SUPERBLOCK_OFFSET : start * this.blockSize, group, freeBlocks, freeInodes)
      if (group === 0) return
      const descriptors = (groups[0]!.start + 1) * this.blockSize
      const copy = (start + 1) * this.blockSize
      this.image.copyWithin(copy, descriptors, descriptors + descriptorBlocks * this.blockSize)
    })
    return this.image
  }

  private allocateBlock(): number {
    let group = this.geometry.groups[this.group]!
    while (this.next >= group.start + group.blocks) {
      group = this.geometry.groups[++this.group]!
      assert(group !== undefined, 'the plan counted every block that is used')
      this.next = group.dataStart
    }
    return this.next++
  }

  private inode(inode: PlannedInode): void {
    const at = this.inodeOffset(inode.ino)
    const { view } = this
    view.setUint16(at + I.i_mode, inode.mode, true)
    view.setUint16(at + I.i_uid, inode.uid & 0xffff, true)
    view.setUint16(at + I.i_uid_high, inode.uid >>> 16, true)
    view.setUint16(at + I.i_gid, inode.gid & 0xffff, true)
    view.setUint16(at + I.i_gid_high, inode.gid >>> 16, true)
    view.setUint32(at + I.i_size, inode.size, true)
    view.setUint32(at + I.i_atime, inode.mtime, true)
    view.setUint32(at + I.i_ctime, inode.mtime, true)
    view.setUint32(at + I.i_mtime, inode.mtime, true)
    view.setUint16(at + I.i_links_count, inode.links, true)
    if (inode.inline) this.image.set(inode.inline, at + I.i_block)
    else this.contents(at, inode)
  }

  private contents(at: number, { pieces, blocks }: PlannedInode): void {
    const before = this.usedDataBlocks
    const places = blocks.map((logical) => this.place(at, logical))
    const sectors = (this.usedDataBlocks - before) * (this.blockSize / 512)
    this.view.setUint32(at + I.i_blocks, sectors, true)
    let index = 0
    eachPart(pieces, this.blockSize, (logical, offset, part) => {
      while (index < blocks.length && blocks[index]! < logical) index++
      if (blocks[index] === logical) this.image.set(part, places[index]! * this.blockSize + offset)
    })
  }

  private usedDataBlocks = 0

  /** Gives a logical block of the inode at `at` a block of its own, and the tables that lead there. */
  private place(at: number, logical: number): number {
    const perBlock = this.blockSize / 4
    let slot = at + I.i_block + logical * 4
    if (logical >= EXT2_NDIR_BLOCKS) {
      let index = logical - EXT2_NDIR_BLOCKS
      let level = 1
      let span = perBlock
      for (; index >= span; level++) {
        index -= span
        span *= perBlock
      }
      assert(EXT2_NDIR_BLOCKS + level <= EXT2_N_BLOCKS, 'files under 4 GiB end in the triple indirect block')
      slot = at + I.i_block + (EXT2_NDIR_BLOCKS + level - 1) * 4
      for (; level > 0; level--) {
        const table = this.view.getUint32(slot, true) || this.fill(slot)
        span /= perBlock
        slot = table * this.blockSize + Math.floor(index / span) * 4
        index %= span
      }
    }
    return this.fill(slot)
  }

  private fill(slot: number): number {
    const block = this.allocateBlock()
    this.usedDataBlocks++
    this.view.setUint32(slot, block, true)
    return block
  }

  private inodeOffset(ino: number): number {
    const { inodesPerGroup, groups } = this.geometry
    const group = groups[Math.floor((ino - 1) / inodesPerGroup)]!
    return (group.blockBitmap + 2) * this.blockSize + ((ino - 1) % inodesPerGroup) * INODE_BYTES
  }

  /** Bitmaps and descriptor of a group, once the sweep has ended. A bit that stands for nothing is set. */
  private groupTables(index: number): { readonly blocks: number; readonly inodes: number } {
    const { groups, inodesPerGroup } = this.geometry
    const { start, blocks, blockBitmap, dataStart } = groups[index]!
    const usedBlocks = index < this.group ? blocks : (index === this.group ? this.next : dataStart) - start
    const firstIno = index * inodesPerGroup + 1
    const usedInodes = Math.max(0, Math.min(inodesPerGroup, this.plan.lastIno - firstIno + 1))
    this.bitmap(blockBitmap, usedBlocks, blocks)
    this.bitmap(blockBitmap + 1, usedInodes, inodesPerGroup)

    const ownDirectories = this.plan.inodes.filter(
      ({ ino, mode }) => ino >= firstIno && ino < firstIno + inodesPerGroup && (mode & 0xf000) === S_IFDIR,
    ).length
    const at = (groups[0]!.start + 1) * this.blockSize + index * GROUP_DESCRIPTOR_BYTES
    this.view.setUint32(at + BG.bg_block_bitmap, blockBitmap, true)
    this.view.setUint32(at + BG.bg_inode_bitmap, blockBitmap + 1, true)
    this.view.setUint32(at + BG.bg_inode_table, blockBitmap + 2, true)
    this.view.setUint16(at + BG.bg_free_blocks_count, blocks - usedBlocks, true)
    this.view.setUint16(at + BG.bg_free_inodes_count, inodesPerGroup - usedInodes, true)
    this.view.setUint16(at + BG.bg_used_dirs_count, ownDirectories, true)
    return { blocks: blocks - usedBlocks, inodes: inodesPerGroup - usedInodes }
  }

  /** `used` ones, zeros up to `count`, ones to the end of the block. */
  private bitmap(block: number, used: number, count: number): void {
    const bits = this.image.subarray(block * this.blockSize, (block + 1) * this.blockSize)
    bits.fill(0xff, 0, used >> 3)
    if (used & 7) bits[used >> 3] = 0xff >> (8 - (used & 7))
    bits.fill(0xff, (count + 7) >> 3)
    if (count & 7) bits[count >> 3]! |= (0xff << (count & 7)) & 0xff
  }

  private superblock(at: number, group: number, freeBlocks: number, freeInodes: number): void {
    const { blocksCount, firstDataBlock, groups, inodesPerGroup } = this.geometry
    const { view, blockSize, time } = this
    const logBlockSize = Math.log2(blockSize / 1024)
    const roCompat = FEATURE_RO_COMPAT_SPARSE_SUPER | (this.plan.largeFile ? FEATURE_RO_COMPAT_LARGE_FILE : 0)
    view.setUint32(at + SB.s_inodes_count, groups.length * inodesPerGroup, true)
    view.setUint32(at + SB.s_blocks_count, blocksCount, true)
    view.setUint32(at + SB.s_free_blocks_count, freeBlocks, true)
    view.setUint32(at + SB.s_free_inodes_count, freeInodes, true)
    view.setUint32(at + SB.s_first_data_block, firstDataBlock, true)
    view.setUint32(at + SB.s_log_block_size, logBlockSize, true)
    view.setUint32(at + SB.s_log_frag_size, logBlockSize, true)
    view.setUint32(at + SB.s_blocks_per_group, 8 * blockSize, true)
    view.setUint32(at + SB.s_frags_per_group, 8 * blockSize, true)
    view.setUint32(at + SB.s_inodes_per_group, inodesPerGroup, true)
    view.setUint32(at + SB.s_wtime, time, true)
    view.setUint16(at + SB.s_max_mnt_count, 0xffff, true) // never check for having been mounted often
    view.setUint16(at + SB.s_magic, EXT2_SUPER_MAGIC, true)
    view.setUint16(at + SB.s_state, EXT2_VALID_FS, true)
    view.setUint16(at + SB.s_errors, EXT2_ERRORS_CONTINUE, true)
    view.setUint32(at + SB.s_lastcheck, time, true)
    view.setUint32(at + SB.s_creator_os, EXT2_OS_LINUX, true)
    view.setUint32(at + SB.s_rev_level, EXT2_DYNAMIC_REV, true)
    view.setUint32(at + SB.s_first_ino, EXT2_FIRST_INO, true)
    view.setUint16(at + SB.s_inode_size, INODE_BYTES, true)
    view.setUint16(at + SB.s_block_group_nr, group, true)
    view.setUint32(at + SB.s_feature_incompat, FEATURE_INCOMPAT_FILETYPE, true)
    view.setUint32(at + SB.s_feature_ro_compat, roCompat, true)
    this.image.set(this.options.uuid ?? DEFAULT_UUID, at + SB.s_uuid)
    this.image.set(utf8EncodeStrictly(this.options.label ?? '')!, at + SB.s_volume_name)
  }
}

function allocate(bytes: number): Uint8Array {
  try {
    return new Uint8Array(bytes)
  } catch {
    return fail(
      'no-memory',
      `an image of ${bytes} bytes does not fit in memory here`,
      'as much memory as the image is large',
      'choose a smaller size',
    )
  }
}
