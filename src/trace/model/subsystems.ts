/**
 * Which part of the kernel a function belongs to, by the beginning of its name: NetBSD's names, as data. Eight at most,
 * because colour says it and eyes tell no more apart; the order is the order of colours and never changes.
 */
import { isCpuLane } from './lanes.ts'
import { NO_FUNCTION, RAN, type Trace } from './trace.ts'

export const SUBSYSTEMS = [
  'memory',
  'autoconf',
  'virtio',
  'file systems',
  'network',
  'crypto',
  'scheduling',
  'user',
] as const
export type Subsystem = (typeof SUBSYSTEMS)[number]
/** What no prefix names: drawn without a hue. */
export const OTHER = -1

/** Prefixes of a function's name; the longest that fits decides. A trailing '$' asks for the whole name. */
const PREFIXES: Readonly<Record<Subsystem, string>> = {
  memory:
    'uvm ubc amap anon pmap kmem pool vmem malloc$ kern_malloc kern_free memset$ memcpy$ memmove$ memcmp$ bzero$ bcopy$ ' +
    'copyin copyout kcopy page_ pages_ paging physseg tlb invlpg pte_ pagezero zero_ slab quantum clear_bss map_ unmap_ ' +
    'memory_ vtophys uao uvn extent mm_ ufetch ustore ucas fpu_area specificdata ubc',
  autoconf:
    'config_ configure autoconf device_ mainbus cpu_probe cpu_identify cpu_attach cpu_match ioapic lapic i8259 i8254 isa ' +
    'com_ com1 comattach comcn cninit cons mp_ mpbios mptable acpi intr_establish intr_ pic_ apic tsc_ x86_cpu_topology ' +
    'pv_ bus_space bus_dma rtc_ todr mc146818 attimer delay i8042 pckbc wscons initclocks hpet cpu_rescan fw_cfg ' +
    'console_ serial_ timers_ irq_ interrupts_ init_x86_64 init386 start_pvh consinit x86_bus_space mtrr i686_mtrr evcnt ' +
    'ksyms prop sysmon pmf aprint module cpu_init cpu_hatch x86_ cpu_configure drvctl devsw cdev bdev xen dk_attach device ' +
    'tty pty devhandle idt_ gdt_ descriptors_ devices_ pvh_ memmap_ hypervisor vmt_',
  virtio: 'virtio viommio virtq vioif vioscsi vioblk viornd vio9p viocon vq_ ld_virtio disk_request',
  'file systems':
    'vfs_ vnode vn_ vop_ VOP_ VFS_ namei lookup cache_ genfs ffs ufs ext2 tmpfs kernfs ptyfs msdos cd9660 specfs spec_ ' +
    'fifo_ bread bwrite breadn bio buf_ getblk brelse biodone biowait physio disk_ dk ld$ ld_ ldstart lddone ldattach ' +
    'wapbl fstrans mount sys_mount do_sys_mount rootfs mountroot vcache veriexec sys_open sys_read sys_write do_open ' +
    'readlabel bounds_check puffs procfs bufq dead mfs dirhash acl fd_ file_ filedesc putter iostat pathbuf layer union lf_',
  network:
    'in_ in6 inet ip_ ip6 tcp udp icmp arp ether if_ ifmedia route rt_ rtsock so soc_ sbuf unp_ uipc m_ mbuf mb_ pfil ' +
    'bpf rip inpcb pktq radix rn_ ifa link_ rtcache encap frag6 syn_ vtw stoeplitz br_ loop net_ dhcp domain raw_ nd6 mld igmp carp npf checksum lltable vlan key_ ipsec',
  crypto:
    'sha SHA md5 MD5 aes chacha blake2 cprng entropy rnd_ rndsink rndsource random hmac keccak crypto opencrypto adiantum ' +
    'poly1305 xchacha x86_sse2 x86_ssse3 nist_ cpu_rng rijndael des_ cast128 blowfish camellia skein arc4',
  scheduling:
    'sched lwp cpu_switchto mi_switch kpreempt sleepq turnstile mutex rw_ rwlock cv_ condvar cond_ callout softint ' +
    'softclock kthread workqueue wq_ xc_ xcall yield preempt tsleep wakeup ltsleep idle cpu_idle x86_cpu_idle mwait spl ' +
    'hardclock statclock tc_ timecounter microtime nanotime clock_intr lapic_clock runq selnotify wait_for proc_ newlwp ' +
    'pserialize psref localcount percpu interrupt Xintr Xspllower Xsoftint Xresume Xrecurse Xhandle ipi threadpool atomic futex itimer acquire kcpuset membar heartbeat',
  user:
    'user start_init exec execve elf64 elf32 coredump ktrace sys_ syscall system signal sig_ psignal trap startlwp ' +
    'child_return cpu_spawn fork process exit1 do_sys md_ proc0 ptrace kauth secmodel ktr filt_ kqueue knote epoll eventfd timerfd sysctl compat',
}

