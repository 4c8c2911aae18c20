/*
 * The line editor: emacs keys, history, search, completion, on any terminal that knows the ECMA-48 cursor movements. The
 * terminal is raw only while a line is edited, so a program always starts with the modes that stty shows.
 *
 * A line longer than the screen is wide goes over several rows. `row` is the row of the cursor, counted from the prompt's;
 * a row that is exactly full is followed by an empty one, as terminals differ in where the cursor then stands.
 */
#include "sh.h"

enum { LINE_MAX = 4000, HISTORY = 256 };

static char line[LINE_MAX + 1], cut[LINE_MAX + 1];
static u64 length, position, row, prompt_columns, columns;
static const char *shown_prompt;

int echo_from_now_on;

static char *history[HISTORY];
static u64 history_count;
u64 history_first = 1;

const char *history_line(u64 index) { return index < history_count ? history[index] : NULL; }

void add_history(const char *text) {
  const char *c = text;
  while (is_space(*c)) c++;
  if (*c == '\0' || (history_count > 0 && same(history[history_count - 1], text))) return;
  if (history_count == HISTORY) {
    discard(history[0]);
    memmove(history, history + 1, (HISTORY - 1) * sizeof history[0]);
    history_count--;
    history_first++;
  }
  history[history_count++] = keep(text);
}

/* ---- drawing ---- */

static int inside_character(u64 at) { return ((u8)line[at] & 0xc0) == 0x80; }

/* Columns of UTF-8 text; wide characters are not known. */
static u64 width_of(const char *text, u64 size) {
  u64 n = 0;
  for (u64 i = 0; i < size; i++) n += ((u8)text[i] & 0xc0) != 0x80;
  return n;
}

static void draw(void) {
  if (row > 0) say("\033[%uA", row);
  put("\r");
  put(shown_prompt);
  put_bytes(line, length);
  const u64 end = prompt_columns + width_of(line, length), cursor = prompt_columns + width_of(line, position);
  if (end % columns == 0 && end > 0) put("\r\n");
  put("\033[J");
  if (end / columns > cursor / columns) say("\033[%uA", end / columns - cursor / columns);
  if (cursor != end) {
    put("\r");
    if (cursor % columns > 0) say("\033[%uC", cursor % columns);
  }
  row = cursor / columns;
  flush();
}

static void insert(const char *bytes, u64 size) {
  if (length + size > LINE_MAX) {
    put("\a");
    flush();
    return;
  }
  memmove(line + position + size, line + position, length - position);
  memcpy(line + position, bytes, size);
  position += size;
  length += size;
  line[length] = '\0';
  if (position < length) {
    draw();
    return;
  }
  /* At the end nothing needs to be drawn anew. */
  put_bytes(bytes, size);
  const u64 end = prompt_columns + width_of(line, length);
  if (end % columns == 0) put("\r\n");
  row = end / columns;
  flush();
}

static void erase(u64 from, u64 to) {
  memmove(line + from, line + to, length - to + 1);
  length -= to - from;
  position = from;
}

static void cut_range(u64 from, u64 to) {
  if (to > from) memcpy(cut, line + from, to - from), cut[to - from] = '\0';
  erase(from, to);
  draw();
}

static void replace(const char *text) {
  length = length_of(text);
  if (length > LINE_MAX) length = LINE_MAX;
  memcpy(line, text, length);
  line[length] = '\0';
  position = length;
}

static u64 before_word(void) {
  u64 at = position;
  while (at > 0 && is_space(line[at - 1])) at--;
  while (at > 0 && !is_space(line[at - 1])) at--;
  return at;
}

static u64 after_word(void) {
  u64 at = position;
  while (at < length && is_space(line[at])) at++;
  while (at < length && !is_space(line[at])) at++;
  return at;
}

static int key(void) {
  u8 c;
  for (;;) {
    const i64 n = sys_read(0, &c, 1);
    if (n == 1) return c;
    if (n != -EINTR) return -1;
  }
}

/* ---- completion ---- */

static void add_names(struct list *found, const char *directory, const char *start, int programs) {
  struct directory *d = alloc(sizeof *d);
  struct dirent *entry;
  struct stat s;
  if (directory_open(d, *directory == '\0' ? "." : directory) < 0) return;
  while ((entry = directory_next(d)) != NULL) {
    if (!starts_with(entry->d_name, start) || (entry->d_name[0] == '.' && start[0] != '.')) continue;
    char *name = duplicate(entry->d_name);
    if (!programs && sys_stat(path_join(*directory == '\0' ? "." : directory, name), &s) == 0 &&
        (s.st_mode & S_IFMT) == S_IFDIR)
      name = join2(name, "/");
    list_add(found, name);
  }
}

