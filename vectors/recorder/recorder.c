/*
 * Runs cases on the processor itself, one instruction (or one short sequence) each, and writes what it did.
 *
 *   recorder CASES OUTCOMES
 *
 * The formats are vectors/case.ts and vectors/outcome.ts; the memory map is vectors/layout.ts. Everything goes through
 * one signal handler: it saves the outcome of the case that just ended, puts the next one's registers into the signal
 * frame and returns, so that the kernel's sigreturn starts it, with TF set where one instruction is wanted. The
 * processor's exception number, error code and CR2 come from the signal frame, where the kernel left them.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE 4096
#define CODE 0x10001000ul
#define CODE_PAGES 2
#define DATA 0x20001000ul
#define DATA_PAGES 3 /* the last is read-only */
#define PAGES (CODE_PAGES + DATA_PAGES)
#define FX_BYTES 416
#define MAGIC 0x53455641u

/* Case flags. */
#define STEP 1
#define LEGACY 2
#define FLOAT 4
/* Outcome of a case that did not end. */
#define TIMEOUT 255

#define FLAG_TF 0x100
/* What a program may leave set that would disturb the handler: TF DF NT AC ID. */
#define FLAGS_DISTURBING 0x244500

struct Header {
  u32 magic, count;
  u64 data_base, reserved;
};
struct Case {
  u32 size;
  u8 flags, patches, pad[2];
  u64 rip, gpr[16], rflags, fs_base, gs_base;
};
struct Patch {
  u64 address;
  u32 length, pad;
  u8 bytes[];
};
struct Outcome {
  u32 size;
  u8 vector, differences, pad[2];
  u64 error, cr2, rip, gpr[16], rflags, fs_base, gs_base;
  u16 ds, es, fs, gs, cs, ss, pad2[2];
};
struct Difference {
  u64 address, length;
  u8 bytes[];
};

static u8 *next_case, *out, *out_start;
static struct Case *current;
static u32 left;
static int out_file;
static u64 own_fs, own_gs;
static u8 golden[PAGES * PAGE], before[PAGES * PAGE];
static u8 *alarm_case;

static u8 *page_address(int i) {
  return i < CODE_PAGES ? (u8 *)CODE + i * PAGE : (u8 *)DATA + (i - CODE_PAGES) * PAGE;
}
static u8 *shadow(u8 *image, u64 address) {
  if (address - CODE < CODE_PAGES * PAGE) return image + (address - CODE);
  if (address - DATA < DATA_PAGES * PAGE) return image + CODE_PAGES * PAGE + (address - DATA);
  static const char text[] = "recorder: a patch lies outside the pages\n";
  if (write(2, text, sizeof text - 1) < 0) _exit(4);
  _exit(3);
}

/* The read-only page's second, writable mapping. */
static u8 *alias;
static u8 *writable(u64 address) {
  u64 offset = address - (DATA + (DATA_PAGES - 1) * PAGE);
  return offset < PAGE ? alias + offset : (u8 *)address;
}

#define READ_BASE(name) \
  ({ u64 v; __asm__ volatile("rd" name "base %0" : "=r"(v)); v; })
#define WRITE_BASE(name, v) __asm__ volatile("wr" name "base %0" ::"r"((u64)(v)))
#define READ_SELECTOR(name) \
  ({ u16 v; __asm__ volatile("mov %%" name ", %0" : "=r"(v)); v; })
#define LOAD_SELECTOR(name, v) __asm__ volatile("mov %0, %%" name ::"r"((u32)(v)))

