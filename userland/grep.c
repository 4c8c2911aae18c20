/*
 * grep: regular expressions by backtracking. Basic ones know \( \) \| \{ \} \+ \?; with -E the same without backslashes.
 * Left out: back-references, classes other than [:alpha:] and its like.
 *
 * A pattern is compiled to a list of pieces, a piece being an atom and how often it may occur. Matching calls itself with a
 * continuation: what must match after the group at hand.
 */
#include "commands.h"

enum atom { A_CHAR, A_ANY, A_SET, A_START, A_END, A_WORD_START, A_WORD_END, A_GROUP };

struct piece {
  enum atom atom;
  int character;
  int least, most; /* most is -1 for any number */
  u32 set[8];
  struct branch *group;
  struct piece *next;
};

struct branch { /* alternatives */
  struct piece *pieces;
  struct branch *next;
};

struct after {
  const struct piece *pieces;
  const struct piece *repeated; /* the group that comes back here, and how often it was seen */
  int times;
  const char *from;
  const struct after *next;
};

static int extended, ignores_case;
static const char *text_start;

static void bad(const char *sentence) {
  complain("grep: %s", sentence);
  leave(2);
}

static int at_special(const char *p, int c) { return extended ? *p == c : *p == '\\' && p[1] == c; }

static struct branch *compile(const char **pattern, int depth);

static const char *compile_set(const char *p, struct piece *piece) {
  static const char *const classes[] = { "alpha", "digit", "alnum", "upper", "lower", "space", "punct", "xdigit" };
  const int inverted = *p == '^';
  if (inverted) p++;
  for (const char *first = p; *p != ']' || p == first; p++) {
    if (*p == '\0') bad("a ] is missing");
    if (*p == '[' && p[1] == ':') {
      u64 i = 0;
      while (i < COUNT(classes) && !starts_with(p + 2, classes[i])) i++;
      if (i == COUNT(classes)) bad("the class of characters is not known");
      for (int c = 1; c < 256; c++) {
        const int letter = is_alpha(c) && c != '_', digit = is_digit(c);
        const int in[] = { letter, digit, letter || digit, c != lower(c), c != upper(c), is_space(c),
                           c > ' ' && c < 127 && !letter && !digit, digit || (lower(c) >= 'a' && lower(c) <= 'f') };
        if (in[i]) piece->set[c / 32] |= 1u << c % 32;
      }
      p += 3 + length_of(classes[i]);
      continue;
    }
    int low = (u8)*p, high = low;
    if (p[1] == '-' && p[2] != ']' && p[2] != '\0') high = (u8)p[2], p += 2;
    for (int c = low; c <= high; c++) {
      piece->set[c / 32] |= 1u << c % 32;
      if (ignores_case) piece->set[lower(c) / 32] |= 1u << lower(c) % 32, piece->set[upper(c) / 32] |= 1u << upper(c) % 32;
    }
  }
  for (int i = 0; inverted && i < 8; i++) piece->set[i] = ~piece->set[i];
  return p + 1;
}

static struct piece *compile_pieces(const char **pattern, int depth) {
  struct piece *first = NULL, **last = &first;
  const char *p = *pattern, *start = p;
  while (*p != '\0' && !at_special(p, '|') && !(depth > 0 && at_special(p, ')'))) {
    struct piece *piece = alloc(sizeof *piece);
    piece->least = piece->most = 1;
    if (at_special(p, '(')) {
      p += extended ? 1 : 2;
      piece->atom = A_GROUP;
      piece->group = compile(&p, depth + 1);
      if (!at_special(p, ')')) bad("a ) is missing");
      p += extended ? 1 : 2;
    } else if (*p == '.') piece->atom = A_ANY, p++;
    else if (*p == '[') piece->atom = A_SET, p = compile_set(p + 1, piece);
    else if (*p == '^' && (extended || p == start)) piece->atom = A_START, p++;
    else if (*p == '$' && (extended || p[1] == '\0' || (p[1] == '\\' && (p[2] == ')' || p[2] == '|')))) piece->atom = A_END, p++;
    else if (*p == '\\' && p[1] == '<') piece->atom = A_WORD_START, p += 2;
    else if (*p == '\\' && p[1] == '>') piece->atom = A_WORD_END, p += 2;
    else {
      if (*p == '\\' && *++p == '\0') bad("a pattern must not end with a backslash");
      piece->character = (u8)*p++;
    }
    for (;;) {
      if (*p == '*' && (extended || p != start)) piece->least = 0, piece->most = -1, p++;
      else if (at_special(p, '+')) piece->most = -1, p += extended ? 1 : 2;
      else if (at_special(p, '?')) piece->least = 0, p += extended ? 1 : 2;
      else if (at_special(p, '{') && is_digit(p[extended ? 1 : 2])) {
        p += extended ? 1 : 2;
        for (piece->least = 0; is_digit(*p); p++) piece->least = piece->least * 10 + (*p - '0');
        piece->most = piece->least;
        if (*p == ',') {
          piece->most = -1;
          if (is_digit(*++p))
            for (piece->most = 0; is_digit(*p); p++) piece->most = piece->most * 10 + (*p - '0');
        }
        if (!at_special(p, '}')) bad("a } is missing");
        p += extended ? 1 : 2;
      } else break;
    }
    *last = piece;
    last = &piece->next;
  }
  *pattern = p;
  return first;
}

