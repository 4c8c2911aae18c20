/*
 * Commands about text: echo printf cat head tail wc sort uniq cut tr tee xargs more hexdump seq expr test cmp true false.
 * grep is in grep.c.
 */
#include "commands.h"

int true_main(int argc, char **argv) {
  (void)argc, (void)argv;
  return 0;
}

int false_main(int argc, char **argv) {
  (void)argc, (void)argv;
  return 1;
}

/* One escape after a backslash at *text, which moves past it. -1 for \c. */
static int escaped(const char **text, int octal_zero) {
  static const char letters[] = "abefnrtv\\", meanings[] = "\a\b\033\f\n\r\t\v\\";
  const char c = *(*text)++;
  const char *at = c != '\0' ? find_char(letters, c) : NULL;
  if (at != NULL) return (u8)meanings[at - letters];
  if (c == 'c' && octal_zero) return -1;
  if (c == 'x') {
    int value = 0;
    for (int i = 0; i < 2; i++, (*text)++) {
      const int d = lower(**text);
      if (is_digit(d)) value = value * 16 + d - '0';
      else if (d >= 'a' && d <= 'f') value = value * 16 + d - 'a' + 10;
      else break;
    }
    return value;
  }
  if (c >= '0' && c <= '7') {
    int value = octal_zero ? 0 : c - '0';
    for (int i = 0; i < (octal_zero ? 3 : 2) && **text >= '0' && **text <= '7'; i++) value = value * 8 + *(*text)++ - '0';
    return value & 0xff;
  }
  (*text)--;
  return '\\';
}

int echo_main(int argc, char **argv) {
  int newline = 1, escapes = 0, i = 1;
  for (; i < argc && (same(argv[i], "-n") || same(argv[i], "-e") || same(argv[i], "-ne")); i++) {
    if (find_char(argv[i], 'n') != NULL) newline = 0;
    if (find_char(argv[i], 'e') != NULL) escapes = 1;
  }
  for (; i < argc; i++) {
    if (!escapes) put(argv[i]);
    for (const char *c = argv[i]; escapes && *c != '\0';) {
      if (*c != '\\') {
        put_char(*c++);
        continue;
      }
      c++;
      const int value = escaped(&c, 1);
      if (value < 0) return 0;
      put_char(value);
    }
    if (i + 1 < argc) put_char(' ');
  }
  if (newline) put_char('\n');
  return 0;
}

int printf_main(int argc, char **argv) {
  int next = 2, status = 0;
  if (argc < 2) usage("FORMAT [ARGUMENT]...");
  do {
    const int first = next;
    for (const char *c = argv[1]; *c != '\0';) {
      if (*c == '\\') {
        c++;
        put_char(escaped(&c, 0));
        continue;
      }
      if (*c != '%' || c[1] == '%') {
        c += *c == '%';
        put_char(*c++);
        continue;
      }
      struct text spec = { 0 };
      text_char(&spec, *c++);
      while (*c != '\0' && find_char("-0 +#", *c) != NULL) {
        if (*c == '-' || *c == '0') text_char(&spec, *c);
        c++;
      }
      while (is_digit(*c) || *c == '.') text_char(&spec, *c++);
      const char *argument = next < argc ? argv[next++] : NULL;
      const char letter = *c != '\0' ? *c++ : 's';
      if (letter == 'b') {
        for (const char *b = argument != NULL ? argument : ""; *b != '\0';) {
          if (*b != '\\') {
            put_char(*b++);
            continue;
          }
          b++;
          const int value = escaped(&b, 1);
          if (value < 0) return status;
          put_char(value);
        }
      } else if (letter == 's') {
        text_char(&spec, 's');
        say(spec.bytes, argument != NULL ? argument : "");
      } else if (letter == 'c') {
        if (argument != NULL && *argument != '\0') put_char(*argument);
      } else if (find_char("dixXou", letter) != NULL) {
        const char *end = "";
        i64 value = 0;
        if (argument != NULL && (*argument == '\'' || *argument == '"')) value = (u8)argument[1];
        else if (argument != NULL) {
          const int negative = *argument == '-';
          value = number_at(argument + (negative || *argument == '+'), &end);
          if (negative) value = -value;
        }
        if (*end != '\0') {
          complain("printf: %s is no number", argument);
          status = 1;
        }
        text_char(&spec, letter == 'i' ? 'd' : lower(letter));
        say(spec.bytes, value);
      } else {
        complain("printf: there is no conversion %%%c here", letter);
        return 1;
      }
    }
    if (next == first) break;
  } while (next < argc);
  return status;
}

/* ---- test ---- */

static char **test_words;
static int test_count, test_at, test_bad;

static int test_or(void);

