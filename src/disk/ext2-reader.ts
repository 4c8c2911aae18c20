/**
 * Reads ext2 images: those of ext2.ts and those that mke2fs made, of any block size and inode size, revision 0 or 1.
 *
 * Nothing in an image is believed: every block number is held against the image, every size against what its blocks can
 * hold, and a broken image gives a sentence. Symbolic links are shown, not followed.
 *
 * The image may be a disk that a guest is writing: it is read when it is asked, and nothing is remembered but the superblock.
 *
 * Left out on purpose: extents, 64-bit block numbers and every other incompatible feature but `filetype` (refused by
 * name); journals (an image that needs recovery is refused).
 */
import { ok, ProblemError, problem, type Result, refuse } from '../base/problem.ts'
import { utf8Decode } from '../base/utf8.ts'
import {
  BG,
  deviceMajor,
  deviceMinor,
  EXT2_NDIR_BLOCKS,
  EXT2_ROOT_INO,
  EXT2_SUPER_MAGIC,
  FAST_SYMLINK_BYTES,
  FEATURE_INCOMPAT_FILETYPE,
  GROUP_DESCRIPTOR_BYTES,
  I,
  INODE_BYTES,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  SB,
  SUPERBLOCK_OFFSET,
} from './ext2-layout.ts'

export type Ext2Kind = 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket' | 'unknown'

export interface Ext2Stat {
  readonly ino: number
  readonly kind: Ext2Kind
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly links: number
  /** Seconds since 1970. */
  readonly mtime: number
  /** Bytes on disk, tables included. */
  readonly allocated: number
  /** Of a device. */
  readonly major: number
  readonly minor: number
}

export interface Ext2Entry {
  readonly name: string
  readonly ino: number
}

/** Where the image's bytes come from: a disk, or a file in memory. */
export interface ByteSource {
  readonly size: number
  /** Fills `into`; both lie within the size. */
  read(offset: number, into: Uint8Array): void
}

/** A path from the root, or an inode number that `list` gave. */
export type Ext2Place = string | number

export interface Ext2Image {
  readonly blockSize: number
  readonly bytes: number
  readonly freeBytes: number
  readonly inodes: number
  readonly freeInodes: number
  readonly label: string
  /** False when it was not unmounted, or was found to hold errors. */
  readonly clean: boolean
  stat(place: Ext2Place): Result<Ext2Stat>
  /** Names in a directory, in the order on disk, without "." and "..". */
  list(place: Ext2Place): Result<readonly Ext2Entry[]>
  readFile(place: Ext2Place): Result<Uint8Array>
  readLink(place: Ext2Place): Result<string>
}

const KINDS: Readonly<Record<number, Ext2Kind>> = {
  [S_IFREG]: 'file',
  [S_IFDIR]: 'directory',
  [S_IFLNK]: 'symlink',
  [S_IFCHR]: 'char',
  [S_IFBLK]: 'block',
  [S_IFIFO]: 'fifo',
  [S_IFSOCK]: 'socket',
}

/** Incompatible features by bit, for the sentence that refuses them. */
const INCOMPATIBLE: readonly (readonly [number, string])[] = [
  [0x1, 'compression'],
  [0x4, 'needs_recovery'],
  [0x8, 'journal_dev'],
  [0x10, 'meta_bg'],
  [0x40, 'extents'],
  [0x80, '64bit'],
  [0x100, 'mmp'],
  [0x200, 'flex_bg'],
  [0x400, 'ea_inode'],
  [0x8000, 'inline_data'],
  [0x10000, 'encrypt'],
]

/** Holes cost nothing in an image, so a few broken bits may ask for any amount of memory. */
const FILE_BYTES_MAX = 2 ** 32

const fail = (kind: string, saw: string, expected: string, hint: string): never => {
  throw new ProblemError(problem(kind, saw, expected, hint))
}

const broken = (saw: string): never => fail('ext2-broken', saw, 'an intact ext2 file system', 'e2fsck on the image')

