/**
 * Regions as text, read by people: what a change of a meaning or of the writer does to the code that runs hot. After such a
 * change `npx vitest run src/machine/engine/regions/write.test.ts -u` writes the files anew, and the difference is reviewed.
 */
import { expect, test } from 'vitest'
import { drawnRegion } from './testing/drawn-region.ts'

const DRAWN: readonly [name: string, says: string, mode: 64 | 32, ...code: number[]][] = [
  ['countdown', 'a loop of two instructions: DEC RCX; JNZ; RET', 64, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xc3],
  [
    'copy',
    'a load and a store in a loop: MOV AL, [RSI]; MOV [RDI], AL; INC RSI; INC RDI; DEC ECX; JNZ',
    64,
    ...[0x8a, 0x06, 0x88, 0x07, 0x48, 0xff, 0xc6, 0x48, 0xff, 0xc7, 0xff, 0xc9, 0x75, 0xf2],
  ],
  [
    'maximum',
    'blocks that meet again: CMP EAX, EBX; JGE +2; MOV EAX, EBX; JMP to the beginning',
    64,
    ...[0x39, 0xd8, 0x7d, 0x02, 0x89, 0xd8, 0xeb, 0xf8],
  ],
  [
    'segment',
    'legacy mode, a segment’s offset: MOV EAX, FS:[EBX+4]; ADD EAX, ECX; JMP to the beginning',
    32,
    ...[0x64, 0x8b, 0x43, 0x04, 0x01, 0xc8, 0xeb, 0xf8],
  ],
]

test.each(DRAWN)('%s: %s', async (name, _, mode, ...code) => {
  const { module, text } = drawnRegion(code, mode)
  expect(WebAssembly.validate(module as BufferSource)).toBe(true)
  await expect(text).toMatchFileSnapshot(`golden/${name}.wat`)
})