static int test_primary(void) {
  struct stat s;
  if (test_at >= test_count) return test_bad = 1, 0;
  char *word = test_words[test_at];
  const int left = test_count - test_at;
  if (left >= 3) {
    static const char *const operators[] = { "=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "<", ">", "-nt", "-ot", "-ef" };
    const char *operator = test_words[test_at + 1], *right = test_words[test_at + 2];
    u64 i = 0;
    while (i < COUNT(operators) && !same(operators[i], operator)) i++;
    if (i < COUNT(operators)) {
      test_at += 3;
      if (i < 2) return same(word, right);
      if (i == 2) return !same(word, right);
      if (i == 9) return compare(word, right) < 0;
      if (i == 10) return compare(word, right) > 0;
      if (i > 10) {
        struct stat t;
        const int a = sys_stat(word, &s) == 0, b = sys_stat(right, &t) == 0;
        if (i == 13) return a && b && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
        const i64 difference = !a || !b ? a - b : s.st_mtim.tv_sec - t.st_mtim.tv_sec;
        return i == 11 ? difference > 0 : difference < 0;
      }
      i64 x, y;
      if (!parse_number(word, &x) || !parse_number(right, &y)) {
        complain("%s: %s is no number", program, parse_number(word, &x) ? right : word);
        return test_bad = 2, 0;
      }
      switch (i) {
        case 3: return x == y;
        case 4: return x != y;
        case 5: return x < y;
        case 6: return x <= y;
        case 7: return x > y;
        default: return x >= y;
      }
    }
  }
  if (same(word, "!") && left >= 2) return test_at++, !test_primary();
  if (same(word, "(") && left >= 2) {
    test_at++;
    const int result = test_or();
    if (test_at < test_count && same(test_words[test_at], ")")) test_at++;
    else test_bad = 1;
    return result;
  }
  if (word[0] == '-' && word[1] != '\0' && word[2] == '\0' && left >= 2 && find_char("nzefdLhrwxspScbtguk", word[1]) != NULL) {
    const char *operand = test_words[test_at + 1];
    i64 fd;
    struct termios t;
    test_at += 2;
    switch (word[1]) {
      case 'n': return *operand != '\0';
      case 'z': return *operand == '\0';
      case 'r': return sys_access(operand, R_OK) == 0;
      case 'w': return sys_access(operand, W_OK) == 0;
      case 'x': return sys_access(operand, X_OK) == 0;
      case 't': return parse_number(operand, &fd) && sys_ioctl((int)fd, TIOCGETA, &t) == 0;
      case 'L': case 'h': return sys_lstat(operand, &s) == 0 && (s.st_mode & S_IFMT) == S_IFLNK;
    }
    if (sys_stat(operand, &s) < 0) return 0;
    const u32 type = s.st_mode & S_IFMT;
    switch (word[1]) {
      case 'f': return type == S_IFREG;
      case 'd': return type == S_IFDIR;
      case 's': return s.st_size > 0;
      case 'p': return type == S_IFIFO;
      case 'S': return type == S_IFSOCK;
      case 'c': return type == S_IFCHR;
      case 'b': return type == S_IFBLK;
      case 'u': return (s.st_mode & 04000) != 0;
      case 'g': return (s.st_mode & 02000) != 0;
      case 'k': return (s.st_mode & 01000) != 0;
      default: return 1;
    }
  }
  test_at++;
  return *word != '\0';
}

static int test_and(void) {
  int result = test_primary();
  while (test_at < test_count && same(test_words[test_at], "-a")) {
    test_at++;
    result &= test_primary();
  }
  return result;
}

static int test_or(void) {
  int result = test_and();
  while (test_at < test_count && same(test_words[test_at], "-o")) {
    test_at++;
    result |= test_and();
  }
  return result;
}

int test_main(int argc, char **argv) {
  if (argv[0][0] == '[') {
    if (!same(argv[argc - 1], "]")) {
      complain("[: the last word must be ]");
      return 2;
    }
    argc--;
  }
  test_words = argv + 1;
  test_count = argc - 1;
  test_at = test_bad = 0;
  if (test_count == 0) return 1;
  const int result = test_or();
  if (test_bad == 0 && test_at < test_count) test_bad = 1;
  if (test_bad == 1) complain("%s: this is no expression", argv[0]);
  return test_bad ? 2 : !result;
}

/* ---- expr ---- */

static char **expr_at;

static char *expr_level(int level);

static char *expr_primary(void) {
  if (*expr_at == NULL) {
    complain("expr: an operand is missing");
    leave(2);
  }
  if (same(*expr_at, "(")) {
    expr_at++;
    char *value = expr_level(0);
    if (*expr_at == NULL || !same(*expr_at, ")")) {
      complain("expr: a ) is missing");
      leave(2);
    }
    expr_at++;
    return value;
  }
  if (same(*expr_at, "length") && expr_at[1] != NULL) {
    expr_at += 2;
    return print("%u", length_of(expr_at[-1]));
  }
  return *expr_at++;
}

static int expr_false(const char *value) {
  i64 n;
  return *value == '\0' || (parse_number(value, &n) && n == 0);
}

static char *expr_level(int level) {
  static const char *const operators[5][7] = {
    { "|", NULL }, { "&", NULL }, { "=", "!=", "<=", ">=", "<", ">", NULL }, { "+", "-", NULL }, { "*", "/", "%", NULL },
  };
  if (level == 5) return expr_primary();
  char *left = expr_level(level + 1);
  while (*expr_at != NULL) {
    int which = 0;
    while (operators[level][which] != NULL && !same(operators[level][which], *expr_at)) which++;
    if (operators[level][which] == NULL) break;
    expr_at++;
    char *right = expr_level(level + 1);
    i64 a, b;
    const int numbers = parse_number(left, &a) && parse_number(right, &b);
    if (level == 0) left = expr_false(left) ? right : left;
    else if (level == 1) left = expr_false(left) || expr_false(right) ? "0" : left;
    else if (level == 2) {
      const i64 order = numbers ? (a < b ? -1 : a > b) : compare(left, right);
      const int truth[6] = { order == 0, order != 0, order <= 0, order >= 0, order < 0, order > 0 };
      left = truth[which] ? "1" : "0";
    } else {
      if (!numbers || (level == 4 && which > 0 && b == 0)) {
        complain(numbers ? "expr: division by zero" : "expr: %s takes numbers", expr_at[-2]);
        leave(2);
      }
      left = print("%d", level == 3 ? (which == 0 ? a + b : a - b) : which == 0 ? a * b : which == 1 ? a / b : a % b);
    }
  }
  return left;
}

int expr_main(int argc, char **argv) {
  if (argc < 2) usage("EXPRESSION");
  expr_at = argv + 1;
  char *value = expr_level(0);
  if (*expr_at != NULL) {
    complain("expr: %s is not expected here", *expr_at);
    return 2;
  }
  say("%s\n", value);
  return expr_false(value);
}

int seq_main(int argc, char **argv) {
  i64 first = 1, step = 1, last;
  int good = argc >= 2 && argc <= 4 && parse_number(argv[argc - 1], &last);
  if (good && argc > 2) good = parse_number(argv[1], &first);
  if (good && argc > 3) good = parse_number(argv[2], &step) && step != 0;
  if (!good) usage("[FIRST [STEP]] LAST   (whole numbers)");
  for (i64 i = first; step > 0 ? i <= last : i >= last; i += step) say("%d\n", i);
  return 0;
}

/* ---- files and lines ---- */

/* Opens each operand, or standard input for none or "-". False at the end; what cannot be opened sets *status. */
static int next_input(char ***argv, int *first, struct reader *r, const char **name, int *status) {
  for (;;) {
    if (**argv == NULL && !*first) return 0;
    *name = **argv == NULL ? "-" : *(*argv)++;
    *first = 0;
    if (same(*name, "-")) {
      reader_open(r, 0);
      return 1;
    }
    struct stat s;
    i64 fd = sys_open(*name, O_RDONLY, 0);
    /* The kernel would give a directory's raw bytes. */
    if (fd >= 0 && sys_fstat((int)fd, &s) == 0 && (s.st_mode & S_IFMT) == S_IFDIR) {
      sys_close((int)fd);
      fd = -EISDIR;
    }
    if (!failed(fd, "open", *name)) {
      reader_open(r, (int)fd);
      return 1;
    }
    *status = 1;
  }
}

static void close_input(struct reader *r) {
  if (r->fd > 0) sys_close(r->fd);
}

int cat_main(int argc, char **argv) {
  static char bytes[16384];
  const u64 set = options(&argv, "nu", "[-n] [FILE]...");
  struct reader *r = alloc(sizeof *r);
  const char *name;
  int first = 1, status = 0;
  u64 number = 0;
  i64 n;
  (void)argc;
  while (next_input(&argv, &first, r, &name, &status)) {
    if (HAS(set, 'n')) {
      struct text line = { 0 };
      while (read_line(r, &line)) say("%6u  %s\n", ++number, line.bytes);
    } else {
      while ((n = sys_read(r->fd, bytes, sizeof bytes)) > 0)
        if (failed(write_all(1, bytes, (u64)n), "write to", "standard output")) return 1;
      if (failed(n, "read", name)) status = 1;
    }
    close_input(r);
  }
  return status;
}

/* -n N, -nN and -N of head and tail; *from_start: tail -n +N. */
static i64 line_count(char ***argv, const char *how, int *bytes, int *from_start, int *follow) {
  i64 count = 10;
  char **at = *argv + 1;
  for (; *at != NULL && at[0][0] == '-' && at[0][1] != '\0'; at++) {
    char *value = *at + 1;
    if (same(value, "-")) {
      at++;
      break;
    }
    if (*value == 'f' && follow != NULL) {
      *follow = 1;
      continue;
    }
    if (*value == 'n' || *value == 'c') {
      *bytes = *value == 'c';
      value = value[1] != '\0' ? value + 1 : at[1] != NULL ? *++at : "";
    }
    if (*value == '+' && from_start != NULL) *from_start = 1;
    if (!parse_number(value, &count) || count < 0) usage(how);
  }
  *argv = at;
  return count;
}

int head_main(int argc, char **argv) {
  struct reader *r = alloc(sizeof *r);
  const char *name;
  int first = 1, status = 0, bytes = 0;
  const i64 count = line_count(&argv, "[-n LINES | -c BYTES] [FILE]...", &bytes, NULL, NULL);
  const int titled = *argv != NULL && argv[1] != NULL;
  int printed = 0;
  (void)argc;
  while (next_input(&argv, &first, r, &name, &status)) {
    if (titled) say(printed++ ? "\n==> %s <==\n" : "==> %s <==\n", name);
    for (i64 left = count; left > 0;) {
      const int c = read_char(r);
      if (c < 0) break;
      put_char(c);
      if (bytes || c == '\n') left--;
    }
    close_input(r);
  }
  return status;
}

int tail_main(int argc, char **argv) {
  struct reader *r = alloc(sizeof *r);
  const char *name;
  int first = 1, status = 0, bytes = 0, from_start = 0, follow = 0;
  const i64 count = line_count(&argv, "[-f] [-n [+]LINES | -c BYTES] [FILE]...", &bytes, &from_start, &follow);
  const int titled = *argv != NULL && argv[1] != NULL;
  int printed = 0;
  (void)argc;
  while (next_input(&argv, &first, r, &name, &status)) {
    u64 length;
    i64 error;
    if (titled) say(printed++ ? "\n==> %s <==\n" : "==> %s <==\n", name);
    char *text = read_all(r->fd, &length, &error);
    if (failed(error, "read", name)) status = 1;
    u64 at = from_start ? 0 : length;
    i64 left = from_start ? count - 1 : count;
    if (bytes) at = from_start ? (u64)left : (u64)left < length ? length - (u64)left : 0;
    else if (from_start) {
      while (at < length && left > 0) left -= text[at++] == '\n';
    } else if (left > 0) {
      if (at > 0) at--; /* the last newline ends a line, it does not begin one */
      while (at > 0 && !(text[at - 1] == '\n' && --left == 0)) at--;
    }
    if (at < length) put_bytes(text + at, length - at);
    while (follow && r->fd > 0) {
      static char more[4096];
      const struct timespec half = { 0, 500000000 };
      const i64 n = sys_read(r->fd, more, sizeof more);
      flush();
      if (n > 0) put_bytes(more, (u64)n);
      else sys_nanosleep(&half);
    }
    close_input(r);
  }
  return status;
}

int wc_main(int argc, char **argv) {
  u64 set = options(&argv, "clmw", "[-clmw] [FILE]...");
  struct reader *r = alloc(sizeof *r);
  const char *name;
  u64 total[3] = { 0 };
  int first = 1, status = 0, files = 0;
  (void)argc;
  if (HAS(set, 'm')) set |= BIT('c');
  if (set == 0) set = BIT('l') | BIT('w') | BIT('c');
  for (int more = 1; more;) {
    u64 counts[3] = { 0 };
    more = next_input(&argv, &first, r, &name, &status);
    if (!more && files < 2) break;
    if (more) {
      int c, inside = 0;
      while ((c = read_char(r)) >= 0) {
        counts[0] += c == '\n';
        counts[1] += !inside && !is_space(c);
        inside = !is_space(c);
        counts[2]++;
      }
      close_input(r);
      files++;
    }
    for (int i = 0; i < 3; i++) {
      total[i] += counts[i];
      if (HAS(set, "lwc"[i])) say("%8u", more ? counts[i] : total[i]);
    }
    if (!more) put(" total\n");
    else if (same(name, "-")) put_char('\n');
    else say(" %s\n", name);
  }
  return status;
}

/* ---- sort ---- */

static u64 sort_options;
static i64 sort_key;
static char sort_separator;

static const char *key_of(const char *line) {
  for (i64 i = 1; i < sort_key; i++) {
    if (sort_separator != '\0') {
      while (*line != '\0' && *line != sort_separator) line++;
      if (*line != '\0') line++;
    } else {
      while (is_space(*line)) line++;
      while (*line != '\0' && !is_space(*line)) line++;
    }
  }
  if (sort_separator == '\0' && (sort_key > 1 || HAS(sort_options, 'b')))
    while (is_space(*line)) line++;
  return line;
}

/* A decimal number with a fraction, in thousandths. */
static i64 number_key(const char *text) {
  i64 value = 0, scale = 1000;
  while (is_space(*text)) text++;
  const int negative = *text == '-';
  if (negative) text++;
  for (; is_digit(*text); text++) value = value * 10 + (*text - '0');
  value *= 1000;
  if (*text == '.')
    for (text++; is_digit(*text) && scale > 1; text++) value += (*text - '0') * (scale /= 10);
  return negative ? -value : value;
}

static int sort_order(const char *a, const char *b) {
  const char *x = key_of(a), *y = key_of(b);
  int order = 0;
  if (HAS(sort_options, 'n')) {
    const i64 m = number_key(x), n = number_key(y);
    order = m < n ? -1 : m > n;
  } else if (HAS(sort_options, 'f')) {
    while (*x != '\0' && lower(*x) == lower(*y)) x++, y++;
    order = lower((u8)*x) - lower((u8)*y);
  } else order = compare(x, y);
  if (order == 0 && !HAS(sort_options, 'u')) order = compare(a, b);
  return HAS(sort_options, 'r') ? -order : order;
}

int sort_main(int argc, char **argv) {
  const char *const how = "[-bfnru] [-k FIELD] [-t CHARACTER] [-o FILE] [FILE]...";
  struct reader *r = alloc(sizeof *r);
  struct list lines = { 0 };
  struct text line = { 0 };
  const char *name, *out = NULL;
  int first = 1, status = 0, i = 1;
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    for (char *c = argv[i] + 1; *c != '\0'; c++) {
      if (find_char("bfnru", *c) != NULL) sort_options |= BIT(*c);
      else if (find_char("kto", *c) != NULL) {
        const char *value = c[1] != '\0' ? c + 1 : i + 1 < argc ? argv[++i] : "", *end;
        if (*value == '\0') usage(how);
        if (*c == 'k') {
          sort_key = number_at(value, &end);
          for (; *end != '\0'; end++)
            if (find_char("bfnr", *end) != NULL) sort_options |= BIT(*end);
        } else if (*c == 't') sort_separator = *value;
        else out = value;
        break;
      } else usage(how);
    }
  }
  argv += i;
  while (next_input(&argv, &first, r, &name, &status)) {
    while (read_line(r, &line)) list_add(&lines, duplicate_bytes(line.bytes, line.length));
    close_input(r);
  }
  sort_strings(lines.items, lines.count, sort_order);
  if (out != NULL) {
    const i64 fd = sys_open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (failed(fd, "write to", out)) return 1;
    sys_dup2((int)fd, 1);
  }
  for (u64 k = 0; k < lines.count; k++)
    if (k == 0 || !HAS(sort_options, 'u') || sort_order(lines.items[k - 1], lines.items[k]) != 0) say("%s\n", lines.items[k]);
  return status;
}