export function openExt2(image: Uint8Array | ByteSource): Result<Ext2Image> {
  return attempt(() => new Reader(image instanceof Uint8Array ? sourceOf(image) : image))
}

const sourceOf = (image: Uint8Array): ByteSource => ({
  size: image.length,
  read: (offset, into) => into.set(image.subarray(offset, offset + into.length)),
})

function attempt<T>(read: () => T): Result<T> {
  try {
    return ok(read())
  } catch (error) {
    if (error instanceof ProblemError) return refuse(error.problem)
    throw error
  }
}

interface Inode extends Ext2Stat {
  /** Its first 128 bytes. */
  readonly view: DataView
}

class Reader implements Ext2Image {
  readonly blockSize: number
  readonly bytes: number
  readonly freeBytes: number
  readonly inodes: number
  readonly freeInodes: number
  readonly label: string
  readonly clean: boolean
  private readonly source: ByteSource
  private readonly blocksCount: number
  private readonly inodesPerGroup: number
  private readonly inodeSize: number
  private readonly descriptors: number
  private readonly groupCount: number

  constructor(source: ByteSource) {
    this.source = source
    if (source.size < SUPERBLOCK_OFFSET + 1024)
      fail(
        'not-ext2',
        `the image has ${source.size} bytes`,
        'at least 2048, for the superblock to be there',
        'another file',
      )
    const superblock = this.bytesAt(SUPERBLOCK_OFFSET, 1024)
    const view = viewOf(superblock)
    const magic = view.getUint16(SB.s_magic, true)
    if (magic !== EXT2_SUPER_MAGIC)
      fail(
        'not-ext2',
        `the magic number is 0x${magic.toString(16)}`,
        'an ext2 file system without partitions, magic number 0xef53',
        'an image made by mke2fs or by this program',
      )
    const u32 = (offset: number): number => view.getUint32(offset, true)
    const dynamic = u32(SB.s_rev_level) > 0
    const incompatible = dynamic ? u32(SB.s_feature_incompat) & ~FEATURE_INCOMPAT_FILETYPE : 0
    if (incompatible !== 0) {
      const names = INCOMPATIBLE.filter(([bit]) => (incompatible & bit) !== 0).map(([, name]) => name)
      fail(
        'ext2-feature',
        `the file system uses ${names.length > 0 ? names.join(', ') : `feature 0x${(incompatible >>> 0).toString(16)}`}`,
        'plain ext2',
        'mke2fs -t ext2',
      )
    }
    const log = u32(SB.s_log_block_size)
    if (log > 6) broken(`the superblock says blocks of 2^${log + 10} bytes`)
    this.blockSize = 1024 << log
    this.blocksCount = u32(SB.s_blocks_count)
    this.bytes = this.blocksCount * this.blockSize
    if (this.bytes > source.size) broken(`the file system has ${this.bytes} bytes and the image has ${source.size}`)
    this.freeBytes = u32(SB.s_free_blocks_count) * this.blockSize
    this.inodes = u32(SB.s_inodes_count)
    this.freeInodes = u32(SB.s_free_inodes_count)
    this.inodesPerGroup = u32(SB.s_inodes_per_group)
    this.inodeSize = dynamic ? view.getUint16(SB.s_inode_size, true) : INODE_BYTES
    const blocksPerGroup = u32(SB.s_blocks_per_group)
    const firstDataBlock = u32(SB.s_first_data_block)
    if (this.inodesPerGroup === 0 || blocksPerGroup === 0) broken('the superblock says groups of nothing')
    if (this.inodeSize < INODE_BYTES || this.inodeSize > this.blockSize)
      broken(`the superblock says inodes of ${this.inodeSize} bytes`)
    this.groupCount = Math.ceil((this.blocksCount - firstDataBlock) / blocksPerGroup)
    this.descriptors = (firstDataBlock + 1) * this.blockSize
    if (this.descriptors + this.groupCount * GROUP_DESCRIPTOR_BYTES > this.bytes)
      broken(`the descriptors of ${this.groupCount} groups pass the end`)
    const label = superblock.subarray(SB.s_volume_name, SB.s_volume_name + 16)
    const zero = label.indexOf(0)
    this.label = dynamic ? utf8Decode(zero < 0 ? label : label.subarray(0, zero)) : ''
    this.clean = view.getUint16(SB.s_state, true) === 1
  }

