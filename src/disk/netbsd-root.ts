/**
 * The root file system that NetBSD boots from here: our own /sbin/init, the device nodes that it and the kernel open, and
 * whatever files a person adds. An ext2 image without partitions or a disklabel: the kernel makes up a label with one
 * partition `a` over the whole disk, hence `root=ld0a`.
 *
 * /dev is complete enough that the kernel finds /dev/console and does not ask for MAKEDEV. The numbers are those of
 * NetBSD's majors.amd64 and majors.i386, which agree, of conf/majors and sys/conf.h; a disk has 16 partitions, the whole
 * of it being `d`.
 */
import { problem, type Result, refuse } from '../base/problem.ts'
import { utf8Encode } from '../base/utf8.ts'
import { type Ext2Options, makeExt2 } from './ext2.ts'
import {
  type Attributes,
  blockDevice,
  charDevice,
  type DirectoryNode,
  directory,
  file,
  symlink,
  type TreeNode,
} from './tree.ts'

export interface NetbsdRootOptions extends Ext2Options {
  /**
   * Files by absolute path, "/root/hello.txt", as bytes or as nodes; directories on the way are made. They replace what is
   * there, but a directory and what is none never replace each other: the entries of two directories are put together.
   */
  readonly files?: ReadonlyMap<string, Uint8Array | TreeNode>
}

/** Room for what a guest writes, unless a size is asked for. */
const FREE_BYTES = 4 * 1024 * 1024
/** The same on a root that outlives its machine. */
export const KEPT_FREE_BYTES = 32 * 1024 * 1024

const CONS = 0
const CTTY = 1
const MEM = 2
const LOG = 7
const COM = 8
const RND = 46
const LD_CHAR = 69
const LD_BLOCK = 19
const PTM = 165
const VIOCON = 364

const PARTITIONS = 16
const RAW_PART = 3
const OPERATOR = 5
const EVERYBODY: Attributes = { mode: 0o666 }
const DISK: Attributes = { mode: 0o640, gid: OPERATOR }

function devices(): Record<string, TreeNode> {
  const nodes: Record<string, TreeNode> = {
    console: charDevice(CONS, 0, { mode: 0o600 }),
    constty: charDevice(CONS, 1, { mode: 0o600 }),
    tty: charDevice(CTTY, 0, EVERYBODY),
    mem: charDevice(MEM, 0, { mode: 0o640 }),
    kmem: charDevice(MEM, 1, { mode: 0o640 }),
    null: charDevice(MEM, 2, EVERYBODY),
    full: charDevice(MEM, 11, EVERYBODY),
    zero: charDevice(MEM, 12, EVERYBODY),
    klog: charDevice(LOG, 0, { mode: 0o600 }),
    tty00: charDevice(COM, 0, { mode: 0o600 }),
    // The first port of the first virtio console, as MAKEDEV calls it.
    ttyVI00: charDevice(VIOCON, 0, { mode: 0o600 }),
    random: charDevice(RND, 0, { mode: 0o444 }),
    urandom: charDevice(RND, 1, { mode: 0o644 }),
    ptmx: charDevice(PTM, 0, EVERYBODY),
  }
  for (const unit of [0, 1, 2, 3]) {
    for (const [letter, partition] of [['a', 0] as const, ['d', RAW_PART] as const]) {
      nodes[`ld${unit}${letter}`] = blockDevice(LD_BLOCK, unit * PARTITIONS + partition, DISK)
      nodes[`rld${unit}${letter}`] = charDevice(LD_CHAR, unit * PARTITIONS + partition, DISK)
    }
  }
  return nodes
}

const text = (line: string, attributes?: Attributes): TreeNode => file(utf8Encode(line), attributes)

/** What the userland answers to: userland/commands.def, kept the same by userland/init.test.ts. */
export const NETBSD_COMMANDS: readonly string[] = (
  '[ basename cat chmod chown clear cmp cp cut date dd df dirname dmesg du echo env expr false find grep halt head ' +
  'hexdump hostname id ifconfig kill ln ls mkdir mknod more mount mv ping poweroff printf ps pwd readlink reboot resize rm rmdir ' +
  'route seq sh sleep sort stat stty sync sysctl tail tee test time touch tr true umount uname uniq uptime wc which xargs'
).split(' ')

/** Those that NetBSD keeps in /sbin. */
const IN_SBIN = new Set('dmesg halt ifconfig mknod mount ping poweroff reboot route sysctl umount'.split(' '))

/** A link for each command: the one program looks at the name that it was called by. */
const links = (inSbin: boolean): [string, TreeNode][] =>
  NETBSD_COMMANDS.filter((name) => IN_SBIN.has(name) === inSbin).map((name) => [name, symlink('/sbin/init')])

