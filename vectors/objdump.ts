/** Instruction boundaries as objdump finds them. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Lengths } from './lengths.ts'

export interface Boundaries {
  instructions: number
  /** Not in the table, by objdump's mnemonic: VEX, EVEX and features that the model does not offer. */
  readonly unknown: Map<string, number>
  readonly disagreements: string[]
}

/** Lines that are no instruction: bad bytes, and prefixes that objdump sets apart. */
const SKIPPED = /^(\(bad\)|rex(\.[WRXB]+)?|data16|addr32|lock|repz|repnz|[cdefgs]s|\.byte)\s*$/

/** Holds the decoder against `objdump -d`, up to `limit` instructions. */
export const compareWithObjdump = async (file: string, lengths: Lengths, limit: number): Promise<Boundaries> => {
  const result: Boundaries = { instructions: 0, unknown: new Map(), disagreements: [] }
  const objdump = spawn('objdump', ['-d', '-w', file], { stdio: ['ignore', 'pipe', 'ignore'] })
  const bytes = new Uint8Array(32)
  for await (const line of createInterface({ input: objdump.stdout })) {
    const tab = line.indexOf(':\t')
    if (tab < 0) continue
    const second = line.indexOf('\t', tab + 2)
    if (second < 0) continue
    const hex = line.slice(tab + 2, second).trim()
    const text = line.slice(second + 1)
    if (SKIPPED.test(text) || text.includes('(bad)') || text.startsWith('.byte')) continue
    // objdump joins WAIT (9B) and what follows.
    if (hex.startsWith('9b') && hex.length > 2) continue
    const length = (hex.length + 1) / 3
    for (let i = 0; i < length; i++) bytes[i] = Number.parseInt(hex.slice(i * 3, i * 3 + 2), 16)
    result.instructions++
    const mine = lengths.of(bytes, 0, length, 64)
    if (mine.length !== length) {
      // In objdump's view a prefix that changes nothing may stand alone; in ours it belongs to what follows.
      const mnemonic =
        text.split(/[\s,]/).find((word) => !/^(data16|addr32|lock|rep\w*|bnd|notrack|[cdefgs]s)$/.test(word)) ?? '?'
      if (mine.undefined) result.unknown.set(mnemonic, (result.unknown.get(mnemonic) ?? 0) + 1)
      else if (result.disagreements.length < 20)
        result.disagreements.push(
          `${line.slice(0, tab).trim()} ${hex}: objdump ${length} (${text}), decoder ${mine.length}`,
        )
    }
    if (result.instructions >= limit) break
  }
  objdump.kill()
  return result
}
