/** Time as a small kernel meets it: timers while it polls, HLT that nothing ends. */
import { describe, expect, test } from 'vitest'
import { buildElf } from '../machine/boot/testing/elf-builder.ts'
import { createMachine, type MachineConfig, type MachineExit } from '../machine/index.ts'
import { DEFAULTS } from '../settings/settings.ts'
import { nodeHost } from './node-host.ts'

const run = (code: string, config: Partial<MachineConfig>) => {
  const bytes = new Uint8Array(Buffer.from(code, 'hex'))
  const created = createMachine(
    {
      ...DEFAULTS,
      memoryMiB: 64,
      kernel: buildElf({ segments: [{ paddr: 0x200000, bytes, memsz: 0x1000 }] }),
      cmdline: '',
      disks: [],
      trace: false,
      ...config,
    },
    nodeHost(),
    { console: () => {}, log: () => {} },
  )
  if (!created.ok) throw new Error(JSON.stringify(created.problem))
  const end = performance.now() + 20_000
  let exit: MachineExit | undefined
  while (exit === undefined && performance.now() < end) exit = created.value.run(5).exit
  return { exit, figures: created.value.figures() }
}

/**
 * A 1 kHz i8254 on IRQ 0, its interrupts counted for 200 ms of TSC time while POLL runs; their number goes to port 0xf4:
 *
 *         lgdt gdtr; ljmp $8, $1f
 *     1:  mov $16, %ax; mov %ax, %ds; mov %ax, %es; mov %ax, %ss; mov $0x300000, %esp
 *         (gate 0x20 = isr); lidt idtr
 *         (i8259: ICW1 11, ICW2 20, ICW3 4, ICW4 1, all masked but IRQ 0; i8254: counter 0, mode 2, 1193)
 *         xor %ebx, %ebx; sti; rdtsc; mov %eax, %esi
 *     2:  POLL; rdtsc; sub %esi, %eax; cmp $200000000, %eax; jb 2b
 *         cli; mov %ebx, %eax; out %eax, $0xf4; hlt
 *     isr: inc %ebx; push %eax; mov $0x20, %al; out %al, $0x20; pop %eax; iret
 */
const TICKS =
  '0f011598002000ea0e002000080066b810008ed88ec08ed0bc00003000b87200200066a3a8012000c1e81066a3ae0120000f011d9e002000b011e620b020e621b004e621b001e621b0fee621b034e643b0a9e640b004e64031dbfb0f3189c6e4800f3129f03d00c2eb0b72f3fa89d8e7f4f44350b020e62058cf8db6000000000000000000000000ffff0000009bcf00ffff00000093cf001700800020000701a80020008d7426000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000800008e'
const POLL = 'e480' // in $0x80, %al

describe('timers while a guest polls', () => {
  test.each([
    ['port 0x80', POLL],
    ['the serial line, port 0x61', 'e461'],
  ])('%s: no tick is lost, under either engine', (_, poll) => {
    const runs = (['interp', 'auto'] as const).map((engine) => {
      const { exit, figures } = run(TICKS.replace(`c6${POLL}0f31`, `c6${poll}0f31`), { clock: 'icount', engine })
      const ticks = exit?.reason === 'guest-exit' ? exit.code >> 1 : exit
      return { ticks, instructions: figures.instructions }
    })
    expect(runs[0]?.ticks).toBeGreaterThanOrEqual(198)
    expect(runs[0]?.ticks).toBeLessThanOrEqual(201)
    expect(runs[1]).toEqual(runs[0])
  })
})

describe.each(['icount', 'wall'] as const)('HLT with IF clear, under %s', (clock) => {
  test.each([
    ['nothing pending', 'fa f4 eb fc'],
    // i8259: ICW1..4, everything unmasked; its counter 0 runs from reset on; wait for IRQ 0 in IRR.
    ['a timer interrupt pending', 'fa b011e620 b020e621 b004e621 b001e621 b000e621 b00ae620 e420 a801 74fa f4 ebfd'],
  ])('%s: is the end', (_, code) => {
    expect(run(code.replaceAll(' ', ''), { clock }).exit).toEqual({ reason: 'halt' })
  })
})

test('a guest that sleeps for more than 104 days comes to the end of what its clock counts exactly', () => {
  // i8254 counter 0 stopped (control word 30, no count); LAPIC on, LVT_TIMER in TSC-deadline mode; wrmsr IA32_TSC_DEADLINE, 2^53 less 2^32; sti; 1: hlt; jmp 1b
  const code =
    'b030e643 c705f000e0feff010000 c7052003e0fe40000400 b9e0060000 baffff1f00 31c0 0f30 fb f4 ebfd'.replaceAll(' ', '')
  expect(run(code, { clock: 'icount', cpu: { 'tsc-deadline': true } }).exit).toEqual({ reason: 'clock-end' })
})
