/*
 * Bytes, strings, and a printf of our own: %s %c %d %u %x with width, '-', '0' and 'l'. Nothing else is needed.
 * memcpy and memset use REP MOVSB/STOSB, which emulators and hardware both run in bulk (SDM 2B, ERMSB).
 */
#include "kernel.h"

void *memcpy(void *to, const void *from, size_t size) {
  void *start = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
  return start;
}

void *memset(void *to, int byte, size_t size) {
  void *start = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
  return start;
}

int memcmp(const void *a, const void *b, size_t size) {
  const u8 *x = a, *y = b;
  for (; size; size--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

size_t strlen(const char *s) {
  size_t n = 0;
  while (s[n]) n++;
  return n;
}

int strcmp(const char *a, const char *b) {
  for (; *a && *a == *b; a++, b++) continue;
  return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t size) {
  for (; size && *a && *a == *b; size--, a++, b++) continue;
  return size ? (u8)*a - (u8)*b : 0;
}

/* Decimal or 0x; moves *at behind the digits. */
bool parse_number(const char **at, u64 *value) {
  const char *p = *at;
  u64 base = 10, v = 0;
  if (p[0] == '0' && (p[1] | 32) == 'x') {
    base = 16;
    p += 2;
  }
  const char *first = p;
  for (;; p++) {
    u64 digit = (u8)*p - '0';
    if (digit > 9) digit = base == 16 && (u8)((*p | 32) - 'a') < 6 ? (u64)((*p | 32) - 'a' + 10) : 99;
    if (digit >= base) break;
    v = v * base + digit;
  }
  if (p == first) return false;
  *at = p;
  *value = v;
  return true;
}

struct output {
  char *to;
  size_t size, length;
};

static void put(struct output *out, char c) {
  if (out->length < out->size) out->to[out->length] = c;
  out->length++;
}

static void put_padded(struct output *out, const char *text, size_t length, size_t width, bool left, char fill) {
  size_t padding = width > length ? width - length : 0;
  if (!left)
    for (size_t i = 0; i < padding; i++) put(out, fill);
  for (size_t i = 0; i < length; i++) put(out, text[i]);
  if (left)
    for (size_t i = 0; i < padding; i++) put(out, ' ');
}

static size_t digits(char *end, u64 value, u64 base) {
  char *p = end;
  do {
    *--p = "0123456789abcdef"[value % base];
    value /= base;
  } while (value);
  return (size_t)(end - p);
}

static NOINLINE void format_into(struct output *out, const char *f, __builtin_va_list arguments) {
  for (; *f; f++) {
    if (*f != '%') {
      put(out, *f);
      continue;
    }
    f++;
    bool left = false, is_long = false;
    char fill = ' ';
    size_t width = 0;
    for (;; f++) {
      if (*f == '-') left = true;
      else if (*f == '0') fill = '0';
      else break;
    }
    if (*f == '*') {
      width = (size_t)__builtin_va_arg(arguments, int);
      f++;
    }
    for (; (u8)(*f - '0') < 10; f++) width = width * 10 + (size_t)(*f - '0');
    if (*f == 'l') {
      is_long = true;
      f++;
    }
    char buffer[24], *end = buffer + sizeof buffer;
    size_t length;
    switch (*f) {
      case 's': {
        const char *s = __builtin_va_arg(arguments, const char *);
        put_padded(out, s, strlen(s), width, left, ' ');
        break;
      }
      case 'c': put(out, (char)__builtin_va_arg(arguments, int)); break;
      case 'd': {
        s64 v = is_long ? __builtin_va_arg(arguments, s64) : __builtin_va_arg(arguments, int);
        length = digits(end, v < 0 ? 0 - (u64)v : (u64)v, 10);
        if (v < 0) end[-(s64)++length] = '-';
        put_padded(out, end - length, length, width, left, fill);
        break;
      }
      case 'u':
      case 'x': {
        u64 v = is_long ? __builtin_va_arg(arguments, u64) : __builtin_va_arg(arguments, u32);
        length = digits(end, v, *f == 'u' ? 10 : 16);
        put_padded(out, end - length, length, width, left, fill);
        break;
      }
      default: put(out, *f);
    }
  }
}

void printf(const char *format, ...) {
  char line[512];
  struct output out = {line, sizeof line, 0};
  __builtin_va_list arguments;
  __builtin_va_start(arguments, format);
  format_into(&out, format, arguments);
  __builtin_va_end(arguments);
  console_write(line, MIN(out.length, sizeof line));
}

int snprintf(char *to, size_t size, const char *format, ...) {
  struct output out = {to, size - 1, 0};
  __builtin_va_list arguments;
  __builtin_va_start(arguments, format);
  format_into(&out, format, arguments);
  __builtin_va_end(arguments);
  to[MIN(out.length, size - 1)] = 0;
  return (int)out.length;
}

void hexdump(const void *data, size_t size, u64 offset) {
  const u8 *p = data;
  for (size_t row = 0; row < size; row += 16) {
    char line[100];
    int n = snprintf(line, sizeof line, "%08lx ", offset + row);
    for (size_t i = 0; i < 16; i++) n += snprintf(line + n, sizeof line - (size_t)n, " %02x", p[row + i]);
    n += snprintf(line + n, sizeof line - (size_t)n, "  |");
    for (size_t i = 0; i < 16; i++) {
      u8 c = p[row + i];
      line[n++] = c >= 0x20 && c < 0x7f ? (char)c : '.';
    }
    line[n] = 0;
    printf("%s|\n", line);
    if (console_interrupted()) return;
  }
}