static void complete(int again) {
  void *before = mark();
  struct list found = { 0 };
  u64 start = position, common;
  while (start > 0 && (find_char(" \t;|&<>()=`", line[start - 1]) == NULL || (start > 1 && line[start - 2] == '\\'))) start--;
  u64 previous = start;
  while (previous > 0 && (line[previous - 1] == ' ' || line[previous - 1] == '\t')) previous--;
  struct text word = { 0 };
  text_add(&word, "", 0);
  for (u64 i = start; i < position; i++)
    if (line[i] != '\\' || i + 1 == position) text_char(&word, line[i]);
  const char *slash = find_last(word.bytes, '/'), *part = slash != NULL ? slash + 1 : word.bytes;
  char *directory = slash != NULL ? duplicate_bytes(word.bytes, (u64)(slash - word.bytes) + 1) : "";
  const int is_command = slash == NULL && (previous == 0 || find_char(";|&(`", line[previous - 1]) != NULL);
  if (is_command) {
    const char *path = variable("PATH");
    for (u64 i = 0; builtin_name(i) != NULL; i++)
      if (starts_with(builtin_name(i), part)) list_add(&found, duplicate(builtin_name(i)));
    for (struct function *f = functions; f != NULL; f = f->next)
      if (f->text != NULL && starts_with(f->name, part)) list_add(&found, duplicate(f->name));
    while (path != NULL && *path != '\0') {
      const char *colon = find_char(path, ':');
      const u64 size = colon != NULL ? (u64)(colon - path) : length_of(path);
      add_names(&found, duplicate_bytes(path, size), part, 1);
      path += size + (colon != NULL);
    }
  } else add_names(&found, directory, part, 0);
  if (found.count == 0) {
    put("\a");
    flush();
    release(before);
    return;
  }
  list_sort(&found);
  u64 kept = 1;
  for (u64 i = 1; i < found.count; i++)
    if (!same(found.items[i], found.items[kept - 1])) found.items[kept++] = found.items[i];
  found.count = kept;
  common = length_of(found.items[0]);
  for (u64 i = 1; i < found.count; i++)
    for (u64 k = 0; k < common; k++)
      if (found.items[i][k] != found.items[0][k]) common = k;
  const u64 typed = length_of(part);
  if (common > typed || found.count == 1) {
    struct text added = { 0 };
    text_add(&added, "", 0);
    for (u64 i = typed; i < common; i++) {
      if (find_char(" \t\\'\"$`&|;<>()*?[#~", found.items[0][i]) != NULL) text_char(&added, '\\');
      text_char(&added, found.items[0][i]);
    }
    if (found.count == 1 && (common == 0 || found.items[0][common - 1] != '/')) text_char(&added, ' ');
    insert(added.bytes, added.length);
  } else if (again) {
    u64 widest = 0;
    for (u64 i = 0; i < found.count; i++)
      if (length_of(found.items[i]) > widest) widest = length_of(found.items[i]);
    const u64 per_row = columns / (widest + 2) > 0 ? columns / (widest + 2) : 1;
    const u64 old = position;
    position = length;
    draw();
    for (u64 i = 0; i < found.count; i++)
      say(i % per_row == 0 ? "\n%-*s" : "%-*s", (int)(i % per_row == per_row - 1 ? 0 : widest + 2), found.items[i]);
    put("\n");
    position = old;
    row = 0;
    draw();
  } else {
    put("\a");
    flush();
  }
  release(before);
}

/* ---- ctrl-R ---- */

/* Gives the key that ended the search, to be obeyed as usual. */
static int search(void) {
  static char wanted[80];
  u64 size = 0, at = history_count;
  const char *usual = shown_prompt;
  const u64 usual_columns = prompt_columns;
  int c;
  for (;;) {
    void *before = mark();
    wanted[size] = '\0';
    shown_prompt = print("(search `%s') ", wanted);
    prompt_columns = width_of(shown_prompt, length_of(shown_prompt));
    draw();
    c = key();
    release(before);
    u64 from = at;
    if (c == 18) { /* further back */
    } else if ((c == 8 || c == 127) && size > 0) size--, from = history_count;
    else if (c >= ' ' && c != 127 && size < sizeof wanted - 1) wanted[size++] = (char)c, from = at < history_count ? at + 1 : at;
    else break;
    wanted[size] = '\0';
    for (u64 i = from; i-- > 0;) {
      const char *text = history[i];
      while (*text != '\0' && !starts_with(text, wanted)) text++;
      if (*text == '\0') continue;
      at = i;
      replace(history[i]);
      break;
    }
  }
  /* The prompt may have been over several rows: start anew on the first. */
  if (row > 0) say("\033[%uA", row);
  row = 0;
  shown_prompt = usual;
  prompt_columns = usual_columns;
  draw();
  return c;
}

/* ---- keys ---- */

