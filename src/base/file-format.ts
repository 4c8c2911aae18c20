/**
 * What a file is, by its bytes: the wrappings and containers that people take for a kernel or a raw disk image. One table
 * for every door. A name's ending is never asked: it is the first thing that a download loses.
 *
 * Magic numbers: RFC 1952 (gzip), The .xz File Format 1.2.1, RFC 8878 (Zstandard), LZ4 Frame Format 1.6.4, APPNOTE 6.3
 * (ZIP); QEMU's docs/interop/qcow2.rst and qed_spec.rst; VMware's Virtual Disk Format 5.0; Microsoft's Virtual Hard Disk
 * Image Format and [MS-VHDX]; VirtualBox's VDICore.h; libmagic's database for the rest. Left out on purpose: what a guest
 * may well be given as the sectors of a disk, such as tar, cpio, ISO 9660, LUKS or a file system.
 */

export interface FileFormat {
  /** Stable, for programs. */
  readonly name: string
  /** Completes "the file is ...". */
  readonly label: string
  /** What is around the content: a compression of one file, an archive of many, a disk's container, or a text in its place. */
  readonly family: 'packed' | 'archive' | 'disk' | 'text'
  /** Command and options that write the content of the file named after them to standard output. */
  readonly unpack?: string
  /** What qemu-img(1) calls a container that it does not recognise by itself. */
  readonly qemuName?: string
}

/** How much of a file's start and end `formatOf` looks at. */
export const FORMAT_HEAD_BYTES = 512
export const FORMAT_TAIL_BYTES = 512

interface Row extends FileFormat {
  /** Any of these at `at`: text as Latin-1, or a test of the head. */
  readonly magic: readonly string[] | ((head: Uint8Array) => boolean)
  readonly at?: number
}

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
const hasAt = (bytes: Uint8Array, at: number, magic: string): boolean =>
  at >= 0 && latin1(bytes.subarray(at, at + magic.length)) === magic

/** Zstandard's skippable frame, in any of its sixteen numbers (RFC 8878 3.1.2); pzstd's files begin with one. */
const isSkippableFrame = (head: Uint8Array): boolean => (head[0] ?? 0) >> 4 === 5 && hasAt(head, 1, '*M\x18')

/**
 * LZMA_Alone has no magic number: lc, lp and pb as every encoder sets them, a dictionary of 2^n or 2^n + 2^(n-1) bytes, and
 * an unpacked size that is unknown or below 256 GiB (xz's doc/lzma-file-format.txt, and what its decoder takes for sane).
 */
const isLzma = (head: Uint8Array): boolean => {
  if (head.length < 13 || head[0] !== 0x5d) return false
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const dictionary = view.getUint32(1, true)
  const [low, high] = [view.getUint32(5, true), view.getUint32(9, true)]
  const isPower = (n: number): boolean => n >= 4096 && Number.isInteger(Math.log2(n))
  if (!isPower(dictionary) && !isPower((dictionary / 3) * 2)) return false
  return (low === 0xffffffff && high === 0xffffffff) || high < 64
}

/** A server's answer in a file's place: HTML, or XML such as an object store's error. */
const isMarkup = (head: Uint8Array): boolean => /^(\xef\xbb\xbf)?\s*<(!doctype|!--|html|head|\?xml)/i.test(latin1(head))

/** USTAR's header (POSIX.1-2024 pax), whose first file is an OVF description (DMTF DSP0243 5.1). */
const isOva = (head: Uint8Array): boolean => hasAt(head, 257, 'ustar') && /^[^\0]*\.ovf\0/i.test(latin1(head))