static struct branch *compile(const char **pattern, int depth) {
  struct branch *b = alloc(sizeof *b);
  b->pieces = compile_pieces(pattern, depth);
  if (at_special(*pattern, '|')) {
    *pattern += extended ? 1 : 2;
    b->next = compile(pattern, depth);
  }
  return b;
}

static int is_word(int c) { return is_alpha(c) || is_digit(c); }

/* Does the atom match one character at s? */
static int one(const struct piece *p, const char *s) {
  if (*s == '\0') return 0;
  switch (p->atom) {
    case A_ANY: return 1;
    case A_SET: return (p->set[(u8)*s / 32] >> ((u8)*s % 32) & 1) != 0;
    default: return ignores_case ? lower((u8)*s) == lower(p->character) : (u8)*s == p->character;
  }
}

static const char *match(const struct piece *p, const char *s, const struct after *after);

static const char *match_group(const struct piece *p, int times, const char *s, const struct after *outer) {
  const char *end;
  if (p->most < 0 || times < p->most) {
    const struct after again = { p->next, p, times + 1, s, outer };
    for (const struct branch *b = p->group; b != NULL; b = b->next)
      if ((end = match(b->pieces, s, &again)) != NULL) return end;
  }
  return times >= p->least ? match(p->next, s, outer) : NULL;
}

/* The end of a match of the pieces and all after them, or NULL. */
static const char *match(const struct piece *p, const char *s, const struct after *after) {
  if (p == NULL) {
    if (after == NULL) return s;
    /* A group that matched nothing would match nothing for ever. */
    if (s == after->from && after->times > after->repeated->least) return match(after->pieces, s, after->next);
    return match_group(after->repeated, after->times, s, after->next);
  }
  switch (p->atom) {
    case A_START: return s == text_start ? match(p->next, s, after) : NULL;
    case A_END: return *s == '\0' ? match(p->next, s, after) : NULL;
    case A_WORD_START:
      return is_word((u8)*s) && (s == text_start || !is_word((u8)s[-1])) ? match(p->next, s, after) : NULL;
    case A_WORD_END:
      return !is_word((u8)*s) && s > text_start && is_word((u8)s[-1]) ? match(p->next, s, after) : NULL;
    case A_GROUP: return match_group(p, 0, s, after);
    default: break;
  }
  int n = 0;
  const char *end;
  while ((p->most < 0 || n < p->most) && one(p, s + n)) n++;
  for (; n >= p->least; n--)
    if ((end = match(p->next, s + n, after)) != NULL) return end;
  return NULL;
}

static const char *search(const struct branch *pattern, const char *s, const char **end) {
  for (;; s++) {
    for (const struct branch *b = pattern; b != NULL; b = b->next)
      if ((*end = match(b->pieces, s, NULL)) != NULL) return s;
    if (*s == '\0') return NULL;
  }
}

/* ---- the command ---- */

static u64 set;
static struct branch *patterns[32];
static int pattern_count, found_any, status;

static int selects(const char *line, const char **from, const char **to) {
  int hit = 0;
  text_start = line;
  for (int i = 0; i < pattern_count && !hit; i++) {
    const char *at = line;
    while (!hit && (at = search(patterns[i], at, to)) != NULL) {
      *from = at;
      if (HAS(set, 'x')) hit = at == line && **to == '\0';
      else if (HAS(set, 'w')) hit = *to > at && (at == line || !is_word((u8)at[-1])) && !is_word((u8)**to);
      else hit = 1;
      if (*at++ == '\0') break;
    }
  }
  return hit;
}