int uniq_main(int argc, char **argv) {
  const u64 set = options(&argv, "cdiu", "[-cdu] [FILE]");
  struct reader *r = alloc(sizeof *r);
  struct text line = { 0 }, last = { 0 };
  const char *name;
  int first = 1, status = 0;
  u64 count = 0;
  (void)argc;
  if (!next_input(&argv, &first, r, &name, &status)) return status;
  for (;;) {
    const int more = read_line(r, &line);
    if (more && count > 0 && same(line.bytes, last.bytes)) {
      count++;
      continue;
    }
    if (count > 0 && !(HAS(set, 'd') && count == 1) && !(HAS(set, 'u') && count > 1)) {
      if (HAS(set, 'c')) say("%7u ", count);
      say("%s\n", last.bytes);
    }
    if (!more) return status;
    last.length = 0;
    text_add(&last, line.bytes, line.length);
    count = 1;
  }
}

/* ---- cut, tr, tee ---- */

static int in_ranges(const char *ranges, i64 n) {
  while (*ranges != '\0') {
    i64 low = 1, high = -1;
    if (is_digit(*ranges))
      for (low = 0; is_digit(*ranges); ranges++) low = low * 10 + (*ranges - '0');
    high = low;
    if (*ranges == '-') {
      ranges++;
      high = 0x7fffffff;
      if (is_digit(*ranges))
        for (high = 0; is_digit(*ranges); ranges++) high = high * 10 + (*ranges - '0');
    }
    if (n >= low && n <= high) return 1;
    if (*ranges != ',') return 0;
    ranges++;
  }
  return 0;
}

