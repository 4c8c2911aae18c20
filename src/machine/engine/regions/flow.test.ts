import { expect, test } from 'vitest'
import { type FlagUse, unseenFlags } from './flow.ts'

const RES = 1
const CC = 2
const AUX = 4
const ALL = RES | CC | AUX
const sets: FlagUse = { reads: 0, sets: ALL, leaves: false }
const nothing: FlagUse = { reads: 0, sets: 0, leaves: false }
const loads: FlagUse = { reads: 0, sets: 0, leaves: true }
const loadsAndSets: FlagUse = { reads: 0, sets: ALL, leaves: true }
const keepsCarry: FlagUse = { reads: CC, sets: ALL, leaves: false }
const branches: FlagUse = { reads: RES, sets: 0, leaves: true }

test.each([
  ['one sets what the next sets again', [sets, nothing, sets], [ALL, 0, 0]],
  ['what a block ends with is seen', [sets], [0]],
  ['a fault shows the flags as they were before it', [sets, loads, sets], [0, 0, 0]],
  ['also one of the instruction that sets them', [sets, loadsAndSets], [0, 0]],
  ['what is read is seen, what is not is not', [sets, keepsCarry, sets], [RES | AUX, RES | AUX, 0]],
  ['a branch is where they are wanted', [sets, sets, branches], [ALL, 0, 0]],
] as const)('%s', (_, uses, unseen) => {
  const found = unseenFlags(uses)
  // An instruction without flags has none to leave out.
  expect(found.map((bits, i) => bits & uses[i]!.sets)).toEqual(unseen)
})
