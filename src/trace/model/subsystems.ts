/**
 * Which part of the kernel a function belongs to, by the beginning of its name: NetBSD's names, as data. Eight at most,
 * because colour says it and eyes tell no more apart; the order is the order of colours and never changes.
 */
import { type Lane, NO_FUNCTION, type Trace } from './trace.ts'

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

/** Per function; what runs in user mode without symbols is user. */
export const functionSubsystems = (trace: Trace): Int8Array => {
  const all = Int8Array.from(trace.functions.names, (name) => subsystemOf(name))
  const { stacks, lanes } = trace
  const user = SUBSYSTEMS.indexOf('user')
  for (let k = 0; k < stacks.length; k++) {
    const lane: Lane | undefined = lanes[stacks.lane[k]]
    const func = stacks.func[k]
    if (func !== NO_FUNCTION && lane?.kind === 'process' && all[func] === OTHER) all[func] = user
  }
  return all
}

export interface SubsystemRow {
  /** Index into SUBSYSTEMS, or OTHER. */
  readonly subsystem: number
  readonly self: number
  readonly selfInstructions: number
}

/** Where the time went, subsystem by subsystem, heaviest first; idle is no subsystem. */
export const subsystemTotals = (trace: Trace): readonly SubsystemRow[] => {
  const of = functionSubsystems(trace)
  const rows = [OTHER, ...SUBSYSTEMS.keys()].map((subsystem) => ({ subsystem, self: 0, selfInstructions: 0 }))
  for (let func = 0; func < trace.functions.length; func++) {
    const row = rows[of[func] + 1]!
    row.self += trace.functions.self[func]
    row.selfInstructions += trace.functions.selfInstructions[func]
  }
  return rows.filter((row) => row.self > 0).sort((a, b) => b.self - a.self)
}