  stat(place: Ext2Place): Result<Ext2Stat> {
    return attempt(() => {
      const { view: _view, ...stat } = this.find(place)
      return stat
    })
  }

  list(place: Ext2Place): Result<readonly Ext2Entry[]> {
    return attempt(() =>
      this.entries(this.find(place), said(place)).filter(({ name }) => name !== '.' && name !== '..'),
    )
  }

  readFile(place: Ext2Place): Result<Uint8Array> {
    return attempt(() => {
      const inode = this.find(place)
      const path = said(place)
      if (inode.kind !== 'file')
        fail('not-a-file', `${path} is a ${inode.kind}`, 'a regular file', 'the path of a file')
      return this.contents(inode, path)
    })
  }

  readLink(place: Ext2Place): Result<string> {
    return attempt(() => {
      const inode = this.find(place)
      const path = said(place)
      if (inode.kind !== 'symlink')
        fail('not-a-symlink', `${path} is a ${inode.kind}`, 'a symbolic link', 'the path of a link')
      const fast = inode.size < FAST_SYMLINK_BYTES && inode.view.getUint32(I.i_blocks, true) === 0
      // A target has at most one block.
      if (inode.size > this.blockSize) broken(`the symbolic link ${path} has ${inode.size} bytes`)
      if (!fast) return utf8Decode(this.contents(inode, path))
      return utf8Decode(new Uint8Array(inode.view.buffer, I.i_block, inode.size))
    })
  }

