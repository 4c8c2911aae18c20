import { expect, test } from 'vitest'
import { random } from '../disk/testing/random-tree.ts'
import { utf8Decode, utf8Encode, utf8EncodeStrictly } from './utf8.ts'

test('text becomes the bytes that TextEncoder gives, and comes back', () => {
  for (const text of ['', 'plain', 'é\u07ff\u0800', '日本語', '\uffff\u{10000}\u{10ffff}', '😀']) {
    expect(utf8Encode(text)).toEqual(new TextEncoder().encode(text))
    expect(utf8EncodeStrictly(text)).toEqual(utf8Encode(text))
    expect(utf8Decode(utf8Encode(text))).toBe(text)
  }
})

test('half a surrogate pair has no bytes of its own', () => {
  for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800']) {
    expect(utf8EncodeStrictly(text)).toBeUndefined()
    expect(utf8Encode(text)).toEqual(new TextEncoder().encode(text))
  }
})

test('bytes that are UTF-8 read as TextDecoder reads them; others become U+FFFD', () => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const pick = random(5)
  const leads = [0x41, 0xc1, 0xc3, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff]
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: pick(6) }, (_, at) =>
      at === 0 ? leads[pick(leads.length)]! : 0x78 + pick(80),
    )
    let expected: string | undefined
    try {
      expected = strict.decode(bytes)
    } catch {
      // not UTF-8
    }
    if (expected === undefined) expect(utf8Decode(bytes)).toContain('\ufffd')
    else expect(utf8Decode(bytes)).toBe(expected)
  }
})
