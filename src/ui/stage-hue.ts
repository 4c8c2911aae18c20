/** A stage's colour, by its name: the same in every trace, whichever stages it has. */
import { NETBSD_STAGES, PLAYGROUND_STAGES } from '../guests/stages.ts'

export const STAGE_HUES = 8

/** Neighbours in a boot differ: hues go round in the order of NetBSD's stages, then of those that only our guest has. */
const KNOWN = new Map<string, number>()
for (const { name } of [...NETBSD_STAGES, ...PLAYGROUND_STAGES])
  if (!KNOWN.has(name)) KNOWN.set(name, KNOWN.size % STAGE_HUES)

/** 0 to 7, as `data-hue` and `--hue-N` have them. */
export const stageHue = (name: string): number => {
  const known = KNOWN.get(name)
  if (known !== undefined) return known
  let sum = 0
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0
  return sum % STAGE_HUES
}
