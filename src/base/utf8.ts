/**
 * UTF-8 (RFC 3629). TextEncoder and TextDecoder belong to hosts, and most rooms know none.
 * Missing on purpose: a byte order mark, which is a character here.
 */

const REPLACEMENT = '\ufffd'

/** As TextEncoder writes it: half a surrogate pair, which UTF-8 cannot say, is U+FFFD. */
export const utf8Encode = (text: string): Uint8Array => Uint8Array.from(encode(text, REPLACEMENT) ?? [])

/** Undefined where the text holds half a surrogate pair: for names, which must be themselves or nothing. */
export const utf8EncodeStrictly = (text: string): Uint8Array | undefined => {
  const bytes = encode(text, undefined)
  return bytes && Uint8Array.from(bytes)
}

const encode = (text: string, halfPair: string | undefined): number[] | undefined => {
  const bytes: number[] = []
  for (const character of text) {
    let c = character.codePointAt(0)!
    if (c >= 0xd800 && c <= 0xdfff) {
      if (halfPair === undefined) return undefined
      c = halfPair.charCodeAt(0)
    }
    if (c < 0x80) bytes.push(c)
    else if (c < 0x800) bytes.push(0xc0 | (c >> 6), 0x80 | (c & 63))
    else if (c < 0x10000) bytes.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63))
    else bytes.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63))
  }
  return bytes
}

/** Any bytes: what is not UTF-8 becomes U+FFFD, one for each byte that fits nowhere. */
export const utf8Decode = (bytes: ArrayLike<number>): string => {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++]!
    const more = first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : -1
    if (more <= 0) {
      text += more === 0 ? String.fromCharCode(first) : REPLACEMENT
      continue
    }
    let c = first & (0x3f >> more)
    let good = at + more <= bytes.length
    for (let i = 0; good && i < more; i++) {
      const next = bytes[at + i]!
      if ((next & 0xc0) === 0x80) c = (c << 6) | (next & 63)
      else good = false
    }
    // Three bytes may not say what two can, nor a surrogate; four not what three can, nor past the last character.
    if (good && more === 2) good = c >= 0x800 && (c < 0xd800 || c > 0xdfff)
    if (good && more === 3) good = c >= 0x10000 && c <= 0x10ffff
    if (good) at += more
    text += good ? String.fromCodePoint(c) : REPLACEMENT
  }
  return text
}
