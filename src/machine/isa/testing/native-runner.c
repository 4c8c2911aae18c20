/* Runs one instruction on many register states, on this machine's own CPU. Protocol: see native.ts. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

struct state {
  uint8_t xmm[4][16];
  uint64_t mm[4];
  uint64_t gpr[4]; /* rax rcx rdx rbx */
  uint8_t memory[64];
  uint32_t mxcsr, signal;
  uint64_t rflags;
  uint8_t fxsave_fsw_ftw[4];
  uint8_t pad[44];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct state) == 256, "as native.ts has it");

void run(struct state *s, void *code);
__asm__(
    ".globl run\n"
    "run: push %rbx\n push %r14\n push %r15\n"
    "mov %rdi, %r15\n mov %rsi, %r14\n"
    "ldmxcsr 192(%r15)\n"
    "movups (%r15), %xmm0\n movups 16(%r15), %xmm1\n movups 32(%r15), %xmm2\n movups 48(%r15), %xmm3\n"
    "movq 64(%r15), %mm0\n movq 72(%r15), %mm1\n movq 80(%r15), %mm2\n movq 88(%r15), %mm3\n"
    "mov 96(%r15), %rax\n mov 104(%r15), %rcx\n mov 112(%r15), %rdx\n mov 120(%r15), %rbx\n"
    "lea 128(%r15), %rdi\n"
    "push 200(%r15)\n popfq\n"
    "call *%r14\n"
    "mov %rax, 96(%r15)\n mov %rcx, 104(%r15)\n mov %rdx, 112(%r15)\n mov %rbx, 120(%r15)\n"
    "pushfq\n pop %rax\n mov %rax, 200(%r15)\n"
    "movups %xmm0, (%r15)\n movups %xmm1, 16(%r15)\n movups %xmm2, 32(%r15)\n movups %xmm3, 48(%r15)\n"
    "movq %mm0, 64(%r15)\n movq %mm1, 72(%r15)\n movq %mm2, 80(%r15)\n movq %mm3, 88(%r15)\n"
    "emms\n stmxcsr 192(%r15)\n"
    "push $0x1f80\n ldmxcsr (%rsp)\n add $8, %rsp\n"
    "pop %r15\n pop %r14\n pop %rbx\n ret\n");

static sigjmp_buf back;
static struct state *current;

static void caught(int signal, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *u = context;
  struct _libc_fpstate *f = u->uc_mcontext.fpregs;
  memcpy(current->xmm, f->_xmm, 64);
  for (int i = 0; i < 4; i++) memcpy(&current->mm[i], &f->_st[i], 8);
  current->gpr[0] = u->uc_mcontext.gregs[REG_RAX];
  current->gpr[1] = u->uc_mcontext.gregs[REG_RCX];
  current->gpr[2] = u->uc_mcontext.gregs[REG_RDX];
  current->gpr[3] = u->uc_mcontext.gregs[REG_RBX];
  current->rflags = u->uc_mcontext.gregs[REG_EFL];
  current->mxcsr = f->mxcsr;
  current->signal = signal;
  siglongjmp(back, 1);
}

static int take(void *to, size_t n) { return fread(to, 1, n, stdin) == n; }

int main(void) {
  uint8_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) return 2;
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGFPE, &action, 0);
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGILL, &action, 0);
  static struct state s;
  current = &s;
  uint32_t head[2];
  while (take(head, 8)) {
    if (!take(code, 16)) return 3;
    code[head[0]] = 0xc3;
    for (uint32_t i = 0; i < head[1]; i++) {
      if (!take(&s, sizeof s)) return 3;
      if (sigsetjmp(back, 0) == 0) run(&s, code);
      else __asm__ volatile("emms");
      fwrite(&s, 1, sizeof s, stdout);
    }
  }
  return 0;
}
