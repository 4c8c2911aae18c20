/** Arithmetic of the benchmark, apart from the programs it runs. */

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Above 1 when ours is faster, whichever way the unit counts. */
export const ratio = (unit: 'ms' | 'MIPS', ours: readonly number[], qemu: readonly number[]): number | undefined => {
  if (ours.length === 0 || qemu.length === 0) return undefined
  const quotient = median(ours) / median(qemu)
  return unit === 'MIPS' ? quotient : 1 / quotient
}

/** Text and when it came. */
export class TimedText {
  all = ''
  readonly #pieces: { readonly end: number; readonly ms: number }[] = []

  push(text: string, ms: number): void {
    this.all += text
    this.#pieces.push({ end: this.all.length, ms })
  }

  /** When the character at `offset` came. */
  when(offset: number): number {
    return this.#pieces.find((piece) => piece.end > offset)?.ms ?? this.#pieces.at(-1)?.ms ?? 0
  }

  /** When the text first matched. */
  firstMatch(pattern: RegExp): number | undefined {
    const match = pattern.exec(this.all)
    return match === null ? undefined : this.when(Math.max(match.index, match.index + match[0].length - 1))
  }
}

export interface BenchLine {
  readonly name: string
  readonly iterations: number
  /** Cycles by the guest's TSC: instructions, where the clock is icount. */
  readonly tsc: number
  readonly check: string
  /** Wall time since the bench line before it, or since the boot ended. */
  readonly ms: number
}

/** `bench NAME iterations N tsc CYCLES check HEX` lines of the embedded guest. */
export const parseBenchLines = (text: TimedText): BenchLine[] => {
  const lines: BenchLine[] = []
  const boot = /^boot: .*$/m.exec(text.all)
  let before = boot === null ? 0 : text.when(boot.index + boot[0].length)
  for (const match of text.all.matchAll(/^bench (\S+) iterations (\d+) tsc (\d+) check ([0-9a-f]+)\r?\n/gm)) {
    const now = text.when(match.index + match[0].length - 1)
    lines.push({
      name: match[1]!,
      iterations: Number(match[2]),
      tsc: Number(match[3]),
      check: match[4]!,
      ms: now - before,
    })
    before = now
  }
  return lines
}