static void grep_file(const char *path, int fd, int named) {
  void *before = mark();
  struct reader *r = alloc(sizeof *r);
  struct text line = { 0 };
  u64 number = 0, count = 0;
  reader_open(r, fd);
  while (read_line(r, &line)) {
    const char *from = NULL, *to = NULL;
    number++;
    if (selects(line.bytes, &from, &to) == HAS(set, 'v')) continue;
    count++;
    found_any = 1;
    if (HAS(set, 'q')) leave(0);
    if (HAS(set, 'l')) break;
    if (HAS(set, 'c')) continue;
    const char *at = line.bytes;
    do {
      if (named) say("%s:", path);
      if (HAS(set, 'n')) say("%u:", number);
      if (HAS(set, 'o') && !HAS(set, 'v')) {
        put_bytes(from, (u64)(to - from));
        at = to > from ? to : to + (*to != '\0');
      } else put(line.bytes);
      put_char('\n');
      if (!HAS(set, 'o') || HAS(set, 'v') || *at == '\0') break;
      from = NULL;
      for (int i = 0; i < pattern_count && from == NULL; i++) from = search(patterns[i], at, &to);
    } while (from != NULL && to > from);
  }
  if (HAS(set, 'c')) {
    if (named) say("%s:", path);
    say("%u\n", count);
  }
  if (HAS(set, 'l') && count > 0) say("%s\n", path);
  release(before);
}

static void grep_tree(const char *path, int named, int top) {
  struct stat s;
  if (HAS(set, 'r') && (top ? sys_stat(path, &s) : sys_lstat(path, &s)) == 0) {
    if ((s.st_mode & S_IFMT) == S_IFDIR) {
      struct directory *d = alloc(sizeof *d);
      struct list names = { 0 };
      struct dirent *entry;
      if (failed(directory_open(d, path), "read", path)) {
        status = 2;
        return;
      }
      while ((entry = directory_next(d)) != NULL) list_add(&names, duplicate(entry->d_name));
      list_sort(&names);
      for (u64 i = 0; i < names.count; i++) grep_tree(path_join(path, names.items[i]), 1, 0);
      return;
    }
    /* Devices may never end. */
    if (!top && (s.st_mode & S_IFMT) != S_IFREG) return;
  }
  const i64 fd = sys_open(path, O_RDONLY, 0);
  if (HAS(set, 's') ? fd < 0 : failed(fd, "open", path)) {
    status = 2;
    return;
  }
  grep_file(path, (int)fd, named);
  sys_close((int)fd);
}

static void add_pattern(const char *text) {
  if (pattern_count == (int)COUNT(patterns)) bad("there are more than 32 patterns");
  if (HAS(set, 'F')) {
    struct text t = { 0 };
    text_add(&t, "", 0);
    for (; *text != '\0'; text++) {
      if (find_char("\\.[]*^$", *text) != NULL) text_char(&t, '\\');
      text_char(&t, *text);
    }
    text = t.bytes;
  }
  const char *p = text;
  patterns[pattern_count++] = compile(&p, 0);
  if (*p != '\0') bad("a ( is missing");
}

int grep_main(int argc, char **argv) {
  const char *const how = "[-EFHchilnoqrsvwx] [-e PATTERN]... [PATTERN] [FILE]...";
  const char *given[32];
  int given_count = 0, i = 1;
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    if (same(argv[i], "--")) {
      i++;
      break;
    }
    for (const char *c = argv[i] + 1; *c != '\0'; c++) {
      if (*c == 'e') {
        if (c[1] == '\0' && i + 1 >= argc) usage(how);
        if (given_count == 32) bad("there are more than 32 patterns");
        given[given_count++] = c[1] != '\0' ? c + 1 : argv[++i];
        break;
      }
      if (find_char("EFHchilnoqrsvwx", *c) == NULL) usage(how);
      set |= BIT(*c);
    }
  }
  if (given_count == 0) {
    if (i >= argc) usage(how);
    given[given_count++] = argv[i++];
  }
  extended = HAS(set, 'E');
  ignores_case = HAS(set, 'i');
  for (int k = 0; k < given_count; k++) add_pattern(given[k]);
  if (i == argc && !HAS(set, 'r')) grep_file("(standard input)", 0, HAS(set, 'H'));
  if (i == argc && HAS(set, 'r')) grep_tree(".", 1, 1);
  const int named = HAS(set, 'H') || (argc - i > 1 && !HAS(set, 'h'));
  for (; i < argc; i++) grep_tree(argv[i], named, 1);
  return status != 0 ? status : !found_any;
}
