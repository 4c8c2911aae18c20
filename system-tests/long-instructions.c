/*
 * What is no instruction, where LOCK may stand, and how long an instruction may be: SDM 2A 2.2, 2.3.11, LOCK, SDM 2D A.4.
 * Every byte sequence runs in the window, followed by INT 0x80; the result is the vector.
 */
#include "long.h"

SNIPPET(jump, "jmp *%rdi")

static u32 try(const char *hex, int is_user) {
  u32 n = 0;
  fill(pool, 0x90, 64);
  for (; hex[0] && hex[1]; hex += 2) {
    while (*hex == ' ') hex++;
    u32 v = 0;
    for (u32 i = 0; i < 2; i++) v = v * 16 + (hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    pool[n++] = (u8)v;
  }
  pool[n] = 0xcd;
  pool[n + 1] = EXIT_VECTOR;
  struct context c = is_user ? user(jump) : kernel(jump);
  c.r[RDI] = WINDOW;
  c.r[RAX] = c.r[RBX] = WINDOW + 2048;
  c.r[RCX] = 1;
  run(&c);
  return (u32)trap.vector;
}
static void list(const char *name, const char *const *codes, u32 count) {
  for (u32 i = 0; i < count; i++) {
    print("%s.%s", name, "");
    for (const char *p = codes[i]; *p; p++) print("%c", *p == ' ' ? '_' : *p);
    print(" %x\n", try(codes[i], 0));
  }
}

void instruction_tests(void) {
  reset_window();
  static const char *const no_such[] = {
      "06", "07", "0e", "16", "17", "1e", "1f", "27", "2f", "37", "3f", "60", "61", "62 00", "82 c0 00", "9a 00 00 00 00 00 00",
      "c4 00", "c5 00", "ce", "d4 0a", "d5 0a", "d6", "ea 00 00 00 00 00 00", "0f 04", "0f 0a", "0f 0c", "0f 0e", "0f 0f c0 00",
      "0f 24 c0", "0f 25 c0", "0f 26 c0", "0f 27 c0", "0f 36", "0f 37", "0f 39", "0f 3b", "0f 3c", "0f 3d", "0f 3e", "0f 3f",
      "0f 7a c0", "0f 7b c0", "0f a6 c0", "0f a7 c0", "0f aa", "0f ff c0", "0f b9 c0", "0f 0b", "0f c7 c0", "0f c7 08 00 00 00 00",
      "0f ae c0", "0f 01 c1", "0f 01 d8", "0f 01 ef", "0f 01 fb", "0f 01 3b", "0f 00 f0", "0f 00 38", "0f ba c0 00", "0f ba d8 00",
      "fe d0", "fe f8", "ff f8", "ff ff", "ff d8", "ff e8", "ff 38", "8f c8", "8f 08", "c6 c8 00", "c7 c8 00 00 00 00", "8d c0",
      "0f b2 c0", "0f b4 c0", "0f 18 c0", "0f c3 c0", "0f e7 c0", "66 0f e7 c0", "0f 2b c0", "f2 0f f0 c0", "0f f0 00",
      "f3 0f b8 c0", "0f b8 c0", "dd c8", "d9 d1", "d9 e2", "db e4", "db e5", "de d8", "df e8", "d9 08", "db 20", "dd 28",
      "0f 20 c8", "8c f8", "8e c8", "8e f8", "66 0f 38 f0 00", "0f 38 ff", "0f 3a ff 00", "66 0f 3a 08",
  };
  list("ud", no_such, ARRAY(no_such));
  /* LOCK: to memory, read-modify-write, and on the list. */
  static const char *const locks[] = {
      "f0 90", "f0 01 08", "f0 01 c8", "f0 03 08", "f0 89 08", "f0 39 08", "f0 85 08", "f0 87 08", "f0 87 c8", "f0 ff 00", "f0 ff 08",
      "f0 ff 30", "f0 f7 10", "f0 f7 18", "f0 f7 20", "f0 0f b1 08", "f0 0f b1 c8", "f0 0f c1 08", "f0 0f c7 08", "f0 0f ab 08",
      "f0 0f a3 08", "f0 0f b3 08", "f0 0f bb 08", "f0 0f ba 20 00", "f0 0f ba 28 00", "f0 0f ba 30 00", "f0 0f ba 38 00",
      "f0 d1 00", "f0 0f a4 08 00", "f0 c6 00 00", "f0 8f 00", "f0 80 38 00", "f0 80 00 00", "f0 a4", "f3 f0 a4", "f0 0f 94 00",
      "f0 0f 44 08", "f0 f6 00 00", "f0 8d 00", "f0 fe 00", "f0 fe 08", "f0 66 01 08", "66 f0 01 08", "f0 f0 01 08", "f0 48 01 08",
      "48 f0 01 08", "f0 eb 00", "f0 0f 0b", "f0 cc", "f0 9c", "f0 0f 20 c0", "f0 0f a2",
  };
  list("lock", locks, ARRAY(locks));
  /* Prefixes that mean nothing, or all. */
  static const char *const prefixes[] = {
      "66 90", "f3 90", "f2 90", "40 90", "48 90", "41 90", "66 66 66 90", "2e 3e 26 36 90", "48 66 90", "40 40 90", "f2 f3 90", "f3 f2 90",
      "64 65 90", "67 90", "48 0f 0b", "66 0f 0b", "f3 0f 0b", "f2 0f 01 08", "f3 0f c7 f0", "66 0f c7 f0", "f3 66 0f c7 f0",
      "f3 0f ae e8", "66 0f ae e8", "f2 0f ae 00", "f3 0f ae 00", "f3 0f 1e fa", "f3 0f 1e c8", "66 0f 1f 00", "f2 66 0f 10 00",
      "0f 0d 08", "0f 0d c8", "0f 1e c0", "0f 19 00", "0f 18 20", "f3 0f bd c8", "f3 0f bc c8", "f2 e8 00 00 00 00 58",
      "66 e8 00 00 00 00 58", "66 e9 00 00 00 00", "66 70 00", "66 0f 80 00 00 00 00", "d0 f0", "c0 f0 01", "f6 c8 00", "f7 c8 00 00 00 00",
      "0f ae f8", "0f ae ff", "0f ae ef", "0f ae f7", "66 0f ae f8", "66 0f ae 38", "0f 77", "66 0f 77", "9b",
  };
  list("prefix", prefixes, ARRAY(prefixes));
  /* Fifteen bytes and no more. */
  for (u32 n = 12; n <= 16; n++) {
    char code[64];
    u32 at = 0;
    for (u32 i = 0; i < n; i++) code[at++] = '6', code[at++] = '6';
    code[at++] = '9', code[at++] = '0', code[at] = 0;
    print("length.prefixes.%d %x\n", n + 1, try(code, 0));
    at = 0;
    for (u32 i = 0; i + 7 < n; i++) code[at++] = '2', code[at++] = 'e';
    const char *tail = "c70000000000"; /* movl $0, (%rax) */
    for (u32 i = 0; i < 12; i++) code[at++] = tail[i];
    code[at] = 0;
    print("length.store.%d %x\n", n - 1, try(code, 0));
    at = 0;
    for (u32 i = 0; i + 1 < n; i++) code[at++] = '2', code[at++] = 'e';
    const char *ud = "0f0b";
    for (u32 i = 0; i < 4; i++) code[at++] = ud[i];
    code[at] = 0;
    print("length.ud2.%d %x\n", n + 1, try(code, 0));
  }
  /* The sixteenth byte would be in a page that is absent: length counts first where prefixes alone fill it. */
  reset_window();
  fill(pool + 4096 - 15, 0x66, 15);
  window_pt[1] = 0;
  invlpg(WINDOW + 4096);
  struct context c = kernel(jump);
  c.r[RDI] = WINDOW + 4096 - 15;
  check("length.page", c);
  c.r[RDI]++;
  check("length.page.14", c);
  /* #UD or #PF for an undefined opcode at the end of a page. */
  pool[4094] = 0x0f;
  pool[4095] = 0x0b;
  c.r[RDI] = WINDOW + 4094;
  check("ud.at.page.end", c);
  pool[4095] = 0x06;
  c.r[RDI] = WINDOW + 4095;
  check("ud.one.byte.at.page.end", c);
  reset_window();
}
