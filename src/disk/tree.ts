/** A directory tree as data: what a file system image is made from. */

export interface Attributes {
  /** Permission bits, 0o7777 at most. The default depends on the kind. */
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Seconds since 1970; by default the image's own time. */
  readonly mtime?: number
}

/** Bytes at a place in a file. What no piece covers is a hole, and so is every block that is all zeros. */
export interface Piece {
  readonly offset: number
  readonly bytes: Uint8Array
}

export interface FileNode extends Attributes {
  readonly kind: 'file'
  readonly size: number
  /** In ascending order, none over another. */
  readonly pieces: readonly Piece[]
}

export interface DirectoryNode extends Attributes {
  readonly kind: 'directory'
  readonly entries: ReadonlyMap<string, TreeNode>
}

export interface SymlinkNode extends Attributes {
  readonly kind: 'symlink'
  readonly target: string
}

export interface DeviceNode extends Attributes {
  readonly kind: 'char' | 'block'
  readonly major: number
  readonly minor: number
}

export type TreeNode = FileNode | DirectoryNode | SymlinkNode | DeviceNode

export const file = (bytes: Uint8Array, attributes: Attributes = {}): FileNode => ({
  ...attributes,
  kind: 'file',
  size: bytes.length,
  pieces: [{ offset: 0, bytes }],
})

export const sparseFile = (size: number, pieces: readonly Piece[], attributes: Attributes = {}): FileNode => ({
  ...attributes,
  kind: 'file',
  size,
  pieces,
})

/** Entries by name, written as an object's own properties. */
export const directory = (entries: Readonly<Record<string, TreeNode>>, attributes: Attributes = {}): DirectoryNode => ({
  ...attributes,
  kind: 'directory',
  entries: new Map(Object.entries(entries)),
})

export const symlink = (target: string, attributes: Attributes = {}): SymlinkNode => ({
  ...attributes,
  kind: 'symlink',
  target,
})

export const charDevice = (major: number, minor: number, attributes: Attributes = {}): DeviceNode => ({
  ...attributes,
  kind: 'char',
  major,
  minor,
})

export const blockDevice = (major: number, minor: number, attributes: Attributes = {}): DeviceNode => ({
  ...attributes,
  kind: 'block',
  major,
  minor,
})