int cut_main(int argc, char **argv) {
  const char *const how = "-c LIST | -f LIST [-d CHARACTER] [-s] [FILE]...";
  const char *ranges = NULL, *name;
  char separator = '\t';
  int fields = 0, only = 0, first = 1, status = 0, i = 1;
  struct reader *r = alloc(sizeof *r);
  struct text line = { 0 };
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    const char letter = argv[i][1];
    if (letter == 's') {
      only = 1;
      continue;
    }
    const char *value = argv[i][2] != '\0' ? argv[i] + 2 : i + 1 < argc ? argv[++i] : "";
    if (letter == 'd') separator = *value;
    else if (letter == 'c' || letter == 'b' || letter == 'f') ranges = value, fields = letter == 'f';
    else usage(how);
  }
  if (ranges == NULL || *ranges == '\0') usage(how);
  argv += i;
  while (next_input(&argv, &first, r, &name, &status)) {
    while (read_line(r, &line)) {
      i64 n = 1;
      int printed = 0;
      if (fields && find_char(line.bytes, separator) == NULL) {
        if (!only) say("%s\n", line.bytes);
        continue;
      }
      for (u64 at = 0; at < line.length; n++) {
        u64 end = at + 1;
        if (fields)
          for (end = at; end < line.length && line.bytes[end] != separator;) end++;
        if (in_ranges(ranges, n)) {
          if (fields && printed++) put_char(separator);
          put_bytes(line.bytes + at, end - at);
        }
        at = end + (fields != 0);
      }
      put_char('\n');
    }
    close_input(r);
  }
  return status;
}

