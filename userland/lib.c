/*
 * Text, memory, output, files, time and signals. See lib.h.
 */
#include "lib.h"

const char *program = "sh";
char **environment;

/* ---- bytes and text ---- */

void *memcpy(void *to, const void *from, word size) {
  void *result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}

void *memmove(void *to, const void *from, word size) {
  if ((word)to - (word)from >= size) return memcpy(to, from, size);
  for (word i = size; i-- > 0;) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}

void *memset(void *to, int byte, word size) {
  void *result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
  return result;
}

int memcmp(const void *a, const void *b, word size) {
  const u8 *x = a, *y = b;
  for (u64 i = 0; i < size; i++)
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  return 0;
}

u64 length_of(const char *text) {
  u64 n = 0;
  while (text[n] != '\0') n++;
  return n;
}

int compare(const char *a, const char *b) {
  while (*a != '\0' && *a == *b) a++, b++;
  return (u8)*a - (u8)*b;
}

int same(const char *a, const char *b) { return compare(a, b) == 0; }

int starts_with(const char *text, const char *start) {
  while (*start != '\0')
    if (*text++ != *start++) return 0;
  return 1;
}

char *find_char(const char *text, int wanted) {
  for (; *text != '\0'; text++)
    if (*text == wanted) return (char *)text;
  return NULL;
}

char *find_last(const char *text, int wanted) {
  char *found = NULL;
  for (; *text != '\0'; text++)
    if (*text == wanted) found = (char *)text;
  return found;
}

