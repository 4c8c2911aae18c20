import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { lookAtDrop } from './dropped-file.ts'

const file = (name: string, ...parts: (string | Uint8Array)[]) =>
  new File(
    parts.map((part) =>
      typeof part === 'string' ? Uint8Array.from(part, (c) => c.charCodeAt(0)) : new Uint8Array(part),
    ),
    name,
  )
const at = (size: number, offset: number, ...bytes: number[]) => {
  const image = new Uint8Array(size)
  image.set(bytes, offset)
  return image
}
const kind = async (dropped: File) => (await lookAtDrop(dropped)).kind
const saw = async (dropped: File) => {
  const seen = await lookAtDrop(dropped)
  return 'problem' in seen ? `${seen.problem.saw}. Try: ${seen.problem.hint}` : seen.kind
}

const ELF = '\x7fELF\x02\x01\x01'

describe('a dropped file', () => {
  it('is a kernel where it is ELF, also in gzip, and where the boot has a name for it', async () => {
    expect(await kind(file('netbsd', ELF))).toBe('kernel')
    expect(await kind(file('netbsd.gz', gzipSync(ELF)))).toBe('kernel')
    expect(await kind(file('vmlinuz', at(0x300, 0x1fe, 0x55, 0xaa, 0, 0, 0x48, 0x64, 0x72, 0x53)))).toBe('kernel')
  })

  it('is a disk of any length where it has the marks or the name of one', async () => {
    expect(await kind(file('disk.img', 'ragged'))).toBe('disk')
    expect(await kind(file('whole', new Uint8Array(1024)))).toBe('disk')
    expect(await kind(file('ragged', at(100_001, 1080, 0x53, 0xef)))).toBe('disk')
    expect(await kind(file('ragged', at(1001, 510, 0x55, 0xaa)))).toBe('disk')
  })

  it('is refused as a disk in a container or a compression, with the command that makes it raw', async () => {
    expect(await saw(file('root.qcow2', 'QFI\xfb', new Uint8Array(65_532)))).toMatch(
      /root.qcow2 is a qcow2 image\. Try: qemu-img convert -O raw root.qcow2 root.raw/,
    )
    expect(await kind(file('a.vmdk', 'KDMV', new Uint8Array(508)))).toBe('refused')
    expect(await saw(file('root.img.gz', gzipSync('sectors')))).toMatch(/gzip-compressed\. Try: gzip -dc root.img.gz/)
    expect(await kind(file('root.img.xz', '\xfd7zXZ\0', new Uint8Array(506)))).toBe('refused')
    expect(await kind(file('fixed', new Uint8Array(1024), 'conectix', new Uint8Array(504)))).toBe('refused')
  })

  it('is none of a boot’s files otherwise, and says what it is', async () => {
    expect(await saw(file('a.png', '\x89PNG\r\n\x1a\n', new Uint8Array(504)))).toMatch(/a.png is a PNG picture/)
    expect(await saw(file('nothing', ''))).toMatch(/nothing is empty/)
    expect(await kind(file('sources.tar.gz', gzipSync('a tar archive')))).toBe('other')
    expect(await kind(file('notes', 'a line\n'))).toBe('other')
  })

  it('is a trace by its first character or its name', async () => {
    expect(await kind(file('boot', '{"format":'))).toBe('trace')
    expect(await kind(file('boot.tslog', '0x0 1000 ENTER main\n'))).toBe('trace')
  })
})