/* Writes out a set: ranges, \n and the like, [:upper:] and so on. */
static void expand_set(const char *text, struct text *set) {
  static const char *const classes[] = { "[:upper:]A-Z", "[:lower:]a-z", "[:digit:]0-9", "[:alpha:]A-Za-z", "[:alnum:]0-9A-Za-z",
                                         "[:space:] \t\n\v\f\r", "[:punct:]!-/:-@[-`{-~" };
  text_add(set, "", 0);
  while (*text != '\0') {
    u64 i = 0;
    for (; i < COUNT(classes); i++) {
      const u64 length = (u64)(find_char(classes[i] + 2, ']') + 1 - classes[i]);
      if (!starts_with(text, duplicate_bytes(classes[i], length))) continue;
      expand_set(classes[i] + length, set);
      text += length;
      break;
    }
    if (i < COUNT(classes)) continue;
    int low = (u8)*text++;
    if (low == '\\' && *text != '\0') low = escaped(&text, 0);
    int high = low;
    if (*text == '-' && text[1] != '\0') {
      text++;
      high = (u8)*text++;
      if (high == '\\' && *text != '\0') high = escaped(&text, 0);
    }
    for (; low <= high; low++) text_char(set, low);
  }
}

int tr_main(int argc, char **argv) {
  const u64 set = options(&argv, "cds", "[-cds] SET [SET]");
  struct text from = { 0 }, to = { 0 };
  struct reader *r = alloc(sizeof *r);
  u8 map[256], member[256] = { 0 }, squeeze[256] = { 0 };
  int c, last = -1;
  (void)argc;
  if (argv[0] == NULL || (argv[1] == NULL && !HAS(set, 'd') && !HAS(set, 's'))) usage("[-cds] SET [SET]");
  expand_set(argv[0], &from);
  if (argv[1] != NULL) expand_set(argv[1], &to);
  for (int i = 0; i < 256; i++) map[i] = (u8)i;
  for (u64 i = 0; i < from.length; i++) member[(u8)from.bytes[i]] = 1;
  if (HAS(set, 'c'))
    for (int i = 0; i < 256; i++) member[i] = !member[i];
  if (to.length > 0 && !HAS(set, 'd')) {
    if (HAS(set, 'c'))
      for (int i = 0; i < 256; i++) map[i] = member[i] ? (u8)to.bytes[to.length - 1] : (u8)i;
    else
      for (u64 i = 0; i < from.length; i++) map[(u8)from.bytes[i]] = (u8)to.bytes[i < to.length ? i : to.length - 1];
  }
  if (HAS(set, 's')) {
    for (u64 i = 0; i < to.length; i++) squeeze[(u8)to.bytes[i]] = 1;
    for (int i = 0; to.length == 0 && i < 256; i++) squeeze[i] = member[i];
  }
  reader_open(r, 0);
  while ((c = read_char(r)) >= 0) {
    if (HAS(set, 'd') && member[c]) continue;
    c = map[c];
    if (c == last && squeeze[c]) continue;
    put_char(c);
    last = c;
  }
  return 0;
}

