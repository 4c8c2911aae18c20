/** Formats as the tools that write them write them, where those are here; else by the first bytes of their specifications. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FORMAT_HEAD_BYTES, FORMAT_TAIL_BYTES, formatOf } from './file-format.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'format-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

const nameOf = (bytes: Uint8Array): string | undefined =>
  formatOf(
    bytes.subarray(0, Math.min(bytes.length, FORMAT_HEAD_BYTES)),
    bytes.subarray(Math.max(0, bytes.length - FORMAT_TAIL_BYTES)),
  )?.name

const here = (tool: string): boolean => {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`])
    return true
  } catch {
    return false
  }
}

describe.skipIf(!here('qemu-img'))('images that qemu-img makes', () => {
  test.each([
    ['qcow2', 'qcow2', ''],
    ['qcow2', 'qcow2', '-o compat=0.10'],
    ['qcow', 'qcow2', ''],
    ['qed', 'qed', ''],
    ['vmdk', 'vmdk', ''],
    ['vmdk', 'vmdk', '-o subformat=streamOptimized'],
    ['vmdk', 'vmdk', '-o subformat=twoGbMaxExtentFlat'],
    ['vhdx', 'vhdx', ''],
    ['vpc', 'vhd', ''],
    ['vpc', 'vhd', '-o subformat=fixed'],
    ['vdi', 'vdi', ''],
    ['parallels', 'parallels', ''],
    ['raw', undefined, ''],
  ])('%s is %s %s', (format, name, options) => {
    const file = join(dir, 'image')
    execFileSync('qemu-img', ['create', '-q', '-f', format, ...options.split(' ').filter(Boolean), file, '1M'])
    expect(nameOf(readFileSync(file))).toBe(name)
  })
})

describe('packed files', () => {
  test.each([
    ['gzip', 'gzip'],
    ['xz', 'xz'],
    ['xz --format=lzma', 'lzma'],
    ['zstd', 'zstd'],
    ['bzip2', 'bzip2'],
    ['lz4', 'lz4'],
    ['lz4 -l', 'lz4'],
    ['lzip', 'lzip'],
    ['lzop', 'lzop'],
    ['compress', 'compress'],
  ])('by %s', (command, name) => {
    if (!here(command.split(' ')[0]!)) return
    const packed = execFileSync('sh', ['-c', `${command} -c`], { input: Buffer.alloc(5000, 'a disk ') })
    const format = formatOf(packed)
    expect(format?.name).toBe(name)
    // The command that people are told does what they are told it does.
    writeFileSync(join(dir, 'packed'), packed)
    expect(execFileSync('sh', ['-c', `${format?.unpack} ${join(dir, 'packed')}`])).toEqual(
      Buffer.alloc(5000, 'a disk '),
    )
  })

  test('gzip and ZIP from their specifications', () => {
    expect(nameOf(gzipSync('x'))).toBe('gzip')
    expect(nameOf(Buffer.concat([Buffer.from('PK\x03\x04\x14\0\0\0\x08\0'), deflateRawSync('x')]))).toBe('zip')
  })

  test('an appliance is a tar whose first file is its description; any other tar may be a disk', () => {
    const tar = (name: string): Buffer => {
      const header = Buffer.alloc(1024)
      header.write(name)
      header.write('ustar\x0000', 257)
      return header
    }
    expect([tar('netbsd.ovf'), tar('etc/rc')].map(nameOf)).toEqual(['ova', undefined])
  })
})

test('what may be a disk is nothing else', () => {
  const at = (offset: number, bytes: number[] | string): Buffer => {
    const image = Buffer.alloc(4096)
    image.set(Buffer.from(bytes as string, 'latin1'), offset)
    return image
  }
  const disks = {
    zeros: Buffer.alloc(4096),
    'one byte': Buffer.alloc(1),
    nothing: Buffer.alloc(0),
    'a boot sector': at(510, '\x55\xaa'),
    'FAT, which begins with a jump': at(0, '\xeb\x3c\x90MSDOS5.0'),
    ext2: at(0x438, '\x53\xef'),
    LUKS: at(0, 'LUKS\xba\xbe\0\x01'),
    squashfs: at(0, 'hsqs'),
    'what looks like LZMA to a careless reader': at(0, '\x5d\0\0'),
    text: Buffer.from('hello'),
    'a mark inside': at(1000, 'conectix'),
  }
  for (const [what, bytes] of Object.entries(disks)) expect([what, nameOf(bytes)]).toEqual([what, undefined])
})

test('texts that come in place of a file', () => {
  for (const text of ['<!DOCTYPE html>', '\n <html lang="en">', '\ufeff<?xml version="1.0"?><Error>'])
    expect(nameOf(Buffer.from(text))).toBe('markup')
  expect(nameOf(Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:'))).toBe('lfs')
})