const TABLE = new Map<string, number>()
let longest = 0
for (const [index, name] of SUBSYSTEMS.entries())
  for (const prefix of PREFIXES[name].split(' ')) {
    TABLE.set(prefix, index)
    longest = Math.max(longest, prefix.length)
  }

/** Index into SUBSYSTEMS, or OTHER. */
export const subsystemOf = (name: string): number => {
  const bare = name.replace(/^_+/, '')
  const whole = TABLE.get(`${bare}$`)
  if (whole !== undefined) return whole
  for (let length = Math.min(longest, bare.length); length > 1; length--) {
    const found = TABLE.get(bare.slice(0, length))
    if (found !== undefined) return found
  }
  return OTHER
}

const byName = new Map<string, number>()
const subsystemOfName = (name: string): number => {
  let found = byName.get(name)
  if (found === undefined) byName.set(name, (found = subsystemOf(name)))
  return found
}

/** Where each function ran, one of RAN each: a function of a process's lane is the program's unless its name says otherwise. */
export const whereRan = ({ functions, stacks, lanes, pruned }: Trace): Uint8Array => {
  if (pruned !== undefined) return pruned.ran
  const ran = new Uint8Array(functions.length)
  for (let k = 0; k < stacks.length; k++) {
    const func = stacks.func[k]
    const lane = lanes[stacks.lane[k]]
    if (func === NO_FUNCTION) continue
    if (!isCpuLane(lane)) ran[func] = RAN.device
    else if (lane?.kind === 'process') ran[func] = RAN.user
  }
  return ran
}

const remembered = new WeakMap<Trace, Int8Array>()

/** Per function; what runs in user mode without symbols is user. */
export const functionSubsystems = (trace: Trace): Int8Array => {
  let all = remembered.get(trace)
  if (all !== undefined) return all
  const ran = whereRan(trace)
  all = Int8Array.from(trace.functions.names, (name, func) => {
    const found = subsystemOfName(name)
    return found === OTHER && ran[func] === RAN.user ? USER : found
  })
  remembered.set(trace, all)
  return all
}
const USER = SUBSYSTEMS.indexOf('user')

export interface SubsystemRow {
  /** Index into SUBSYSTEMS, or OTHER. */
  readonly subsystem: number
  readonly calls: number
  readonly self: number
  readonly selfInstructions: number
}

/**
 * Where the CPU's time went, subsystem by subsystem, heaviest first. Together with idle they are the whole trace: what a
 * device did meanwhile is not in them, and time outside any function is OTHER's.
 */
export const subsystemTotals = (trace: Trace): readonly SubsystemRow[] => {
  const of = functionSubsystems(trace)
  const rows = [OTHER, ...SUBSYSTEMS.keys()].map((subsystem) => ({ subsystem, calls: 0, self: 0, selfInstructions: 0 }))
  const add = (subsystem: number, calls: number, self: number, selfInstructions: number): void => {
    const row = rows[subsystem + 1]!
    row.calls += calls
    row.self += self
    row.selfInstructions += selfInstructions
  }
  const { functions, stacks, lanes, pruned } = trace
  if (pruned === undefined)
    for (let k = 0; k < stacks.length; k++) {
      if (!isCpuLane(lanes[stacks.lane[k]])) continue
      const func = stacks.func[k]
      const subsystem = func === NO_FUNCTION ? OTHER : of[func]
      add(subsystem, func === NO_FUNCTION ? 0 : stacks.calls[k], stacks.self[k], stacks.selfInstructions[k])
    }
  else {
    for (let func = 0; func < functions.length; func++)
      if (pruned.ran[func] <= RAN.user)
        add(of[func], functions.calls[func], functions.self[func], functions.selfInstructions[func])
    for (const rest of pruned.rest) add(rest.subsystem, rest.calls, rest.self, rest.selfInstructions)
  }
  return rows.filter((row) => row.self > 0 || row.calls > 0).sort((a, b) => b.self - a.self)
}