int tee_main(int argc, char **argv) {
  const u64 set = options(&argv, "a", "[-a] [FILE]...");
  static char bytes[4096];
  int fds[16], count = 0, status = 0;
  i64 n;
  (void)argc;
  for (; *argv != NULL && count < 16; argv++) {
    const i64 fd = sys_open(*argv, O_WRONLY | O_CREAT | (HAS(set, 'a') ? O_APPEND : O_TRUNC), 0666);
    if (failed(fd, "write to", *argv)) status = 1;
    else fds[count++] = (int)fd;
  }
  while ((n = sys_read(0, bytes, sizeof bytes)) > 0) {
    status |= failed(write_all(1, bytes, (u64)n), "write to", "standard output");
    for (int i = 0; i < count; i++) status |= failed(write_all(fds[i], bytes, (u64)n), "write to", "a file");
  }
  return status;
}

/* ---- xargs, more, hexdump, cmp ---- */

static int run_program(char **words) {
  const i64 pid = sys_fork();
  int status = 0;
  if (pid == 0) {
    const char *path = get_env("PATH");
    for (const char *p = path != NULL ? path : "/bin:/sbin"; *p != '\0' && find_char(words[0], '/') == NULL;) {
      const char *colon = find_char(p, ':');
      const u64 length = colon != NULL ? (u64)(colon - p) : length_of(p);
      sys_execve(path_join(duplicate_bytes(p, length), words[0]), words, environment);
      p += length + (colon != NULL);
    }
    failed(sys_execve(words[0], words, environment), "run", words[0]);
    sys_exit(127);
  }
  if (failed(pid, "start", words[0])) return 127;
  while (sys_wait4(pid, &status, 0, NULL) == -EINTR) continue;
  return wait_signal(status) ? 128 + wait_signal(status) : wait_code(status);
}

