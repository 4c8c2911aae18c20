/** What `npm run fuzz` and the tests run, by name. */
import { BoardFuzzer } from './board.ts'
import { CpuFuzzer } from './cpu.ts'
import { ImageFuzzer, KernelFuzzer } from './files.ts'
import { PacketFuzzer } from './packets.ts'

export const FAMILIES = {
  cpu: () => new CpuFuzzer(),
  board: () => new BoardFuzzer(),
  kernels: () => new KernelFuzzer(),
  images: () => new ImageFuzzer(),
  packets: () => new PacketFuzzer(),
} as const
export type FamilyName = keyof typeof FAMILIES
