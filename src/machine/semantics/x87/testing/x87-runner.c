/* Runs one x87 instruction on many unit states, on this machine's own CPU. Protocol: see native-x87.ts. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct state {
  uint8_t fsave[108]; /* FNSAVE's 32-bit protected-mode form */
  uint32_t pad0;
  uint8_t memory[16]; /* at 112: the memory operand */
  uint64_t rax, rflags;
  uint32_t fip, fdp; /* relative to the instruction, to the operand */
  uint32_t signal, pad1[25];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct state) == 256, "as native-x87.ts has it");

static sigjmp_buf back;
static struct state *current;
static void caught(int signal) {
  current->signal = signal;
  __asm__ volatile("fninit");
  siglongjmp(back, 1);
}
static int take(void *to, size_t n) { return fread(to, 1, n, stdin) == n; }

/* CPUID.(EAX=7,ECX=0):EBX[6]: FDP and FDS are written by unmasked exceptions only (SDM 2A CPUID). */
static int data_pointer_by_exceptions_only(void) {
  uint32_t a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 6 & 1);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--fdp-exceptions-only") == 0) {
    puts(data_pointer_by_exceptions_only() ? "yes" : "no");
    return 0;
  }
  uint8_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  struct state *s = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (code == MAP_FAILED || s == MAP_FAILED) return 2;
  current = s;
  struct sigaction action = {.sa_handler = caught, .sa_flags = SA_NODEFER};
  sigaction(SIGFPE, &action, 0);
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGILL, &action, 0);
  static const uint8_t before[] = {
      0x53,                               /* push rbx */
      0x48, 0x89, 0xfb,                   /* mov rbx, rdi */
      0xdd, 0x23,                         /* frstor [rbx] */
      0x48, 0x8d, 0x7b, 0x70,             /* lea rdi, [rbx + 112] */
      0x48, 0x8b, 0x83, 0x80, 0, 0, 0,    /* mov rax, [rbx + 128] */
      0xff, 0xb3, 0x88, 0, 0, 0, 0x9d,    /* push [rbx + 136]; popf */
  };
  static const uint8_t after[] = {
      0x9c, 0x8f, 0x83, 0x88, 0, 0, 0,    /* pushf; pop [rbx + 136] */
      0x48, 0x89, 0x83, 0x80, 0, 0, 0,    /* mov [rbx + 128], rax */
      0xdd, 0x33,                         /* fnsave [rbx] */
      0x5b, 0xc3,                         /* pop rbx; ret */
  };
  uint32_t head[2];
  while (take(head, 8)) {
    uint8_t instruction[16];
    if (!take(instruction, 16)) return 3;
    uint8_t *p = code;
    memcpy(p, before, sizeof before);
    p += sizeof before;
    uint32_t at = (uint32_t)(uintptr_t)p;
    memcpy(p, instruction, head[0]);
    p += head[0];
    memcpy(p, after, sizeof after);
    for (uint32_t i = 0; i < head[1]; i++) {
      if (!take(s, sizeof *s)) return 3;
      if (sigsetjmp(back, 0) == 0) ((void (*)(struct state *))code)(s);
      uint32_t fip, fdp;
      memcpy(&fip, s->fsave + 12, 4);
      memcpy(&fdp, s->fsave + 20, 4);
      s->fdp = fdp == 0 ? ~0u : fdp - (uint32_t)(uintptr_t)s->memory; /* 0 is what FRSTOR loaded */
      s->fip = fip == 0 ? ~0u : fip - at;
      fwrite(s, 1, sizeof *s, stdout);
    }
  }
  return 0;
}