int xargs_main(int argc, char **argv) {
  i64 most = 500;
  const char *placeholder = NULL;
  int i = 1, status = 0, c;
  struct reader *r = alloc(sizeof *r);
  for (; i < argc && argv[i][0] == '-'; i++) {
    if (same(argv[i], "-n") && i + 1 < argc) parse_number(argv[++i], &most);
    else if (same(argv[i], "-I") && i + 1 < argc) placeholder = argv[++i];
    else if (!same(argv[i], "-r")) usage("[-n COUNT | -I WORD] [COMMAND [ARGUMENT]...]");
  }
  reader_open(r, 0);
  for (int more = 1; more;) {
    void *before = mark();
    struct list words = { 0 };
    u64 fixed, bytes = 0;
    if (i >= argc) list_add(&words, "echo");
    for (int k = i; k < argc; k++) list_add(&words, argv[k]);
    fixed = words.count;
    while (words.count - fixed < (u64)(placeholder != NULL ? 1 : most) && bytes < 100000) {
      struct text word = { 0 };
      int quote = 0, any = 0;
      text_add(&word, "", 0);
      do c = read_char(r);
      while (c >= 0 && is_space(c));
      for (; c >= 0 && (quote != 0 || (placeholder != NULL ? c != '\n' : !is_space(c))); c = read_char(r)) {
        any = 1;
        if (quote != 0 && c == quote) quote = 0;
        else if (quote == 0 && (c == '\'' || c == '"')) quote = c;
        else if (quote == 0 && c == '\\') text_char(&word, read_char(r));
        else text_char(&word, c);
      }
      if (any) list_add(&words, word.bytes), bytes += word.length + 1;
      if (c < 0) {
        more = 0;
        break;
      }
    }
    if (words.count == fixed) break;
    if (placeholder != NULL) {
      const char *value = words.items[--words.count];
      words.items[words.count] = NULL;
      for (u64 k = 0; k < words.count; k++) {
        struct text t = { 0 };
        text_add(&t, "", 0);
        for (const char *w = words.items[k]; *w != '\0';) {
          if (*placeholder != '\0' && starts_with(w, placeholder)) text_put(&t, value), w += length_of(placeholder);
          else text_char(&t, *w++);
        }
        words.items[k] = t.bytes;
      }
    }
    if (run_program(words.items) != 0) status = 123;
    release(before);
  }
  return status;
}

int time_main(int argc, char **argv) {
  struct timespec start, end;
  struct rusage used = { 0 };
  int status = 0;
  if (argc < 2) usage("COMMAND [ARGUMENT]...");
  sys_clock_gettime(CLOCK_MONOTONIC, &start);
  const i64 pid = sys_fork();
  if (pid == 0) leave(run_program(argv + 1));
  if (failed(pid, "start", argv[1])) return 127;
  while (sys_wait4(pid, &status, 0, &used) == -EINTR) continue;
  sys_clock_gettime(CLOCK_MONOTONIC, &end);
  const i64 ms = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
  complain("%8d.%03d real %8d.%03d user %8d.%03d sys", ms / 1000, ms % 1000, used.ru_utime.tv_sec,
           (i64)used.ru_utime.tv_usec / 1000, used.ru_stime.tv_sec, (i64)used.ru_stime.tv_usec / 1000);
  return wait_signal(status) ? 128 + wait_signal(status) : wait_code(status);
}

int env_main(int argc, char **argv) {
  struct list all = { 0 };
  int i = 1;
  if (i < argc && same(argv[i], "-i")) i++;
  else
    for (char **e = environment; *e != NULL; e++) list_add(&all, *e);
  for (; i < argc && find_char(argv[i], '=') != NULL; i++) {
    const u64 name = (u64)(find_char(argv[i], '=') + 1 - argv[i]);
    u64 k = 0;
    while (k < all.count && !(length_of(all.items[k]) >= name && memcmp(all.items[k], argv[i], name) == 0)) k++;
    if (k < all.count) all.items[k] = argv[i];
    else list_add(&all, argv[i]);
  }
  if (all.items == NULL) all.items = alloc(sizeof(char *));
  environment = all.items;
  if (i < argc) return run_program(argv + i);
  for (u64 k = 0; k < all.count; k++) say("%s\n", all.items[k]);
  return 0;
}

