/** Floating-point inputs with many corners, for comparing with the host CPU. */
import type { Fill, Random } from './verify.ts'

const CORNERS_32 = [
  0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x00400000, 0x00800000, 0x80800000, 0x00800001,
  0x3f800000, 0xbf800000, 0x3f800001, 0x3f7fffff, 0x40000000, 0x3f000000, 0x3fc00000, 0x40200000, 0xc0200000,
  0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7fc12345, 0x7f800001, 0xff812345,
  0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x5effffff, 0x5f000000, 0xdf000000, 0x4b000000, 0x4b7fffff,
  0x34000000, 0x1f800000, 0x20000000, 0x3eaaaaab,
]
const CORNERS_64 = [
  0x0000000000000000n,
  0x8000000000000000n,
  1n,
  0x8000000000000001n,
  0x000fffffffffffffn,
  0x0008000000000000n,
  0x0010000000000000n,
  0x8010000000000000n,
  0x0010000000000001n,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x3ff0000000000001n,
  0x3fefffffffffffffn,
  0x4000000000000000n,
  0x3fe0000000000000n,
  0x3ff8000000000000n,
  0x4004000000000000n,
  0xc004000000000000n,
  0x7fefffffffffffffn,
  0xffefffffffffffffn,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0xfff8000000000001n,
  0x7ff8123456789abcn,
  0x7ff0000000000001n,
  0xfff0123456789abcn,
  0x41dfffffffc00000n,
  0x41dfffffffe00000n,
  0x41dfffffffd00000n,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0xc1e0000000100000n,
  0xc1e0000000200000n,
  0x43dfffffffffffffn,
  0x43e0000000000000n,
  0xc3e0000000000000n,
  0xc3e0000000000001n,
  0x4330000000000000n,
  0x433fffffffffffffn,
  0x3810000000000000n,
  0x380fffffffffffffn,
  0x380fffffe0000000n,
  0x380fffffefffffffn,
  0x47efffffe0000000n,
  0x47efffffefffffffn,
  0x47effffff0000000n,
  0x36a0000000000000n,
  0x3690000000000000n,
  0x3fd5555555555555n,
]

const random32 = (random: Random): number => {
  switch (random.below(6)) {
    case 0:
      return random.pick(CORNERS_32)
    case 1:
      return random.next()
    case 2: // near 1, for cancellation
      return ((random.next() & 0x80000000) | (random.pick([0x3f, 0x40, 0x3e]) << 24) | (random.next() & 0xffffff)) >>> 0
    case 3: // small integers and halves
      return floatBits((random.below(64) - 32) / random.pick([1, 2, 4]))
    case 4: // about the ends of the exponent range
      return ((random.next() & 0x807fffff) | (random.pick([0, 1, 2, 20, 63, 64, 190, 191, 252, 253, 254]) << 23)) >>> 0
    default: // integer range
      return ((random.next() & 0x807fffff) | ((127 + random.below(66)) << 23)) >>> 0
  }
}
const scratch = new DataView(new ArrayBuffer(8))
const floatBits = (value: number): number => {
  scratch.setFloat32(0, value)
  return scratch.getUint32(0)
}
const random64 = (random: Random): bigint => {
  const full = (BigInt(random.next()) << 32n) | BigInt(random.next())
  const fraction = full & 0x800fffffffffffffn
  switch (random.below(7)) {
    case 0:
      return random.pick(CORNERS_64)
    case 1:
      return full
    case 2:
      return fraction | (BigInt(random.pick([1022, 1023, 1024])) << 52n)
    case 3:
      scratch.setFloat64(0, (random.below(64) - 32) / random.pick([1, 2, 4]))
      return scratch.getBigUint64(0)
    case 4:
      return fraction | (BigInt(random.pick([0, 1, 2, 53, 511, 512, 1534, 1535, 2044, 2045, 2046])) << 52n)
    case 5: // about binary32's range
      return fraction | (BigInt(random.pick([872, 873, 874, 890, 896, 897, 898, 1149, 1150, 1151])) << 52n)
    default:
      return fraction | (BigInt(1023 + random.below(66)) << 52n)
  }
}

export const floats32: Fill = (random, view, at, bytes) => {
  for (let i = 0; i < bytes; i += 4) view.setUint32(at + i, random32(random), true)
}
export const floats64: Fill = (random, view, at, bytes) => {
  for (let i = 0; i < bytes; i += 8) view.setBigUint64(at + i, random64(random), true)
}

/** Every second time the usual, PE set or not; else any masks, rounding, FTZ, DAZ and flags. */
export const anyMxcsr = (random: Random): number => {
  switch (random.below(6)) {
    case 0:
      return 0x1f80
    case 1:
    case 2:
      return 0x1fa0
    case 3: // all masked
      return 0x1f80 | (random.next() & 0xe07f)
    case 4: // one unmasked
      return (0x1f80 & ~(0x80 << random.below(6))) | (random.next() & 0xe07f)
    default:
      return random.next() & 0xffff
  }
}
