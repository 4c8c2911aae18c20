import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { digestName, digestOf } from './identity.ts'

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

test.each([0, 1, 1024 * 1024, 2_500_000])('the sum of the sums of the mebibytes of %i bytes', async (size) => {
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7) & 255)
  const pieces: Buffer[] = []
  for (let at = 0; at < size; at += 1024 * 1024) pieces.push(sha(bytes.subarray(at, at + 1024 * 1024)))
  expect(digestName(await digestOf(new Blob([bytes])))).toBe(sha(Buffer.concat(pieces)).toString('hex'))
})
