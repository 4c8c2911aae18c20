/**
 * Where QEMU 7.2 and the manual part. Each rule names the lines, as this machine prints them, in which the manual (or a
 * processor asked directly) is right; record.ts copies its reason beside them. SDM: Intel 64 and IA-32 Architectures
 * Software Developer's Manual.
 */
export interface Override {
  readonly section: string
  /** The line as this machine prints it. */
  readonly line: RegExp
  readonly why: string
}
/** Where this machine is known to be wrong. */
export interface Known {
  readonly section: string
  readonly here: RegExp
  /** The right line; without it QEMU's is. */
  readonly right?: string
  readonly why: string
}

const rules = (section: string, list: readonly (readonly [RegExp, string])[]): Override[] =>
  list.map(([line, why]) => ({ section, line, why }))

export const OVERRIDES: readonly Override[] = [
  ...rules('paging', [
    [
      /^cross\.[a-z]+\.(fxsave|fxrstor|fnstenv)/,
      "a Xeon, asked by SIGSEGV: the ends of the operand are looked at first, FXSAVE's last byte before its first",
    ],
    [/^(rsvd|nx\.pd\.off)/, 'SDM 3A 4.7: RSVD is set only together with P; QEMU leaves P clear'],
    [
      /^cross\.absent\.(add|cmpxchg|xchg|bts) .*#PF\(6\)/,
      'a read-modify-write asks to write: W is set (AMD EPYC, asked by SIGSEGV and REG_ERR)',
    ],
    [
      /^cross\..* changed=0 /,
      'SDM 3A 6.5: a fault leaves the state as before the instruction; QEMU stores the first part',
    ],
    [/^canonical\.clflush/, 'SDM 2A CLFLUSH: #GP for a non-canonical address'],
    [/^canonical\.straddle/, 'SDM 2 MOV: #GP if any part of the operand is not canonical, before paging is asked'],
    [/^absent\.clflush/, 'SDM 2A CLFLUSH: #PF for a page fault; it is subject to all checks of a byte load'],
    [
      /^canonical\.[a-z.]* #SS\(0\)/,
      'SDM 3A 6.15, #SS: a non-canonical reference to the stack segment; QEMU raises #GP',
    ],
    [/^canonical\.ds\.rbp/, 'SDM 1 3.4.2.1: a DS prefix is ignored in 64-bit mode, so RBP means SS'],
    [
      /^canonical\.(call|ret|jmp) #GP/,
      'SDM 2 CALL, RET, JMP: the target is checked before RIP changes; QEMU faults at the target',
    ],
    [/^cross\.readonly\.call-from/, 'SDM 2A CALL: the target is checked before anything is pushed'],
  ]),
  ...rules('segments', [
    [/^load\.ss\.cpl0\.null/, 'SDM 2B MOV: a null SS needs CPL < 3 and RPL = CPL; QEMU takes any RPL'],
    [/^lgs64/, 'SDM 2A LGS r64, m16:64 with REX.W; QEMU reads a 32-bit offset'],
    [/^(lar|lsl)/, 'SDM 2A LAR, LSL: 16-bit and task types are invalid in IA-32e mode'],
    [
      /^(lldt|ltr)\.(upper|noncanonical|types)/,
      'SDM 2A LTR, SDM 3A 8.2.3: the upper half is checked, a 16-bit TSS is refused',
    ],
    [
      /^(ljmp|lcall)(64)?\.cpl\d ld ds/,
      'SDM 2A JMP, CALL: L and D both set is #GP(selector); a target past the limit #GP(0)',
    ],
    [/^gate\.conforming/, 'SDM 2A CALL: CS.RPL becomes the CPL'],
    [/^retf[a-z.]*(noncanonical|limit)/, 'SDM 2B RET: the return address is checked before the state changes'],
  ]),
  ...rules('events', [
    [/^gate\..*(types|dpl) /, 'SDM 3A 6.13: the error code is vector * 8 + 2; QEMU has vector * 16'],
    [/^gate\.noncanonical/, 'SDM 2A INT n: a handler that is not canonical is #GP before delivery'],
    [/^frame\.icebp|^icebp/, 'SDM 2A INT1: #DB, a trap, in every mode; QEMU raises #UD'],
    [/^frame\..* rflags 1\d{4}/, 'SDM 3B 17.3.1.1: a fault pushes RF = 1'],
    [/^int3\.dpl0|^idt\.limit/, 'SDM 3A 6.13: the error code is vector * 8 + 2; QEMU has vector * 16'],
    [
      /^nested\.[A-Z]+\d*\.cpl|^nested\.int90/,
      'SDM 3A 6.13: vector * 8, EXT for events from no INT n; 6.14: handlers are canonical',
    ],
  ]),
  ...rules('returns', [
    [/^iret[ql]\.same\.(null\.ss\.rpl3|compat\.null)/, 'SDM 2A IRET: a null SS needs 64-bit code and RPL = CPL'],
    [
      /^iretq\.(outer\.)?noncanonical|^compat\.limit/,
      'SDM 2A IRET: the return address is checked before the state changes',
    ],
    [/^iretq\.compat\.above/, 'a Xeon, asked by SIGSEGV: in compatibility mode RIP is the low 32 bits of the address'],
    [/^ss\.absent/, 'SDM 2A IRET: #SS(selector) for a stack segment that is not present'],
    [/^cs\.l\.and\.d/, 'SDM 2A IRET: L and D both set is #GP(selector)'],
    [/^flags\.image\.(fffcbeff|180000)/, 'SDM 2A IRET: VIF and VIP are popped at CPL 0'],
    [/^flags\.image\.10000/, 'SDM 3A 2.3: RF is cleared by the instruction after IRETD'],
    [/^flags\.image\.20000/, 'SDM 2A IRET: IA-32e mode does not restore VM'],
    [
      /^dropped\.3 0 0 0/,
      'SDM 2A IRET, RET: a null selector becomes 0 on return to an outer level; QEMU spares FS and GS',
    ],
  ]),
  ...rules('syscalls', [
    [
      /^syscall\.(flags|masked|star\.rpl)/,
      'SDM 2B SYSCALL: RFLAGS AND NOT FMASK; QEMU loses the arithmetic flags and DF',
    ],
    [/^syscall\.(kernel\.)?compat/, 'SDM 2B SYSCALL: #UD outside 64-bit mode'],
    [/^sysret[ql]\.(fff|20002)/, 'SDM 2B SYSRET: R11 AND 3C7FD7H, OR 2'],
    [/^sysretq\.noncanonical/, 'SDM 2B SYSRET: #GP(0) at CPL 0 for a non-canonical RCX'],
    [/^sysenter\.cs3/, 'SDM 2B SYSENTER: #GP(0) if IA32_SYSENTER_CS[15:2] = 0'],
    [/^sysexit1\.noncanonical|^ rsp/, 'SDM 2B SYSEXIT: #GP(0) for a non-canonical RDX or RCX'],
    [/^wrgsbase\.noncanonical/, 'SDM 2D WRGSBASE: #GP(0) for a non-canonical base'],
  ]),
  ...rules('debug', [
    [/^tf\.lss/, 'SDM 3A 6.8.3: MOV SS and POP SS hold a trap off, LSS does not'],
    [/^tf\.sti/, 'SDM 2B STI: it holds off maskable interrupts, not #DB'],
    [/^tf\.icebp/, 'SDM 2A INT1: #DB in every mode; QEMU raises #UD'],
    [/^rf\./, 'SDM 3B 17.3.1.1: a fault pushes RF = 1'],
    [/^dr[67]\./, 'SDM 3B 17.2.3, 17.2.4: reserved bits of DR6 and DR7 read as fixed'],
    [/^gd/, 'SDM 3B 17.2.4: DR7.GD makes any access to a debug register #DB, and is cleared; QEMU has no GD'],
    [/^bp\.two/, 'SDM 3B 17.2.3: every breakpoint whose condition was met is in DR6'],
    [/^bp\.and\.step/, 'SDM 3B 17.3.1.4: one trap after each instruction; QEMU repeats the first for ever'],
    [
      /^bp\.execute\.(after|step)/,
      'SDM 3A 6.8.3: MOV SS holds it off; table 6-2: a trap comes before the fault of the next instruction',
    ],
    [/^bp\.data\.mov\.ss/, 'SDM 3A 6.8.3: MOV SS holds the trap off for one instruction'],
    [
      /^(tf\.rep|bp\.string)/,
      'SDM 3B 17.3.1.1: a trap of any iteration of a repeated string instruction but the last pushes RF = 1 (a Xeon too)',
    ],
    [/^ac\.on/, 'SDM 3A 6.15, table 6-7: alignment checks (and an AMD EPYC, asked directly); QEMU has none'],
  ]),
  ...rules('cr0', [
    [/./, 'SDM 2B MOV CRn: reserved bits, CR4.PAE and CR0.PG in IA-32e mode are #GP(0); QEMU obeys, and stops'],
  ]),
  ...rules('registers', [
    [/^cr0\.(nw|bit32|bit63)/, 'SDM 2B MOV CRn: #GP(0) for NW without CD, and for bits 63:32 of CR0'],
    [/^cr0\.bit6/, 'SDM 3A 2.5: reserved bits of CR0 stay 0'],
    [/^cr8\./, 'SDM 2B MOV CRn: #GP(0) for reserved bits of CR8'],
    [/^cr\.user\./, 'SDM 3A table 6-2: an undefined opcode comes before the check of privilege'],
    [/^user\.xsetbv/, 'SDM 2D XSETBV: #UD while CR4.OSXSAVE is clear'],
    [/^user\.invpcid/, 'SDM 2A INVPCID: #GP(0) if CPL > 0; QEMU 7.2 has none'],
    [/^rdpmc\.bad/, 'SDM 2B RDPMC: #GP(0) for a counter that is not there'],
    [/^(rdmsr|wrmsr)\..* vd$/, 'SDM 2B RDMSR, WRMSR: #GP(0) for an MSR or a value that is reserved; QEMU takes all'],
    [
      /^(fpu|ldmxcsr|fxsave|fxrstor)\./,
      'SDM 3A tables 2-2 and 13-1, SDM 1 10.5.1.2, 11.6.6: CR0.EM, TS, CR4.OSFXSR and MXCSR',
    ],
    [/^(xgetbv|xsetbv|xsave|xrstor)/, 'SDM 1 13.2-13.8, SDM 2D XSETBV: XCR0 and the header of the XSAVE area'],
  ]),
  ...rules('instructions', [
    [/^lock\./, 'SDM 2A LOCK: #UD for any other instruction, and without a memory destination'],
    [/^ud\.(0f_0e|66_0f_38_f0)/, 'an extension that this CPU model does not offer (3DNow!, MOVBE)'],
    [/^prefix\.66_0f_ae_38/, 'an extension that this CPU model does not offer (CLFLUSHOPT)'],
    [/^ud\.0f_18_c0/, 'SDM 2D table A-3: a reserved NOP (AMD EPYC too)'],
    [/^prefix\.f[67]_c8/, 'F6 /1 and F7 /1 are TEST (AMD EPYC too)'],
    [/^(ud|prefix)\..* 6$/, 'SDM 2D table A-6: no such encoding (AMD EPYC too)'],
    [/^prefix\.0f_0d_c8/, 'to a register a reserved NOP on Intel (a Xeon, asked directly); QEMU has the #UD of AMD'],
    [/^length\.page/, 'fifteen prefixes are too long before the next page is asked (AMD EPYC too)'],
  ]),
  ...rules('legacy', [
    [/(32\.4m\.reserved|pae\.reserved\.pt)$/, 'SDM 3A 4.7: RSVD is set only together with P; QEMU leaves P clear'],
    [/^code\.limit/, 'SDM 3A 5.3: what lies beyond the limit of CS is not executed; QEMU TCG does not look'],
  ]),
  ...rules('limits', [[/./, 'SDM 3A 5.3: limits and types of segments; QEMU TCG checks none of data and stacks']]),
  ...rules('interrupts', [
    [
      /^(shadow\.send|tpr\.lowered|nmi\.)/,
      'SDM 3A 6.6: taken at the next instruction boundary; QEMU looks at the end of a translated block',
    ],
    [/^illegal\.vector/, 'SDM 3A 10.5.2: a vector below 16 is an error, not an interrupt'],
  ]),
  ...rules('fpu', [[/^mmx /, 'SDM 1 9.2.1: a write to an MMX register sets sign and exponent to ones']]),
  ...rules('ltr-null', [[/./, 'SDM 2A LTR: a null selector is #GP(0); QEMU loads it']]),
  ...rules('ltr-upper', [
    [/./, 'SDM 2A LTR: #GP(selector) for a type in the upper half or a non-canonical base; QEMU loads it'],
  ]),
  ...rules('lgdt', [[/./, 'SDM 2A LGDT: a non-canonical base is #GP(0); QEMU loads it']]),
]

export const KNOWN: readonly Known[] = [
  ...(
    [
      ['jump vd eip 101', 'jump vd eip 0'],
      ['page0.jump vd error 0 eip 1000', 'page0.jump vd error 0 eip f00'],
    ] as const
  ).map(([here, right]) => ({
    section: 'legacy',
    here: new RegExp(`^code\\.limit\\.${here}$`),
    right: `code.limit.${right}`,
    why: 'SDM 2A JMP: the target is checked before EIP changes',
  })),
]