/* The key that an escape sequence means, as the control key that does the same; 0 for none. */
static int escape(void) {
  i64 number = 0;
  int c = key();
  if (c == 'b' || c == 'f' || c == 'd') return 0x100 + c;
  if (c != '[' && c != 'O') return 0;
  i64 modifier = 0;
  for (c = key(); is_digit(c) || c == ';'; c = key()) {
    if (c == ';') modifier = number, number = 0;
    else number = number * 10 + (c - '0');
  }
  (void)modifier;
  switch (c) {
    case 'A': return 'P' - 64;
    case 'B': return 'N' - 64;
    case 'C': return number == 5 ? 0x100 + 'f' : 'F' - 64;
    case 'D': return number == 5 ? 0x100 + 'b' : 'B' - 64;
    case 'H': return 'A' - 64;
    case 'F': return 'E' - 64;
    case '~': return number == 1 || number == 7 ? 'A' - 64 : number == 4 || number == 8 ? 'E' - 64 : number == 3 ? 0x200 : 0;
    default: return 0;
  }
}

/* Gives 1 for a whole line, 0 for ctrl-C, -1 for the end of input. */
static int edit(void) {
  u64 shown = history_count; /* the line of the history at hand; history_count is the new one */
  char *draft = NULL;
  int last = 0, c = 0;
  for (;; last = c) {
    u64 at;
    c = key();
    if (c == 18) c = search();
    if (c == 27) c = escape();
    switch (c) {
      case -1: return -1;
      case 0: break;
      case '\r': case '\n':
        if (position < length) position = length, draw();
        put("\n");
        flush();
        if (draft != NULL) discard(draft);
        return 1;
      case 'C' - 64:
        if (position < length) position = length, draw();
        put("^C\n");
        flush();
        if (draft != NULL) discard(draft);
        return 0;
      case 'D' - 64:
        if (length == 0) return -1;
        /* fall through */
      case 0x200: /* delete */
        for (at = position + (position < length); at < length && inside_character(at); at++) continue;
        erase(position, at);
        draw();
        break;
      case 'A' - 64: position = 0, draw(); break;
      case 'E' - 64: position = length, draw(); break;
      case 'B' - 64:
        if (position > 0)
          for (position--; position > 0 && inside_character(position);) position--;
        draw();
        break;
      case 'F' - 64:
        if (position < length)
          for (position++; position < length && inside_character(position);) position++;
        draw();
        break;
      case 8: case 127:
        if (position == 0) break;
        for (at = position - 1; at > 0 && inside_character(at);) at--;
        if (position == length && (prompt_columns + width_of(line, length)) % columns != 0 && !inside_character(length - 1)) {
          erase(at, position);
          put("\b \b");
          flush();
        } else {
          erase(at, position);
          draw();
        }
        break;
      case 'K' - 64:
        at = position;
        cut_range(at, length);
        break;
      case 'U' - 64: cut_range(0, position); break;
      case 'W' - 64: cut_range(before_word(), position); break;
      case 'Y' - 64: insert(cut, length_of(cut)); break;
      case 0x100 + 'b': position = before_word(), draw(); break;
      case 0x100 + 'f': position = after_word(), draw(); break;
      case 0x100 + 'd': cut_range(position, after_word()); break;
      case 'L' - 64:
        put("\033[H\033[J");
        row = 0;
        draw();
        break;
      case 'P' - 64: case 'N' - 64:
        if (c == 'P' - 64 ? shown == 0 : shown == history_count) break;
        if (shown == history_count) {
          if (draft != NULL) discard(draft);
          draft = keep(line);
        }
        shown += c == 'P' - 64 ? -1ull : 1ull;
        replace(shown == history_count ? draft : history[shown]);
        draw();
        break;
      case '\t': complete(last == '\t'); break;
      default:
        if (c >= ' ' && c < 0x100) insert(&(char){ (char)c }, 1);
    }
  }
}

char *edit_line(const char *prompt, int *cancelled) {
  struct termios usual, raw;
  struct winsize size = { 0 };
  const int has_modes = sys_ioctl(0, TIOCGETA, &usual) == 0;
  if (has_modes) {
    /* init leaves echo off, so that what was typed ahead is seen once: here. */
    if (echo_from_now_on) usual.c_lflag |= ECHO;
    echo_from_now_on = 0;
    raw = usual;
    raw.c_iflag &= ~(u32)(ICRNL | INLCR | IGNCR | ISTRIP | IXON);
    raw.c_oflag |= OPOST | ONLCR;
    raw.c_lflag &= ~(u32)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    sys_ioctl(0, TIOCSETAW, &raw);
  }
  sys_ioctl(0, TIOCGWINSZ, &size);
  columns = size.ws_col >= 8 ? size.ws_col : 80;
  shown_prompt = prompt;
  prompt_columns = width_of(prompt, length_of(prompt));
  length = position = row = 0;
  line[0] = '\0';
  put(prompt);
  flush();
  const int result = edit();
  if (has_modes) sys_ioctl(0, TIOCSETAW, &usual);
  *cancelled = result == 0;
  return result < 0 ? NULL : duplicate(line);
}