int more_main(int argc, char **argv) {
  struct reader *r = alloc(sizeof *r);
  struct text line = { 0 };
  struct winsize size = { 0 };
  struct termios usual, raw;
  const char *name;
  int first = 1, status = 0;
  i64 tty = -1;
  (void)argc;
  argv++;
  if (sys_ioctl(1, TIOCGWINSZ, &size) == 0) tty = sys_open("/dev/tty", O_RDONLY, 0);
  if (size.ws_row < 2) size.ws_row = 25;
  const u64 columns = size.ws_col >= 8 ? size.ws_col : 80;
  u64 left = size.ws_row - 1u;
  while (next_input(&argv, &first, r, &name, &status)) {
    while (read_line(r, &line)) {
      const u64 rows = line.length == 0 ? 1 : (line.length + columns - 1) / columns;
      if (tty >= 0 && rows > left && left < size.ws_row - 1u) {
        u8 c = 'q';
        put("--more--");
        flush();
        sys_ioctl((int)tty, TIOCGETA, &usual);
        raw = usual;
        raw.c_lflag &= ~(u32)(ICANON | ECHO | ISIG);
        sys_ioctl((int)tty, TIOCSETA, &raw);
        sys_read((int)tty, &c, 1);
        sys_ioctl((int)tty, TIOCSETA, &usual);
        put("\r\033[K");
        if (c == 'q' || c == 3) return status;
        left = c == '\r' || c == '\n' ? 1 : size.ws_row - 1u;
      }
      left -= rows < left ? rows : left;
      put_bytes(line.bytes, line.length);
      put_char('\n');
    }
    close_input(r);
  }
  return status;
}

int hexdump_main(int argc, char **argv) {
  i64 limit = -1, skip = 0;
  struct reader *r = alloc(sizeof *r);
  const char *name;
  int first = 1, status = 0, i = 1, starred = 0;
  u8 row[16], last[16];
  u64 at = 0, have = 0;
  const char *end;
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    if (same(argv[i], "-n") && i + 1 < argc) limit = number_at(argv[++i], &end);
    else if (same(argv[i], "-s") && i + 1 < argc) skip = number_at(argv[++i], &end);
    else if (!same(argv[i], "-C")) usage("[-C] [-n BYTES] [-s BYTES] [FILE]...");
  }
  argv += i;
  while (next_input(&argv, &first, r, &name, &status)) {
    if (skip > 0 && at == 0) {
      if (sys_lseek(r->fd, skip, SEEK_CUR) < 0)
        for (i64 k = 0; k < skip && read_char(r) >= 0;) k++;
      at = (u64)skip;
    }
    for (int c = 0; c >= 0;) {
      c = limit == 0 ? -1 : read_char(r);
      if (c >= 0) row[have++] = (u8)c, limit--;
      if (have == 0 || (have < 16 && c >= 0) || (c < 0 && *argv != NULL && limit != 0)) continue;
      if (have == 16 && at > (u64)skip && memcmp(row, last, 16) == 0) {
        if (!starred) put("*\n");
        starred = 1;
      } else {
        starred = 0;
        say("%08x ", at);
        for (u64 k = 0; k < 16; k++) {
          if (k % 8 == 0) put_char(' ');
          if (k < have) say("%02x ", (u64)row[k]);
          else put("   ");
        }
        put(" |");
        for (u64 k = 0; k < have; k++) put_char(row[k] >= ' ' && row[k] < 127 ? row[k] : '.');
        put("|\n");
      }
      memcpy(last, row, 16);
      at += have;
      have = 0;
    }
    close_input(r);
  }
  if (at > 0) say("%08x\n", at);
  return status;
}

int cmp_main(int argc, char **argv) {
  struct reader *a = alloc(sizeof *a), *b = alloc(sizeof *b);
  const u64 set = options(&argv, "s", "[-s] FILE FILE");
  (void)argc;
  if (argv[0] == NULL || argv[1] == NULL) usage("[-s] FILE FILE");
  const i64 x = same(argv[0], "-") ? 0 : sys_open(argv[0], O_RDONLY, 0);
  if (failed(x, "open", argv[0])) return 2;
  const i64 y = same(argv[1], "-") ? 0 : sys_open(argv[1], O_RDONLY, 0);
  if (failed(y, "open", argv[1])) return 2;
  reader_open(a, (int)x);
  reader_open(b, (int)y);
  for (u64 at = 1, line = 1;; at++) {
    const int c = read_char(a), d = read_char(b);
    if (c < 0 && d < 0) return 0;
    if (c != d) {
      if (!HAS(set, 's') && (c < 0 || d < 0)) complain("cmp: %s ends after byte %u", argv[c < 0 ? 0 : 1], at - 1);
      else if (!HAS(set, 's')) say("%s %s differ: byte %u, line %u\n", argv[0], argv[1], at, line);
      return 1;
    }
    line += c == '\n';
  }
}