const RC = `# /etc/rc: init runs this once, before the first shell.
hostname playground
# The machine's own network, if there is one: 10.0.2.2 is the way out. It takes the kernel longer than all else here, so it
# is done once the shell is there.
(
  sleep 0.05
  ifconfig lo0 127.0.0.1
  # Nobody else can have the address: seconds of looking for a duplicate would be for nothing.
  sysctl net.inet.ip.dad_count=0 >/dev/null
  ifconfig vioif0 inet 10.0.2.15/24 up && route add default 10.0.2.2
) 2>/dev/null &
if [ -r /etc/rc.local ]; then . /etc/rc.local; fi
`

const PROFILE = `# /etc/profile: every login shell runs this first.
if [ -r /root/.profile ]; then . /root/.profile; fi
`

/** The tree alone, for whoever wants to add to it. */
export const netbsdTree = (init: Uint8Array): DirectoryNode =>
  directory({
    sbin: directory({ init: file(init, { mode: 0o555 }), ...Object.fromEntries(links(true)) }),
    bin: directory(Object.fromEntries(links(false))),
    dev: directory(devices()),
    etc: directory({
      fstab: text('/dev/ld0a / ext2fs rw 1 1\ntmpfs /tmp tmpfs rw 0 0\n'),
      group: text('wheel:*:0:root\noperator:*:5:root\nnogroup:*:39:\nusers:*:100:\n'),
      motd: text('NetBSD, booted by the NetBSD microVM playground. `help` lists the commands.\n'),
      passwd: text('root:*:0:0:Charlie &:/root:/bin/sh\nnobody:*:32767:39:Nobody:/nonexistent:/bin/sh\n'),
      profile: text(PROFILE),
      rc: text(RC),
    }),
    kern: directory({}),
    mnt: directory({}),
    proc: directory({}),
    root: directory({}, { mode: 0o700 }),
    tmp: directory({}, { mode: 0o1777 }),
    usr: directory({}),
    var: directory({ log: directory({}), run: directory({}), tmp: directory({}, { mode: 0o1777 }) }),
  })

/** The image to boot with `root=ld0a`, or the reason why there is none. */
export function netbsdRoot(init: Uint8Array, options: NetbsdRootOptions = {}): Result<Uint8Array> {
  const { files, ...ext2 } = options
  const tree = growing(netbsdTree(init))
  for (const [path, given] of files ?? []) {
    const node = given instanceof Uint8Array ? file(given, { mode: isProgram(given) ? 0o755 : 0o644 }) : given
    const names = path.split('/').filter((name) => name !== '')
    if (!put(tree, names, node))
      return refuse(
        problem(
          'bad-path',
          `a ${node.kind} is to be put at "${path}"`,
          'a path of names whose directories are no files, and no directory where a file is to be, nor the other way round',
          'another path, such as /root/hello.txt',
        ),
      )
  }
  return makeExt2(tree, { label: 'netbsd-root', free: FREE_BYTES, ...ext2 })
}

/** A tree that still takes entries: thousands of files are put into it one by one. */
interface GrowingDirectory extends DirectoryNode {
  readonly entries: Map<string, TreeNode>
}

const growing = (node: DirectoryNode): GrowingDirectory => ({
  ...node,
  entries: new Map(
    [...node.entries].map(([name, child]) => [name, child.kind === 'directory' ? growing(child) : child]),
  ),
})

/** False when something on the way is no directory, or would stop being one. */
function put(tree: GrowingDirectory, [name, ...rest]: readonly string[], node: TreeNode): boolean {
  if (name === undefined) return false
  const there = tree.entries.get(name)
  if (rest.length > 0) {
    if (there && there.kind !== 'directory') return false
    // Every directory in a growing tree grows.
    const way = (there ?? growing(directory({}))) as GrowingDirectory
    tree.entries.set(name, way)
    return put(way, rest, node)
  }
  if (there && (there.kind === 'directory') !== (node.kind === 'directory')) return false
  if (node.kind !== 'directory') tree.entries.set(name, node)
  else {
    const own = growing(node)
    if (there?.kind === 'directory')
      for (const [key, child] of there.entries) if (!own.entries.has(key)) own.entries.set(key, child)
    tree.entries.set(name, own)
  }
  return true
}

/** An ELF file, or a script that begins with #!: what is to be executable. */
export const isProgram = (bytes: Uint8Array): boolean =>
  (bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46) ||
  (bytes[0] === 0x23 && bytes[1] === 0x21)
