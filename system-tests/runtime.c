/* The serial port (16550A at 0x3f8), formatting and the way out (isa-debug-exit at 0xf4). */
#include "runtime.h"

static void put_char(char c) {
  while (!(inb(0x3fd) & 0x20)) {
  }
  outb(0x3f8, (u8)c);
}

void put(const char *s) {
  for (; *s; s++) put_char(*s);
}

static void put_hex(u64 v) {
  char digits[17];
  int n = 0;
  u32 low = (u32)v, high = (u32)(v >> 32);
  do {
    digits[n++] = "0123456789abcdef"[low & 15];
    low = low >> 4 | high << 28;
    high >>= 4;
  } while (low | high);
  while (n) put_char(digits[--n]);
}

static void put_decimal(u32 v) {
  if (v >= 10) put_decimal(v / 10);
  put_char((char)('0' + v % 10));
}

void print(const char *format, ...) {
  __builtin_va_list args;
  __builtin_va_start(args, format);
  for (; *format; format++) {
    if (*format != '%') {
      put_char(*format);
      continue;
    }
    switch (*++format) {
      case 's': put(__builtin_va_arg(args, const char *)); break;
      case 'd': put_decimal(__builtin_va_arg(args, u32)); break;
      case 'x': put_hex(__builtin_va_arg(args, u32)); break;
      case 'l': /* llx */
        format += 2;
        put_hex(__builtin_va_arg(args, u64));
        break;
      case 'c': put_char((char)__builtin_va_arg(args, int)); break;
      default: put_char(*format);
    }
  }
  __builtin_va_end(args);
}

static const char *const names[32] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",   "#TS", "#NP", "#SS", "#GP", "#PF", "15",
    "#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "22",  "23",  "24",  "25",  "26",  "27",  "28",  "29",  "30",  "31",
};
void put_vector(u32 vector, u32 error) {
  if (vector == EXIT_VECTOR) put("ok");
  else if (vector >= 32) print("int %x", vector);
  else if (vector == 8 || (vector >= 10 && vector <= 14) || vector == 17) print("%s(%x)", names[vector], error);
  else put(names[vector]);
}

void finish(void) {
  put("end\n");
  outb(0xf4, 0);
  for (;;) __asm__ volatile("cli; hlt");
}

void fill(void *to, int value, u32 bytes) {
  for (u8 *p = to; bytes--;) *p++ = (u8)value;
}
void copy(void *to, const void *from, u32 bytes) {
  const u8 *q = from;
  for (u8 *p = to; bytes--;) *p++ = *q++;
}
void *memset(void *to, int value, uptr bytes) {
  fill(to, value, (u32)bytes);
  return to;
}
void *memcpy(void *to, const void *from, uptr bytes) {
  copy(to, from, (u32)bytes);
  return to;
}

const char *command_line = "";
int has_word(const char *line, const char *word) {
  for (; *line; line++) {
    u32 i = 0;
    while (word[i] && line[i] == word[i]) i++;
    if (!word[i] && (line[i] == ' ' || !line[i])) return 1;
  }
  return 0;
}