const ROWS: readonly Row[] = [
  { name: 'gzip', label: 'gzip-compressed', family: 'packed', unpack: 'gzip -dc', magic: ['\x1f\x8b'] },
  { name: 'xz', label: 'xz-compressed', family: 'packed', unpack: 'xz -dc', magic: ['\xfd7zXZ\0'] },
  {
    name: 'zstd',
    label: 'zstd-compressed',
    family: 'packed',
    unpack: 'zstd -dc',
    magic: (head) => hasAt(head, 0, '\x28\xb5\x2f\xfd') || isSkippableFrame(head),
  },
  {
    name: 'bzip2',
    label: 'bzip2-compressed',
    family: 'packed',
    unpack: 'bzip2 -dc',
    magic: (head) => /^BZh[1-9]/.test(latin1(head)),
  },
  {
    name: 'lz4',
    label: 'lz4-compressed',
    family: 'packed',
    unpack: 'lz4 -dc',
    // The second is the legacy frame, which the Linux kernel's build writes.
    magic: ['\x04\x22\x4d\x18', '\x02\x21\x4c\x18'],
  },
  {
    name: 'lzma',
    label: 'LZMA-compressed',
    family: 'packed',
    unpack: 'xz --format=lzma -dc',
    magic: isLzma,
  },
  { name: 'lzip', label: 'lzip-compressed', family: 'packed', unpack: 'lzip -dc', magic: ['LZIP\x01'] },
  { name: 'lzop', label: 'lzop-compressed', family: 'packed', unpack: 'lzop -dc', magic: ['\x89LZO\0\r\n\x1a\n'] },
  { name: 'compress', label: 'packed by compress(1)', family: 'packed', unpack: 'gzip -dc', magic: ['\x1f\x9d'] },
  { name: 'zip', label: 'a ZIP archive', family: 'archive', unpack: 'unzip -p', magic: ['PK\x03\x04', 'PK\x05\x06'] },
  { name: '7z', label: 'a 7z archive', family: 'archive', unpack: '7z e -so', magic: ['7z\xbc\xaf\x27\x1c'] },
  { name: 'rar', label: 'a RAR archive', family: 'archive', unpack: 'unrar p -inul', magic: ['Rar!\x1a\x07'] },
  { name: 'ova', label: 'an OVA appliance', family: 'archive', magic: isOva },
  { name: 'qcow2', label: 'a qcow2 image', family: 'disk', magic: ['QFI\xfb'] },
  { name: 'qed', label: 'a QED image', family: 'disk', magic: ['QED\0'] },
  {
    name: 'vmdk',
    label: 'a VMDK image',
    family: 'disk',
    // Hosted sparse, ESX's sparse, ESX's SE sparse, and the description of a disk that lies in other files.
    magic: ['KDMV', 'COWD', '\xbe\xba\xfe\xca\0\0\0\0', '# Disk DescriptorFile'],
  },
  { name: 'vhdx', label: 'a VHDX image', family: 'disk', magic: ['vhdxfile'] },
  { name: 'vhd', label: 'a VHD image', family: 'disk', qemuName: 'vpc', magic: ['conectix'] },
  { name: 'vdi', label: 'a VDI image', family: 'disk', magic: ['\x7f\x10\xda\xbe'], at: 0x40 },
  {
    name: 'parallels',
    label: 'a Parallels image',
    family: 'disk',
    magic: ['WithoutFreeSpace', 'WithouFreSpacExt'],
  },
  { name: 'bochs', label: "a Bochs image (its 'growing' kind)", family: 'disk', magic: ['Bochs Virtual HD Image'] },
  { name: 'markup', label: 'a web page', family: 'text', magic: isMarkup },
  {
    name: 'lfs',
    label: "Git LFS's note of a file",
    family: 'text',
    magic: ['version https://git-lfs.github.com/spec/'],
  },
]

/** Formats that stand at a file's end. A fixed VHD is raw sectors and this; it was 511 bytes long before Virtual PC 2004. */
const tailFormat = (tail: Uint8Array): FileFormat | undefined => {
  if (hasAt(tail, tail.length - 512, 'conectix') || hasAt(tail, tail.length - 511, 'conectix'))
    return { name: 'vhd', label: 'a VHD image (its fixed kind)', family: 'disk', qemuName: 'vpc' }
  if (hasAt(tail, tail.length - 512, 'koly\0\0\0\x04'))
    return { name: 'dmg', label: 'a macOS disk image', family: 'disk' }
  return undefined
}

/**
 * The format of a file whose first FORMAT_HEAD_BYTES and last FORMAT_TAIL_BYTES (or all, where it has fewer) are given.
 * Undefined: nothing that stands here, so it may be the thing itself.
 */
export const formatOf = (head: Uint8Array, tail: Uint8Array = new Uint8Array(0)): FileFormat | undefined =>
  ROWS.find(({ magic, at = 0 }) =>
    typeof magic === 'function' ? magic(head.subarray(0, FORMAT_HEAD_BYTES)) : magic.some((m) => hasAt(head, at, m)),
  ) ?? tailFormat(tail)
