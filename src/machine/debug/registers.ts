/**
 * The registers that tell where a guest is: what a crash shows and a debugger asks for. Numbers; the general ones and their
 * order are the state block's (state/block.ts).
 */
import type { Registers } from '../machine.ts'
import { GENERAL } from '../state/block.ts'
import type { CpuState } from '../state/cpu-state.ts'
import { CR0, CR2, CR3, CR4, CS, EFER, SS } from '../state/layout.ts'

/** `rip` is the next instruction's. */
export const registersOf = ({ rip, state }: { readonly rip: bigint; readonly state: CpuState }): Registers => ({
  rip,
  ...Object.fromEntries(GENERAL.map((name, i) => [name.toLowerCase(), state.get64(i * 8)])),
  rflags: BigInt(state.rflags >>> 0),
  cr0: state.get64(CR0),
  cr2: state.get64(CR2),
  cr3: state.get64(CR3),
  cr4: state.get64(CR4),
  efer: state.get64(EFER),
  cs: BigInt(state.selector(CS)),
  ss: BigInt(state.selector(SS)),
})