const char *base_name(const char *path) {
  const char *slash = find_last(path, '/');
  return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

int is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
int is_digit(int c) { return c >= '0' && c <= '9'; }
int is_alpha(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
int lower(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
int upper(int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

int matches_pattern(const char *pattern, const char *text) {
  for (;; pattern++, text++) {
    if (*pattern == '*') {
      while (*pattern == '*') pattern++;
      if (*pattern == '\0') return 1;
      for (; *text != '\0'; text++)
        if (matches_pattern(pattern, text)) return 1;
      return matches_pattern(pattern, text);
    }
    if (*pattern == '\0' || *text == '\0') return *pattern == *text;
    if (*pattern == '?') continue;
    if (*pattern == '[') {
      const char *p = pattern + 1;
      const int inverted = *p == '!' || *p == '^';
      int found = 0;
      if (inverted) p++;
      for (const char *first = p; *p != '\0' && (*p != ']' || p == first); p++) {
        if (*p == '\\' && p[1] != '\0') p++;
        int low = (u8)*p, high = low;
        if (p[1] == '-' && p[2] != ']' && p[2] != '\0') {
          high = (u8)p[2];
          p += 2;
        }
        if ((u8)*text >= low && (u8)*text <= high) found = 1;
      }
      if (*p == ']') {
        if (found == inverted) return 0;
        pattern = p;
        continue;
      }
      if (*text != '[') return 0; /* without an end it stands for itself */
      continue;
    }
    if (*pattern == '\\' && pattern[1] != '\0') pattern++;
    if (*pattern != *text) return 0;
  }
}

i64 number_at(const char *text, const char **end) {
  i64 value = 0;
  int base = 10;
  if (*text == '0' && (text[1] | 32) == 'x') base = 16, text += 2;
  else if (*text == '0') base = 8;
  for (;; text++) {
    int digit = is_digit(*text) ? *text - '0' : is_alpha(*text) && *text != '_' ? lower(*text) - 'a' + 10 : 99;
    if (digit >= base) break;
    value = (i64)((u64)value * (u64)base + (u64)digit);
  }
  *end = text;
  return value;
}

int parse_number(const char *text, i64 *value) {
  const int negative = *text == '-';
  u64 result = 0;
  if (*text == '-' || *text == '+') text++;
  if (!is_digit(*text)) return 0;
  for (; is_digit(*text); text++) result = result * 10 + (u64)(*text - '0');
  *value = negative ? -(i64)result : (i64)result;
  return *text == '\0';
}

/* ---- memory ---- */

extern char _end[]; /* from the linker: where the bss ends and break(2) begins */
static char *arena_top, *arena_end;

void *alloc(u64 size) {
  /* The kernel rounds the data segment's start and length one by one: its idea of the end may be a page further. */
  if (arena_top == NULL) arena_top = arena_end = (char *)(((word)_end + 8191) & ~4095ul);
  char *result = arena_top;
  char *top = result + ((size + 15) & ~15ull);
  if (top > arena_end) {
    char *end = (char *)(((word)top + 65535) & ~65535ul);
    if (CALL(SYS_break, end, 0, 0) < 0) {
      static const char sentence[] = "There is not enough memory.\n";
      write_all(2, sentence, sizeof sentence - 1);
      sys_exit(1);
    }
    arena_end = end;
  }
  arena_top = top;
  return memset(result, 0, size);
}

void *mark(void) { return alloc(0); }
void release(void *mark) { arena_top = mark; }

char *duplicate_bytes(const char *bytes, u64 length) { return memcpy(alloc(length + 1), bytes, length); }
char *duplicate(const char *text) { return duplicate_bytes(text, length_of(text)); }
char *join2(const char *a, const char *b) { return join3(a, b, ""); }
char *join3(const char *a, const char *b, const char *c) {
  struct text t = { 0 };
  text_put(&t, a);
  text_put(&t, b);
  text_put(&t, c);
  return t.bytes;
}

/* Kept pieces have a head of 8 bytes, the last of which says which power of two they take. */
static char pool[512 * 1024] __attribute__((aligned(16)));
static u64 pool_used;
static char *pool_free[20];

void *keep_bytes(const void *bytes, u64 size) {
  u64 class = 4;
  while (size + 8 > 1ull << class) class++;
  char *piece = class < COUNT(pool_free) ? pool_free[class] : NULL;
  if (piece != NULL) memcpy(&pool_free[class], piece, sizeof(char *));
  else if (class < COUNT(pool_free) && pool_used + (1ull << class) <= sizeof pool) {
    piece = pool + pool_used;
    pool_used += 1ull << class;
  } else {
    complain("%s: no room for another %u bytes of variables and history", program, size);
    leave_armed = 0;
    leave(1);
  }
  piece[7] = (char)class;
  return memcpy(piece + 8, bytes, size);
}

char *keep(const char *text) { return keep_bytes(text, length_of(text) + 1); }

void discard(void *kept) {
  char *piece = (char *)kept - 8;
  const int class = piece[7];
  memcpy(piece, &pool_free[class], sizeof(char *)); /* the class byte is written anew when it is used again */
  pool_free[class] = piece;
}

void text_add(struct text *t, const char *bytes, u64 length) {
  if (t->length + length + 1 > t->room) {
    u64 room = t->room < 32 ? 64 : t->room * 2;
    while (room < t->length + length + 1) room *= 2;
    if (t->bytes != NULL && t->bytes + t->room == arena_top) alloc(room - t->room); /* grows where it is */
    else {
      char *moved = alloc(room);
      memcpy(moved, t->bytes, t->length);
      t->bytes = moved;
    }
    t->room = room;
  }
  memcpy(t->bytes + t->length, bytes, length);
  t->length += length;
  t->bytes[t->length] = '\0';
}

void text_put(struct text *t, const char *text) { text_add(t, text, length_of(text)); }
void text_char(struct text *t, int c) { text_add(t, &(char){ (char)c }, 1); }

void list_add(struct list *l, char *item) {
  if (l->count + 1 >= l->room) {
    const u64 room = l->room == 0 ? 16 : l->room * 2;
    char **moved = alloc(room * sizeof(char *));
    memcpy(moved, l->items, l->count * sizeof(char *));
    l->items = moved;
    l->room = room;
  }
  l->items[l->count++] = item;
  l->items[l->count] = NULL;
}

/* Merge sort: stable, and no worse on sorted input. */
static void merge(char **items, char **spare, u64 count, int (*order)(const char *, const char *)) {
  if (count < 2) return;
  const u64 half = count / 2;
  merge(items, spare, half, order);
  merge(items + half, spare, count - half, order);
  memcpy(spare, items, half * sizeof(char *));
  for (u64 a = 0, b = half, at = 0; a < half; at++)
    items[at] = b < count && order(items[b], spare[a]) < 0 ? items[b++] : spare[a++];
}

void sort_strings(char **items, u64 count, int (*order)(const char *, const char *)) {
  merge(items, alloc(count * sizeof(char *)), count, order);
}

void list_sort(struct list *l) { sort_strings(l->items, l->count, compare); }

/* ---- output ---- */

static char output[4096];
static u64 output_used;
static i64 output_error;

i64 write_all(int fd, const char *bytes, u64 length) {
  while (length > 0) {
    i64 n = sys_write(fd, bytes, length);
    if (n < 0) return n;
    bytes += n;
    length -= (u64)n;
  }
  return 0;
}

int flush(void) {
  const u64 used = output_used;
  output_used = 0;
  if (used > 0) {
    i64 error = write_all(1, output, used);
    if (output_error == 0) output_error = error;
  }
  const int result = (int)output_error;
  output_error = 0;
  return result;
}

void put_bytes(const char *bytes, u64 length) {
  while (length > 0) {
    if (output_used == sizeof output) {
      i64 error = write_all(1, output, output_used);
      if (output_error == 0) output_error = error;
      output_used = 0;
      /* Nobody reads any more: an endless writer must end. */
      if (output_error != 0) leave(1);
    }
    const u64 room = sizeof output - output_used;
    const u64 n = length < room ? length : room;
    memcpy(output + output_used, bytes, n);
    output_used += n;
    bytes += n;
    length -= n;
  }
}

void put(const char *text) { put_bytes(text, length_of(text)); }
void put_char(int c) { put_bytes(&(char){ (char)c }, 1); }

static void format_into(struct text *t, const char *format, va_list arguments) {
  for (; *format != '\0'; format++) {
    if (*format != '%') {
      text_char(t, *format);
      continue;
    }
    int left = 0, zero = 0;
    i64 width = 0, precision = -1;
    for (format++; *format == '-' || *format == '0'; format++) *format == '-' ? (left = 1) : (zero = 1);
    if (*format == '*') width = va_arg(arguments, int), format++;
    else
      for (; is_digit(*format); format++) width = width * 10 + (*format - '0');
    if (*format == '.')
      for (precision = 0, format++; is_digit(*format); format++) precision = precision * 10 + (*format - '0');
    char digits[24];
    char *piece = digits + sizeof digits;
    u64 length = 0;
    if (*format == 's') {
      piece = va_arg(arguments, char *);
      length = length_of(piece);
      if (precision >= 0 && length > (u64)precision) length = (u64)precision;
    } else if (*format == 'c') {
      *--piece = (char)va_arg(arguments, int);
      length = 1;
    } else if (*format == '%') {
      *--piece = '%';
      length = 1;
    } else {
      const int is_signed = *format == 'd';
      const u64 base = *format == 'x' ? 16 : *format == 'o' ? 8 : 10;
      const i64 given = va_arg(arguments, i64);
      u64 value = is_signed && given < 0 ? (u64)-given : (u64)given;
      do *--piece = "0123456789abcdef"[value % base];
      while ((value /= base) != 0);
      if (is_signed && given < 0) {
        if (zero) text_char(t, '-'), width--;
        else *--piece = '-';
      }
      length = (u64)(digits + sizeof digits - piece);
    }
    for (i64 i = (i64)length; !left && i < width; i++) text_char(t, zero && *format != 's' ? '0' : ' ');
    text_add(t, piece, length);
    for (i64 i = (i64)length; left && i < width; i++) text_char(t, ' ');
  }
}

/* Numbers are passed as i64 or u64: the macros' callers cast. */
void say(const char *format, ...) {
  void *before = mark();
  struct text t = { 0 };
  va_list arguments;
  va_start(arguments, format);
  format_into(&t, format, arguments);
  va_end(arguments);
  put_bytes(t.bytes, t.length);
  release(before);
}

void complain(const char *format, ...) {
  void *before = mark();
  struct text t = { 0 };
  va_list arguments;
  va_start(arguments, format);
  format_into(&t, format, arguments);
  va_end(arguments);
  text_char(&t, '\n');
  flush();
  write_all(2, t.bytes, t.length);
  release(before);
}

char *print(const char *format, ...) {
  struct text t = { 0 };
  va_list arguments;
  va_start(arguments, format);
  text_add(&t, "", 0);
  format_into(&t, format, arguments);
  va_end(arguments);
  return t.bytes;
}

static const char *const reasons[] = {
  [1] = "that is not permitted",
  [2] = "there is no such file or directory",
  [3] = "there is no such process",
  [4] = "it was interrupted",
  [5] = "the device reported an error",
  [6] = "there is no such device",
  [7] = "the argument list is too long",
  [8] = "it is no program that this kernel runs",
  [9] = "the file descriptor is not open",
  [10] = "there are no child processes",
  [12] = "there is not enough memory",
  [13] = "permission is denied",
  [14] = "the address is bad",
  [15] = "it is no block device",
  [16] = "it is busy",
  [17] = "it exists already",
  [18] = "it is on another file system",
  [19] = "the device or file system type is not supported by this kernel",
  [20] = "something in the path is not a directory",
  [21] = "it is a directory",
  [22] = "an argument is invalid",
  [23] = "the system has too many open files",
  [24] = "there are too many open files",
  [25] = "it is not a terminal or does not know this request",
  [26] = "the program is running",
  [27] = "the file would be too large",
  [28] = "no space is left on the device",
  [29] = "it cannot be positioned",
  [30] = "the file system is read-only",
  [31] = "there are too many links",
  [32] = "nobody reads the pipe",
  [35] = "it would have to wait",
  [45] = "the operation is not supported",
  [47] = "the address family is not supported",
  [48] = "the address is in use",
  [49] = "the address is not available here",
  [50] = "the network is down",
  [51] = "the network is unreachable",
  [55] = "there is no buffer space",
  [60] = "it took too long",
  [61] = "the connection was refused",
  [62] = "there are too many symbolic links",
  [63] = "the name is too long",
  [64] = "the host is down",
  [65] = "there is no route to the host",
  [66] = "the directory is not empty",
  [78] = "this kernel does not have the system call",
};

const char *reason(i64 result) {
  const u64 number = (u64)-result;
  if (number < COUNT(reasons) && reasons[number] != NULL) return reasons[number];
  return print("error %u", number);
}

int failed(i64 result, const char *verb, const char *object) {
  if (result >= 0) return 0;
  complain("%s: cannot %s %s: %s", program, verb, object, reason(result));
  return 1;
}

void *leave_point[5];
int leave_armed, leave_status;

void leave(int status) {
  const int error = flush();
  /* A reader that went away is no news. */
  if (error < 0 && error != -EPIPE) failed(error, "write to", "standard output");
  if (error < 0) status = 1;
  if (leave_armed) {
    leave_armed = 0;
    leave_status = status;
    __builtin_longjmp(leave_point, 1);
  }
  sys_exit(status);
}

void usage(const char *arguments) {
  complain("usage: %s %s", program, arguments);
  leave(2);
}

char *get_env(const char *name) {
  const u64 length = length_of(name);
  for (char **e = environment; e != NULL && *e != NULL; e++)
    if (starts_with(*e, name) && (*e)[length] == '=') return *e + length + 1;
  return NULL;
}

/* ---- files ---- */

char *read_all(int fd, u64 *length, i64 *error) {
  struct text t = { 0 };
  char *bytes = alloc(16384);
  i64 n;
  text_add(&t, "", 0);
  while ((n = sys_read(fd, bytes, 16384)) > 0) text_add(&t, bytes, (u64)n);
  *length = t.length;
  *error = n;
  return t.bytes;
}

void reader_open(struct reader *r, int fd) {
  r->fd = fd;
  r->at = r->end = 0;
  r->finished = 0;
}

int read_char(struct reader *r) {
  if (r->at == r->end) {
    if (r->finished) return -1;
    i64 n = sys_read(r->fd, r->bytes, sizeof r->bytes);
    if (n <= 0) {
      r->finished = 1;
      failed(n, "read", "the input");
      return -1;
    }
    r->at = 0;
    r->end = (u64)n;
  }
  return (u8)r->bytes[r->at++];
}

int read_line(struct reader *r, struct text *line) {
  int c = read_char(r);
  line->length = 0;
  text_add(line, "", 0);
  if (c < 0) return 0;
  for (; c >= 0 && c != '\n'; c = read_char(r)) text_char(line, c);
  return 1;
}

char *path_join(const char *directory, const char *name) {
  const u64 length = length_of(directory);
  return join3(directory, length > 0 && directory[length - 1] != '/' ? "/" : "", name);
}

i64 directory_open(struct directory *d, const char *path) {
  i64 fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
  d->fd = (int)fd;
  d->at = d->end = 0;
  if (fd < 0) return fd;
  struct stat s;
  if (sys_fstat(d->fd, &s) == 0 && (s.st_mode & S_IFMT) != S_IFDIR) {
    sys_close(d->fd);
    return -ENOTDIR;
  }
  return 0;
}

struct dirent *directory_next(struct directory *d) {
  for (;;) {
    if (d->at >= d->end) {
      d->at = 0;
      d->end = sys_getdents(d->fd, d->bytes, sizeof d->bytes);
      if (d->end <= 0) {
        sys_close(d->fd);
        return NULL;
      }
    }
    struct dirent *entry = (struct dirent *)(d->bytes + d->at);
    d->at += entry->d_reclen;
    const char *name = entry->d_name;
    if (entry->d_fileno != 0 && !(name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'))))
      return entry;
  }
}

u64 options(char ***argv, const char *letters, const char *arguments) {
  u64 set = 0;
  char **at = *argv + 1;
  for (; *at != NULL && (*at)[0] == '-' && (*at)[1] != '\0'; at++) {
    if (same(*at, "--")) {
      at++;
      break;
    }
    for (const char *letter = *at + 1; *letter != '\0'; letter++) {
      if (find_char(letters, *letter) == NULL) usage(arguments);
      set |= BIT(*letter);
    }
  }
  *argv = at;
  return set;
}

/* ---- time ---- */

const char *const month_names[12] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char *const long_months[12] = { "January", "February", "March",     "April",   "May",      "June",
                                             "July",    "August",   "September", "October", "November", "December" };
static const char *const weekdays[7] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };

static int leap(i64 year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static int days_in(i64 year, int month) {
  return month == 2 ? 28 + leap(year) : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

void calendar_of(i64 seconds, struct calendar *c) {
  i64 days = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) rest += 86400, days--;
  c->hour = (int)(rest / 3600);
  c->minute = (int)(rest / 60 % 60);
  c->second = (int)(rest % 60);
  c->weekday = (int)(((days + 4) % 7 + 7) % 7);
  c->year = 1970;
  while (days < 0) days += 365 + leap(--c->year);
  while (days >= 365 + leap(c->year)) days -= 365 + leap(c->year++);
  c->yearday = (int)days + 1;
  for (c->month = 1; days >= days_in(c->year, c->month); c->month++) days -= days_in(c->year, c->month);
  c->day = (int)days + 1;
}

i64 seconds_of(const struct calendar *c) {
  i64 days = c->day - 1;
  for (int m = 1; m < c->month; m++) days += days_in(c->year, m);
  for (i64 y = 1970; y < c->year; y++) days += 365 + leap(y);
  for (i64 y = c->year; y < 1970; y++) days -= 365 + leap(y);
  return ((days * 24 + c->hour) * 60 + c->minute) * 60 + c->second;
}

void time_text(struct text *t, const char *format, i64 seconds) {
  struct calendar c;
  calendar_of(seconds, &c);
  text_add(t, "", 0);
  for (; *format != '\0'; format++) {
    if (*format != '%' || format[1] == '\0') {
      text_char(t, *format);
      continue;
    }
    switch (*++format) {
      case 'Y': text_put(t, print("%d", c.year)); break;
      case 'y': text_put(t, print("%02d", c.year % 100)); break;
      case 'm': text_put(t, print("%02d", (i64)c.month)); break;
      case 'd': text_put(t, print("%02d", (i64)c.day)); break;
      case 'e': text_put(t, print("%2d", (i64)c.day)); break;
      case 'H': text_put(t, print("%02d", (i64)c.hour)); break;
      case 'I': text_put(t, print("%02d", (i64)(c.hour + 11) % 12 + 1)); break;
      case 'M': text_put(t, print("%02d", (i64)c.minute)); break;
      case 'S': text_put(t, print("%02d", (i64)c.second)); break;
      case 'j': text_put(t, print("%03d", (i64)c.yearday)); break;
      case 's': text_put(t, print("%d", seconds)); break;
      case 'u': text_put(t, print("%d", (i64)(c.weekday + 6) % 7 + 1)); break;
      case 'w': text_put(t, print("%d", (i64)c.weekday)); break;
      case 'p': text_put(t, c.hour < 12 ? "AM" : "PM"); break;
      case 'a': text_add(t, weekdays[c.weekday], 3); break;
      case 'A': text_put(t, weekdays[c.weekday]); break;
      case 'b': case 'h': text_put(t, month_names[c.month - 1]); break;
      case 'B': text_put(t, long_months[c.month - 1]); break;
      case 'F': time_text(t, "%Y-%m-%d", seconds); break;
      case 'T': time_text(t, "%H:%M:%S", seconds); break;
      case 'R': time_text(t, "%H:%M", seconds); break;
      case 'D': time_text(t, "%m/%d/%y", seconds); break;
      case 'c': time_text(t, "%a %b %e %H:%M:%S %Y", seconds); break;
      case 'Z': text_put(t, "UTC"); break;
      case 'z': text_put(t, "+0000"); break;
      case 'n': text_char(t, '\n'); break;
      case 't': text_char(t, '\t'); break;
      case '%': text_char(t, '%'); break;
      default: text_char(t, '%'), text_char(t, *format);
    }
  }
}

/* ---- signals ---- */

const char *const signal_names[NSIG] = {
  "EXIT", "HUP",  "INT",  "QUIT", "ILL",  "TRAP", "ABRT", "EMT",  "FPE",  "KILL",   "BUS",  "SEGV",  "SYS",  "PIPE", "ALRM", "TERM",
  "URG",  "STOP", "TSTP", "CONT", "CHLD", "TTIN", "TTOU", "IO",   "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "INFO", "USR1", "USR2",
};

/* What the shell says of a job that a signal ended. */
const char *const signal_words[NSIG] = {
  [SIGHUP] = "Hangup", [SIGQUIT] = "Quit", [4] = "Illegal instruction", [5] = "Trap", [6] = "Abort",
  [8] = "Arithmetic exception", [SIGKILL] = "Killed", [10] = "Bus error", [11] = "Segmentation fault",
  [12] = "Bad system call", [14] = "Alarm clock", [SIGTERM] = "Terminated", [30] = "User signal 1",
  [31] = "User signal 2",
};

int signal_number(const char *name) {
  i64 number;
  if (parse_number(name, &number)) return number >= 0 && number < NSIG ? (int)number : -1;
  if (starts_with(name, "SIG") || starts_with(name, "sig")) name += 3;
  for (int i = 1; i < NSIG; i++) {
    u64 at = 0;
    while (signal_names[i][at] != '\0' && signal_names[i][at] == upper(name[at])) at++;
    if (signal_names[i][at] == '\0' && name[at] == '\0') return i;
  }
  return -1;
}

void on_signal(int signal, void (*handler)(int), int flags) {
  const struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
  syscall6(SYS_sigaction, (word)signal, (word)&action, 0, (word)signal_return, 2, 0);
}

void unblock_signals(void) {
  static const u32 none[4];
  CALL(SYS_sigprocmask, SIG_SETMASK, none, 0);
}

/* ---- names and sizes ---- */

char *human(u64 bytes) {
  u64 tenths = bytes * 10;
  int unit = 0;
  while (tenths >= 10240) tenths = (tenths + 512) / 1024, unit++;
  if (unit == 0) return print("%uB", bytes);
  if (tenths < 100) return print("%u.%u%c", tenths / 10, tenths % 10, " KMGTPE"[unit]);
  return print("%u%c", (tenths + 5) / 10, " KMGTPE"[unit]);
}

/* The first field of the line in `file` whose third field is id; the number if there is none. */
static char *name_of(const char *file, u32 id) {
  char *found = print("%u", (u64)id);
  const u64 digits = length_of(found);
  i64 fd = sys_open(file, O_RDONLY, 0), error;
  u64 length;
  if (fd < 0) return found;
  char *line = read_all((int)fd, &length, &error);
  sys_close((int)fd);
  while (line != NULL && *line != '\0') {
    char *next = find_char(line, '\n');
    if (next != NULL) *next++ = '\0';
    char *first = find_char(line, ':'), *second = first != NULL ? find_char(first + 1, ':') : NULL;
    if (second != NULL && starts_with(second + 1, found) && (second[1 + digits] == ':' || second[1 + digits] == '\0'))
      return duplicate_bytes(line, (u64)(first - line));
    line = next;
  }
  return found;
}

char *user_name(u32 uid) {
  static u32 known;
  static char *name;
  if (name == NULL || known != uid) known = uid, name = keep(name_of("/etc/passwd", uid));
  return name;
}

char *group_name(u32 gid) {
  static u32 known;
  static char *name;
  if (name == NULL || known != gid) known = gid, name = keep(name_of("/etc/group", gid));
  return name;
}
