/** NetBSD: its devices' names, its system calls and what they do to processes. */
import { bareNumber, type GuestSystem, numbered } from './system.ts'

/**
 * Names of the system calls, as kdump(1) shows them: the name of SYS_* in <sys/syscall.h>, which is made of
 * sys/kern/syscalls.master; calls of older releases begin with compat_. Held against the table of a real kernel by
 * real-boot.test.ts. A number that was never given, or whose call is gone, is a dash.
 */
const NAMES = `
  0 syscall exit fork read write open close compat_50_wait4 compat_43_ocreat link
 10 unlink - chdir fchdir compat_50_mknod chmod chown break compat_20_getfsstat compat_43_olseek
 20 getpid compat_40_mount unmount setuid getuid geteuid ptrace recvmsg sendmsg recvfrom
 30 accept getpeername getsockname access chflags fchflags sync kill compat_43_stat43 getppid
 40 compat_43_lstat43 dup pipe getegid profil ktrace compat_13_sigaction13 getgid compat_13_sigprocmask13 __getlogin
 50 __setlogin acct compat_13_sigpending13 compat_13_sigaltstack13 ioctl compat_12_oreboot revoke symlink readlink
    execve
 60 umask chroot compat_43_fstat43 compat_43_ogetkerninfo compat_43_ogetpagesize compat_12_msync vfork
 70 - compat_43_ommap vadvise munmap mprotect madvise - - mincore getgroups
 80 setgroups getpgrp setpgid compat_50_setitimer compat_43_owait compat_12_oswapon compat_50_getitimer
    compat_43_ogethostname compat_43_osethostname compat_43_ogetdtablesize
 90 dup2 getrandom fcntl compat_50_select - fsync setpriority compat_30_socket connect compat_43_oaccept
100 getpriority compat_43_osend compat_43_orecv compat_13_sigreturn13 bind setsockopt listen - compat_43_osigvec
    compat_43_osigblock
110 compat_43_osigsetmask compat_13_sigsuspend13 compat_43_osigstack compat_43_orecvmsg compat_43_osendmsg -
    compat_50_gettimeofday compat_50_getrusage getsockopt
120 readv writev compat_50_settimeofday fchown fchmod compat_43_orecvfrom setreuid setregid rename
    compat_43_otruncate
130 compat_43_oftruncate flock mkfifo sendto shutdown socketpair mkdir rmdir compat_50_utimes
140 compat_50_adjtime compat_43_ogetpeername compat_43_ogethostid compat_43_osethostid compat_43_ogetrlimit
    compat_43_osetrlimit compat_43_okillpg setsid compat_50_quotactl compat_43_oquota
150 compat_43_ogetsockname - - - - nfssvc compat_43_ogetdirentries compat_20_statfs compat_20_fstatfs
160 - compat_30_getfh compat_09_ogetdomainname compat_09_osetdomainname compat_09_ouname sysarch __futex
    __futex_set_robust_list __futex_get_robust_list
170 - - - pread pwrite compat_30_ntp_gettime ntp_adjtime timerfd_create timerfd_settime timerfd_gettime
180 - setgid setegid seteuid lfs_bmapv lfs_markv lfs_segclean compat_50_lfs_segwait compat_12_stat12
    compat_12_fstat12
190 compat_12_lstat12 pathconf fpathconf getsockopt2 getrlimit setrlimit compat_12_getdirentries mmap __syscall
    lseek
200 truncate ftruncate __sysctl mlock munlock undelete compat_50_futimes getpgid reboot poll
210 afssys
220 compat_14___semctl semget semop semconfig compat_14_msgctl msgget msgsnd msgrcv shmat compat_14_shmctl
230 shmdt shmget compat_50_clock_gettime compat_50_clock_settime compat_50_clock_getres timer_create timer_delete
    compat_50_timer_settime compat_50_timer_gettime timer_getoverrun
240 compat_50_nanosleep fdatasync mlockall munlockall compat_50___sigtimedwait sigqueueinfo modctl _ksem_init
    _ksem_open _ksem_unlink
250 _ksem_close _ksem_post _ksem_wait _ksem_trywait _ksem_getvalue _ksem_destroy _ksem_timedwait mq_open mq_close
    mq_unlink
260 mq_getattr mq_setattr mq_notify mq_send mq_receive compat_50_mq_timedsend compat_50_mq_timedreceive eventfd
270 __posix_rename swapctl compat_30_getdents minherit lchmod lchown compat_50_lutimes __msync13 compat_30___stat13
    compat_30___fstat13
280 compat_30___lstat13 __sigaltstack14 __vfork14 __posix_chown __posix_fchown __posix_lchown getsid __clone fktrace
    preadv
290 pwritev compat_16___sigaction14 __sigpending14 __sigprocmask14 __sigsuspend14 compat_16___sigreturn14 __getcwd
    fchroot compat_30_fhopen compat_30_fhstat
300 compat_20_fhstatfs compat_50_____semctl13 compat_50___msgctl13 compat_50___shmctl13 lchflags issetugid utrace
    getcontext setcontext _lwp_create
310 _lwp_exit _lwp_self _lwp_wait _lwp_suspend _lwp_continue _lwp_wakeup _lwp_getprivate _lwp_setprivate _lwp_kill
    _lwp_detach
320 compat_50__lwp_park _lwp_unpark _lwp_unpark_all _lwp_setname _lwp_getname _lwp_ctl
330 compat_60_sa_register compat_60_sa_stacks compat_60_sa_enable compat_60_sa_setconcurrency compat_60_sa_yield
    compat_60_sa_preempt
340 __sigaction_sigtramp - - rasctl kqueue compat_50_kevent _sched_setparam _sched_getparam _sched_setaffinity
    _sched_getaffinity
350 sched_yield _sched_protect - - fsync_range uuidgen compat_90_getvfsstat compat_90_statvfs1 compat_90_fstatvfs1
    compat_30_fhstatvfs1
360 extattrctl extattr_set_file extattr_get_file extattr_delete_file extattr_set_fd extattr_get_fd extattr_delete_fd
    extattr_set_link extattr_get_link extattr_delete_link
370 extattr_list_fd extattr_list_file extattr_list_link compat_50_pselect compat_50_pollts setxattr lsetxattr
    fsetxattr getxattr lgetxattr
380 fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr compat_50___stat30
    compat_50___fstat30 compat_50___lstat30
390 __getdents30 - compat_30___fhstat30 compat_50___ntp_gettime30 __socket30 __getfh30 __fhopen40
    compat_90_fhstatvfs1 compat_50___fhstat40 aio_cancel
400 aio_error aio_fsync aio_read aio_return compat_50_aio_suspend aio_write lio_listio
410 __mount50 mremap pset_create pset_destroy pset_assign _pset_bind __posix_fadvise50 __select50 __gettimeofday50
    __settimeofday50
420 __utimes50 __adjtime50 __lfs_segwait50 __futimes50 __lutimes50 __setitimer50 __getitimer50 __clock_gettime50
    __clock_settime50 __clock_getres50
430 __nanosleep50 ____sigtimedwait50 __mq_timedsend50 __mq_timedreceive50 compat_60__lwp_park compat_100___kevent50
    __pselect50 __pollts50 __aio_suspend50 __stat50
440 __fstat50 __lstat50 ____semctl50 __shmctl50 __msgctl50 __getrusage50 __timer_settime50 __timer_gettime50
    __ntp_gettime50 __wait450
450 __mknod50 __fhstat50 - pipe2 compat_100_dup3 kqueue1 paccept linkat renameat mkfifoat
460 mknodat mkdirat faccessat fchmodat fchownat fexecve fstatat utimensat openat readlinkat
470 symlinkat unlinkat futimens __quotactl posix_spawn recvmmsg sendmmsg clock_nanosleep ___lwp_park60
    posix_fallocate
480 fdiscard wait6 clock_getcpuclockid2 __getvfsstat90 __statvfs190 __fstatvfs190 __fhstatvfs190 __acl_get_link
    __acl_set_link __acl_delete_link
490 __acl_aclcheck_link __acl_get_file __acl_set_file __acl_get_fd __acl_set_fd __acl_delete_file __acl_delete_fd
    __acl_aclcheck_file __acl_aclcheck_fd lpathconf
500 memfd_create __kevent100 epoll_create1 epoll_ctl epoll_pwait2 __dup3100 semtimedop
`

const table: string[] = []
for (const word of NAMES.split(/\s+/))
  if (/^\d+$/.test(word)) table.length = Number(word)
  else if (word !== '') table.push(word)

/** undefined for a number that names no call. */
export const netbsdSyscallName = (number: number): string | undefined => {
  const name = table[number]
  return name === '-' ? undefined : name
}

/** com(4), ld(4), vioif(4), viornd(4), viocon(4); sys/kern/syscalls.master. */
export const NETBSD: GuestSystem = {
  deviceName: numbered({
    uart: 'com',
    'virtio-blk': 'ld',
    'virtio-net': 'vioif',
    'virtio-rng': 'viornd',
    'virtio-console': 'viocon',
  }),
  syscallName: (number) => netbsdSyscallName(number) ?? bareNumber(number),
  processCalls: new Map([
    [1, 'exit'],
    [2, 'fork'],
    [7, 'wait'],
    [20, 'getpid'],
    [59, 'exec'],
    [66, 'fork'],
    [282, 'fork'],
    [287, 'clone'],
    [449, 'wait'],
    [474, 'spawn'],
    [481, 'wait'],
  ]),
  failsByCarry: true,
}