static const int gpr_place[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void save(ucontext_t *uc, int timeout) {
  greg_t *g = uc->uc_mcontext.gregs;
  struct Outcome *o = (struct Outcome *)out;
  memset(o, 0, sizeof *o);
  o->vector = timeout ? TIMEOUT : (u8)g[REG_TRAPNO];
  o->error = g[REG_ERR];
  o->cr2 = g[REG_CR2];
  o->rip = g[REG_RIP];
  o->rflags = g[REG_EFL];
  for (int i = 0; i < 16; i++) o->gpr[i] = g[gpr_place[i]];
  o->fs_base = READ_BASE("fs");
  o->gs_base = READ_BASE("gs");
  o->ds = READ_SELECTOR("ds");
  o->es = READ_SELECTOR("es");
  o->fs = READ_SELECTOR("fs");
  o->gs = READ_SELECTOR("gs");
  o->cs = (u64)g[REG_CSGSFS] & 0xffff;
  o->ss = (u64)g[REG_CSGSFS] >> 48;
  u8 *p = out + sizeof *o;
  if (current->flags & FLOAT) {
    memcpy(p, uc->uc_mcontext.fpregs, FX_BYTES);
    p += FX_BYTES;
  }
  for (int page = 0; page < PAGES; page++) {
    u8 *now = page_address(page), *was = before + page * PAGE;
    if (memcmp(now, was, PAGE) == 0) continue;
    for (int i = 0; i < PAGE;) {
      if (now[i] == was[i]) {
        i++;
        continue;
      }
      int end = i + 1, last = i;
      while (end < PAGE && end - last < 16) {
        if (now[end] != was[end]) last = end;
        end++;
      }
      struct Difference *d = (struct Difference *)p;
      d->address = (u64)(now + i);
      d->length = last + 1 - i;
      memcpy(d->bytes, now + i, d->length);
      p += sizeof *d + ((d->length + 7) & ~7ul);
      o->differences++;
      i = last + 1;
    }
    memcpy(now, was, PAGE);
  }
  /* Take the patches back. */
  u8 *q = (u8 *)(current + 1) + (current->flags & FLOAT ? FX_BYTES : 0);
  for (int i = 0; i < current->patches; i++) {
    struct Patch *patch = (struct Patch *)q;
    for (u32 n = 0; n < patch->length; n++) {
      u8 *original = shadow(golden, patch->address + n);
      *writable(patch->address + n) = *original;
      *shadow(before, patch->address + n) = *original;
    }
    q += sizeof *patch + ((patch->length + 7) & ~7u);
  }
  o->size = p - out;
  out = p;
}

static void finish(void) {
  u8 *p = out_start;
  while (p < out) {
    ssize_t n = write(out_file, p, out - p);
    if (n <= 0) _exit(2);
    p += n;
  }
  _exit(0);
}

static void load(ucontext_t *uc) {
  greg_t *g = uc->uc_mcontext.gregs;
  struct Case *c = (struct Case *)next_case;
  current = c;
  next_case += c->size;
  left--;
  u8 *p = (u8 *)(c + 1);
  if (c->flags & FLOAT) {
    memcpy(uc->uc_mcontext.fpregs, p, 24);
    memcpy((u8 *)uc->uc_mcontext.fpregs + 24, p + 24, 4);
    memcpy((u8 *)uc->uc_mcontext.fpregs + 32, p + 32, FX_BYTES - 32);
    *(u64 *)((u8 *)uc->uc_mcontext.fpregs + 512) |= 3; /* XSTATE_BV: x87 and SSE */
    p += FX_BYTES;
  }
  for (int i = 0; i < c->patches; i++) {
    struct Patch *patch = (struct Patch *)p;
    for (u32 n = 0; n < patch->length; n++) {
      *shadow(before, patch->address + n) = patch->bytes[n];
      *writable(patch->address + n) = patch->bytes[n];
    }
    p += sizeof *patch + ((patch->length + 7) & ~7u);
  }
  int legacy = c->flags & LEGACY;
  g[REG_RIP] = c->rip;
  g[REG_EFL] = (c->rflags & ~FLAG_TF) | (c->flags & STEP ? FLAG_TF : 0);
  for (int i = 0; i < 16; i++) g[gpr_place[i]] = c->gpr[i];
  g[REG_CSGSFS] = (legacy ? 0x23ull : 0x33ull) | 0x2bull << 48;
  LOAD_SELECTOR("ds", 0x2b);
  LOAD_SELECTOR("es", 0x2b);
  LOAD_SELECTOR("fs", legacy ? 0x07 : 0);
  LOAD_SELECTOR("gs", legacy ? 0x0f : 0);
  if (!legacy) {
    WRITE_BASE("fs", c->fs_base);
    WRITE_BASE("gs", c->gs_base);
  }
}

void on_signal(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  (void)info;
  if (signal == SIGPROF) {
    /* The same case as at the alarm before, after 0.3 s of CPU time: it does not end. */
    if (current == 0 || alarm_case != (u8 *)current) {
      alarm_case = (u8 *)current;
      return;
    }
  }
  if (current != 0) save(uc, signal == SIGPROF);
  if (left == 0) {
    WRITE_BASE("fs", own_fs);
    WRITE_BASE("gs", own_gs);
    finish();
  }
  load(uc);
}
/* The flags of the interrupted program still hold here, alignment checks and all. */
__asm__(
    ".globl entry\n"
    "entry: pushfq\n"
    "andl $~0x244500, (%rsp)\n"
    "popfq\n"
    "jmp on_signal\n");
void entry(int, siginfo_t *, void *);

static void fail(const char *what) {
  perror(what);
  exit(2);
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "recorder CASES OUTCOMES\n");
    return 2;
  }
  int in = open(argv[1], O_RDONLY);
  struct stat st;
  if (in < 0 || fstat(in, &st) < 0) fail(argv[1]);
  u8 *file = mmap(0, st.st_size + 1, PROT_READ, MAP_PRIVATE | MAP_POPULATE, in, 0);
  struct Header *h = (struct Header *)file;
  if (file == MAP_FAILED || h->magic != MAGIC) fail("case file");
  out_file = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (out_file < 0) fail(argv[2]);
  left = h->count;
  memcpy(golden, file + sizeof *h, sizeof golden);
  memcpy(before, golden, sizeof golden);
  next_case = file + sizeof *h + sizeof golden;
  u64 room = (u64)left * 2048 + (1 << 20);
  out = out_start = mmap(0, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE;
  if (mmap((void *)CODE, CODE_PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, fixed, -1, 0) != (void *)CODE)
    fail("code pages");
  u64 data_bytes = (DATA_PAGES - 1) * PAGE;
  if (mmap((void *)DATA, data_bytes, PROT_READ | PROT_WRITE, fixed, -1, 0) != (void *)DATA) fail("data pages");
  int file_of_last = memfd_create("vectors", 0);
  if (file_of_last < 0 || ftruncate(file_of_last, PAGE) < 0) fail("memfd");
  int shared = MAP_SHARED | MAP_POPULATE;
  alias = mmap(0, PAGE, PROT_READ | PROT_WRITE, shared, file_of_last, 0);
  memcpy(alias, golden + (PAGES - 1) * PAGE, PAGE);
  u8 *last = (u8 *)DATA + data_bytes;
  if (mmap(last, PAGE, PROT_READ, shared | MAP_FIXED_NOREPLACE, file_of_last, 0) != last) fail("read-only page");
  for (int i = 0; i < PAGES - 1; i++) memcpy(page_address(i), golden + i * PAGE, PAGE);
  /* FS of legacy cases: the data region with no limit. GS: its writable pages and no more. */
  struct user_desc fs = {.entry_number = 0, .base_addr = DATA - PAGE, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
  struct user_desc gs = {.entry_number = 1, .base_addr = DATA, .limit = 0x1fff, .seg_32bit = 1, .useable = 1};
  if (syscall(SYS_modify_ldt, 0x11, &fs, sizeof fs) != 0 || syscall(SYS_modify_ldt, 0x11, &gs, sizeof gs) != 0)
    fail("modify_ldt");

  stack_t alternate = {.ss_size = 1 << 18};
  alternate.ss_sp = mmap(0, alternate.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (sigaltstack(&alternate, 0) != 0) fail("sigaltstack");
  struct sigaction action = {.sa_sigaction = entry, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGPROF, SIGUSR1};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
  struct itimerval timer = {{0, 300000}, {0, 300000}};
  setitimer(ITIMER_PROF, &timer, 0);
  own_fs = READ_BASE("fs");
  own_gs = READ_BASE("gs");
  kill(getpid(), SIGUSR1);
  return 3;
}