  private bytesAt(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length)
    this.source.read(offset, bytes)
    return bytes
  }

  private find(place: Ext2Place): Inode {
    return typeof place === 'number' ? this.inode(place) : this.lookup(place)
  }

  private lookup(path: string): Inode {
    let inode = this.inode(EXT2_ROOT_INO)
    let walked = ''
    for (const part of path.split('/').filter((name) => name !== '' && name !== '.')) {
      if (inode.kind !== 'directory')
        fail('not-a-directory', `${walked || '/'} is a ${inode.kind}`, 'a directory on the way', 'another path')
      const entry = this.entries(inode, walked || '/').find(({ name }) => name === part)
      if (!entry)
        return fail('no-such-file', `${walked || '/'} holds no "${part}"`, 'a name that is there', 'list first')
      walked += `/${part}`
      inode = this.inode(entry.ino)
    }
    return inode
  }

  private inode(ino: number): Inode {
    const group = Math.floor((ino - 1) / this.inodesPerGroup)
    if (ino < 1 || ino > this.inodes || group >= this.groupCount) broken(`an entry names inode ${ino}`)
    const descriptor = this.descriptors + group * GROUP_DESCRIPTOR_BYTES
    const table = viewOf(this.bytesAt(descriptor + BG.bg_inode_table, 4)).getUint32(0, true)
    const at = table * this.blockSize + ((ino - 1) % this.inodesPerGroup) * this.inodeSize
    if (at + this.inodeSize > this.bytes) broken(`the inode table of group ${group} begins at block ${table}`)
    const view = viewOf(this.bytesAt(at, INODE_BYTES))
    const u16 = (offset: number): number => view.getUint16(offset, true)
    const u32 = (offset: number): number => view.getUint32(offset, true)
    const kind = KINDS[u16(I.i_mode) & S_IFMT] ?? 'unknown'
    const device = kind === 'char' || kind === 'block' ? u32(I.i_block) || u32(I.i_block + 4) : 0
    return {
      view,
      ino,
      kind,
      mode: u16(I.i_mode) & 0o7777,
      uid: u16(I.i_uid) + u16(I.i_uid_high) * 0x10000,
      gid: u16(I.i_gid) + u16(I.i_gid_high) * 0x10000,
      size: u32(I.i_size) + (kind === 'file' ? u32(I.i_size_high) * 2 ** 32 : 0),
      links: u16(I.i_links_count),
      mtime: u32(I.i_mtime),
      allocated: u32(I.i_blocks) * 512,
      major: deviceMajor(device),
      minor: deviceMinor(device),
    }
  }

  /** A file's blocks put together; holes read as zeros. */
  private contents(inode: Inode, path: string): Uint8Array {
    const bytes = allocate(inode.size, path)
    const count = Math.ceil(inode.size / this.blockSize)
    const levels = [0, 1, 2, 3] as const
    let first = 0
    for (const level of levels) {
      const slots = level === 0 ? EXT2_NDIR_BLOCKS : 1
      const from = I.i_block + (level === 0 ? 0 : EXT2_NDIR_BLOCKS + level - 1) * 4
      for (let i = 0; i < slots && first < count; i++) {
        this.copy(inode.view.getUint32(from + i * 4, true), level, first, bytes, path)
        first += (this.blockSize / 4) ** level
      }
    }
    if (first < count) broken(`${path} has ${inode.size} bytes`)
    return bytes
  }

  /** What hangs below `block`, `level` tables deep, beginning with logical block `first`. */
  private copy(block: number, level: number, first: number, bytes: Uint8Array, path: string): void {
    if (block === 0 || first * this.blockSize >= bytes.length) return
    if (block >= this.blocksCount) broken(`${path} lies in block ${block} of ${this.blocksCount}`)
    const at = block * this.blockSize
    if (level === 0) {
      const to = first * this.blockSize
      this.source.read(at, bytes.subarray(to, Math.min(to + this.blockSize, bytes.length)))
      return
    }
    const table = viewOf(this.bytesAt(at, this.blockSize))
    const perBlock = this.blockSize / 4
    const span = perBlock ** (level - 1)
    for (let i = 0; i < perBlock && (first + i * span) * this.blockSize < bytes.length; i++)
      this.copy(table.getUint32(i * 4, true), level - 1, first + i * span, bytes, path)
  }

  private entries(inode: Inode, path: string): Ext2Entry[] {
    if (inode.kind !== 'directory')
      fail('not-a-directory', `${path} is a ${inode.kind}`, 'a directory', 'the path of a directory')
    if (inode.size > this.bytes) broken(`the directory ${path} has ${inode.size} bytes`)
    const bytes = this.contents(inode, path)
    const view = new DataView(bytes.buffer)
    const entries: Ext2Entry[] = []
    for (let at = 0; at + 8 <= bytes.length; ) {
      const ino = view.getUint32(at, true)
      const recLen = view.getUint16(at + 4, true)
      const nameLen = view.getUint8(at + 6)
      if (recLen < 8 || at + recLen > bytes.length || nameLen + 8 > recLen)
        broken(`the directory ${path} holds an entry of ${recLen} bytes with a name of ${nameLen}`)
      if (ino !== 0) entries.push({ ino, name: utf8Decode(bytes.subarray(at + 8, at + 8 + nameLen)) })
      at += recLen
    }
    return entries
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const said = (place: Ext2Place): string => (typeof place === 'number' ? `inode ${place}` : place)

function allocate(bytes: number, path: string): Uint8Array {
  if (bytes > FILE_BYTES_MAX)
    fail('file-too-large', `${path} has ${bytes} bytes`, 'at most 4 GiB in a file', 'a smaller file')
  try {
    return new Uint8Array(bytes)
  } catch {
    return fail('no-memory', `${path} has ${bytes} bytes`, 'a file that fits in memory here', 'a smaller file')
  }
}
