/*
 * Words to fields: parameters, command substitution, arithmetic, splitting, globbing, quote removal.
 *
 * A word is first written out as characters with a flag each, so that later steps know what was quoted:
 *
 *   word     a"b c"$x        with x='1 2'
 *   chars    a b   c 1   2
 *   flags    . Q Q Q S S S   . literal, Q quoted, S from an unquoted expansion (may split), B a field ends here,
 *                            E an empty pair of quotes (no character)
 */
#include "sh.h"

struct expansion {
  struct text chars, flags;
};

static void emit(struct expansion *e, int c, int flag) {
  text_char(&e->chars, c);
  text_char(&e->flags, flag);
}

static void emit_text(struct expansion *e, const char *text, int flag) {
  for (; *text != '\0'; text++) emit(e, *text, flag);
}

static void expand_into(struct expansion *e, const char *word, int quoted, int here);

static char *finish(const struct expansion *e) {
  struct text t = { 0 };
  text_add(&t, "", 0);
  for (u64 i = 0; i < e->chars.length; i++) {
    if (e->flags.bytes[i] == 'B') text_char(&t, ' ');
    else if (e->flags.bytes[i] != 'E') text_char(&t, e->chars.bytes[i]);
  }
  return t.bytes;
}

/* As a pattern: what was quoted means itself. */
static char *finish_pattern(const struct expansion *e) {
  struct text t = { 0 };
  text_add(&t, "", 0);
  for (u64 i = 0; i < e->chars.length; i++) {
    const char c = e->chars.bytes[i];
    if (e->flags.bytes[i] == 'E' || e->flags.bytes[i] == 'B') continue;
    if (e->flags.bytes[i] == 'Q' && find_char("*?[]\\!-^", c) != NULL) text_char(&t, '\\');
    text_char(&t, c);
  }
  return t.bytes;
}

/* ---- arithmetic: C's operators on 64-bit numbers, by precedence climbing ---- */

struct sum {
  const char *at;
  const char *complaint;
};

static i64 sum_ternary(struct sum *s);

static void sum_space(struct sum *s) {
  while (is_space(*s->at)) s->at++;
}

static i64 sum_primary(struct sum *s) {
  sum_space(s);
  const char c = *s->at;
  if (c == '(') {
    s->at++;
    i64 value = sum_ternary(s);
    sum_space(s);
    if (*s->at == ')') s->at++;
    else s->complaint = "a ) is missing";
    return value;
  }
  if (c == '-') return s->at++, -sum_primary(s);
  if (c == '+') return s->at++, sum_primary(s);
  if (c == '!') return s->at++, !sum_primary(s);
  if (c == '~') return s->at++, ~sum_primary(s);
  if (is_digit(c)) return number_at(s->at, &s->at);
  if (is_alpha(c)) {
    const char *start = s->at;
    while (is_alpha(*s->at) || is_digit(*s->at)) s->at++;
    char *name = duplicate_bytes(start, (u64)(s->at - start));
    sum_space(s);
    const char *op = s->at;
    const int compound = *op != '\0' && find_char("+-*/%", *op) != NULL && op[1] == '=';
    const char *text = variable(name), *end;
    i64 value = 0;
    if (text != NULL) value = *text == '-' ? -number_at(text + 1, &end) : number_at(text, &end);
    if (compound || (*op == '=' && op[1] != '=')) {
      s->at += 1 + compound;
      i64 right = sum_ternary(s);
      if (compound && (*op == '/' || *op == '%') && right == 0) {
        s->complaint = "division by zero";
        return 0;
      }
      value = !compound ? right : *op == '+' ? value + right : *op == '-' ? value - right : *op == '*' ? value * right
            : *op == '/' ? value / right : value % right;
      set_variable(name, print("%d", value), 0);
    }
    return value;
  }
  s->complaint = "a number is missing";
  return 0;
}

static i64 sum_binary(struct sum *s, int lowest) {
  static const struct {
    const char *text;
    int precedence;
  } operators[] = { { "||", 1 }, { "&&", 2 }, { "==", 6 }, { "!=", 6 }, { "<<", 8 }, { ">>", 8 }, { "<=", 7 },
                    { ">=", 7 }, { "|", 3 },  { "^", 4 },  { "&", 5 },  { "<", 7 },  { ">", 7 },  { "+", 9 },
                    { "-", 9 },  { "*", 10 }, { "/", 10 }, { "%", 10 } };
  i64 left = sum_primary(s);
  while (s->complaint == NULL) {
    u64 i = 0;
    sum_space(s);
    while (i < COUNT(operators) && !starts_with(s->at, operators[i].text)) i++;
    if (i == COUNT(operators) || operators[i].precedence < lowest) break;
    s->at += length_of(operators[i].text);
    const i64 right = sum_binary(s, operators[i].precedence + 1);
    if (i >= 16 && right == 0) {
      s->complaint = "division by zero";
      break;
    }
    switch (i) {
      case 0: left = left || right; break;
      case 1: left = left && right; break;
      case 2: left = left == right; break;
      case 3: left = left != right; break;
      case 4: left = (i64)((u64)left << (right & 63)); break;
      case 5: left = left >> (right & 63); break;
      case 6: left = left <= right; break;
      case 7: left = left >= right; break;
      case 8: left |= right; break;
      case 9: left ^= right; break;
      case 10: left &= right; break;
      case 11: left = left < right; break;
      case 12: left = left > right; break;
      case 13: left = (i64)((u64)left + (u64)right); break;
      case 14: left = (i64)((u64)left - (u64)right); break;
      case 15: left = (i64)((u64)left * (u64)right); break;
      case 16: left = right == -1 ? -left : left / right; break;
      default: left = right == -1 ? 0 : left % right; break;
    }
  }
  return left;
}

static i64 sum_ternary(struct sum *s) {
  i64 value = sum_binary(s, 1);
  sum_space(s);
  if (*s->at != '?') return value;
  s->at++;
  const i64 yes = sum_ternary(s);
  sum_space(s);
  if (*s->at == ':') s->at++;
  else s->complaint = "a : is missing";
  const i64 no = sum_ternary(s);
  return value ? yes : no;
}

int arithmetic(const char *expression, i64 *value) {
  struct sum s = { expression, NULL };
  *value = sum_ternary(&s);
  sum_space(&s);
  if (s.complaint == NULL && *s.at != '\0') s.complaint = "an operator is missing";
  if (s.complaint == NULL) return 1;
  complain("%s: %s in the arithmetic `%s'", program, s.complaint, expression);
  return 0;
}

/* ---- command substitution ---- */

int substituted;

static char *output_of(const char *command) {
  int ends[2];
  struct text t = { 0 };
  u64 length;
  i64 error;
  flush();
  if (failed(sys_pipe(ends), "make", "a pipe")) return "";
  i64 pid = fork_into(NULL, 0);
  if (pid == 0) {
    sys_close(ends[0]);
    sys_dup2(ends[1], 1);
    if (ends[1] != 1) sys_close(ends[1]);
    unwinding = U_NONE;
    leave(run_text(command));
  }
  sys_close(ends[1]);
  if (pid > 0) {
    char *bytes = read_all(ends[0], &length, &error);
    int status = 0;
    while (sys_wait4(pid, &status, 0, NULL) == -EINTR) continue;
    last_status = status_of(status);
    substituted = 1;
    while (length > 0 && bytes[length - 1] == '\n') length--;
    for (u64 i = 0; i < length; i++)
      if (bytes[i] != '\0') text_char(&t, bytes[i]);
  }
  sys_close(ends[0]);
  text_add(&t, "", 0);
  return t.bytes;
}

/* Inside `...`, a backslash quotes only $, ` and \. */
static char *unquote_backticks(const char *text, u64 length) {
  struct text t = { 0 };
  text_add(&t, "", 0);
  for (u64 i = 0; i < length; i++) {
    if (text[i] == '\\' && i + 1 < length && find_char("$`\\", text[i + 1]) != NULL) i++;
    text_char(&t, text[i]);
  }
  return t.bytes;
}

/* ---- parameters ---- */

/* The value of a parameter other than $@ and $*; NULL when it is not set. */
static char *parameter_value(const char *name) {
  i64 number;
  if (name[1] == '\0') {
    switch (name[0]) {
      case '?': return print("%d", (i64)last_status);
      case '$': return print("%d", shell_pid);
      case '#': return print("%d", (i64)parameters.count);
      case '!': return last_background > 0 ? print("%d", last_background) : "";
      case '-': return print("%s%s%s", interactive ? "i" : "", exit_on_error ? "e" : "", trace_commands ? "x" : "");
    }
  }
  if (parse_number(name, &number)) {
    if (number == 0) return shell_name;
    return number <= parameters.count ? parameters.items[number - 1] : NULL;
  }
  return variable(name);
}

static void emit_all_parameters(struct expansion *e, int which, int quoted) {
  for (int i = 0; i < parameters.count; i++) {
    if (i > 0) emit(e, ' ', which == '@' || !quoted ? 'B' : 'Q');
    if (quoted && parameters.items[i][0] == '\0') emit(e, 0, 'E');
    emit_text(e, parameters.items[i], quoted ? 'Q' : 'S');
  }
}

/* What # ## % and %% leave of a value. */
static char *trimmed(const char *value, const char *pattern, int suffix, int longest) {
  const u64 length = length_of(value);
  for (u64 i = 0; i <= length; i++) {
    const u64 n = longest ? length - i : i; /* how much to take away */
    char *piece = suffix ? duplicate(value + length - n) : duplicate_bytes(value, n);
    if (matches_pattern(pattern, piece)) return suffix ? duplicate_bytes(value, length - n) : duplicate(value + n);
  }
  return duplicate(value);
}

/* ${...}: text is what the braces hold. */
static void expand_braces(struct expansion *e, char *text, int quoted) {
  const int want_length = text[0] == '#' && text[1] != '\0';
  if (want_length) text++;
  char *end = text;
  if (is_alpha(*end)) while (is_alpha(*end) || is_digit(*end)) end++;
  else if (is_digit(*end)) while (is_digit(*end)) end++;
  else if (*end != '\0') end++;
  char *name = duplicate_bytes(text, (u64)(end - text));
  const int all = same(name, "@") || same(name, "*");
  char *value = all ? (parameters.count > 0 ? "x" : NULL) : parameter_value(name);
  const int flag = quoted ? 'Q' : 'S';
  if (want_length) {
    emit_text(e, print("%u", all ? (u64)parameters.count : value == NULL ? 0 : length_of(value)), flag);
    return;
  }
  const int colon = *end == ':';
  if (colon) end++;
  const int missing = value == NULL || (colon && *value == '\0');
  char *rest = *end == '\0' ? end : end + 1;
  switch (*end) {
    case '\0': break;
    case '-':
      if (missing) {
        expand_into(e, rest, quoted, 0);
        return;
      }
      break;
    case '+':
      if (!missing) expand_into(e, rest, quoted, 0);
      return;
    case '=':
      if (missing) {
        value = expand_single(rest);
        set_variable(name, value, 0);
      }
      break;
    case '?':
      if (missing) {
        complain("%s: %s: %s", program, name, *rest != '\0' ? expand_single(rest) : "it is not set");
        last_status = 1;
        unwinding = interactive ? U_INTERRUPT : U_EXIT;
        return;
      }
      break;
    case '#': case '%': {
      const int suffix = *end == '%', longest = rest[0] == *end;
      if (value != NULL) value = trimmed(value, expand_pattern(rest + longest), suffix, longest);
      break;
    }
    default:
      complain("%s: ${%s} is no parameter expansion", program, text);
      last_status = 2;
      unwinding = interactive ? U_INTERRUPT : U_EXIT;
      return;
  }
  if (all) emit_all_parameters(e, name[0], quoted);
  else if (value != NULL) emit_text(e, value, flag);
}

/* The expansion that starts at word[at], which is $ or `. Gives the index after it. */
static u64 expand_dollar(struct expansion *e, const char *word, u64 at, int quoted) {
  const int flag = quoted ? 'Q' : 'S';
  if (word[at] == '`') {
    const u64 end = skip_substitution(word, at);
    if (end == 0) return emit(e, '`', flag), at + 1;
    emit_text(e, output_of(unquote_backticks(word + at + 1, end - at - 2)), flag);
    return end;
  }
  const char c = word[at + 1];
  if (c == '(' || c == '{') {
    const u64 end = skip_substitution(word, at);
    if (end == 0) return emit(e, '$', flag), at + 1;
    if (c == '{') expand_braces(e, duplicate_bytes(word + at + 2, end - at - 3), quoted);
    else if (word[at + 2] == '(' && word[end - 2] == ')') {
      struct expansion inner = { 0 };
      i64 value;
      expand_into(&inner, duplicate_bytes(word + at + 3, end - at - 5), 1, 1);
      if (arithmetic(finish(&inner), &value)) emit_text(e, print("%d", value), flag);
      else {
        last_status = 2;
        unwinding = interactive ? U_INTERRUPT : U_EXIT;
      }
    } else emit_text(e, output_of(duplicate_bytes(word + at + 2, end - at - 3)), flag);
    return end;
  }
  u64 end = at + 1;
  if (is_alpha(c)) while (is_alpha(word[end]) || is_digit(word[end])) end++;
  else if (is_digit(c) || (c != '\0' && find_char("?$#!@*-", c) != NULL)) end++;
  else return emit(e, '$', quoted ? 'Q' : '.'), at + 1;
  if (c == '@' || c == '*') {
    emit_all_parameters(e, c, quoted);
    return end;
  }
  const char *value = parameter_value(duplicate_bytes(word + at + 1, end - at - 1));
  if (value != NULL) emit_text(e, value, flag);
  return end;
}

/* `quoted`: inside double quotes. `here`: in a here-document, where double quotes mean themselves. */
static void expand_into(struct expansion *e, const char *word, int quoted, int here) {
  u64 at = 0;
  while (word[at] != '\0' && unwinding == U_NONE) {
    const char c = word[at];
    if (c == '\\') {
      const char d = word[at + 1];
      if (d == '\n') at += 2;
      else if (quoted && (d == '\0' || find_char(here ? "$`\\" : "$`\"\\}", d) == NULL)) emit(e, c, 'Q'), at++;
      else if (d == '\0') emit(e, c, 'Q'), at++;
      else emit(e, d, 'Q'), at += 2;
    } else if (c == '\'' && !quoted) {
      if (word[at + 1] == '\'') emit(e, 0, 'E');
      for (at++; word[at] != '\'' && word[at] != '\0'; at++) emit(e, word[at], 'Q');
      if (word[at] != '\0') at++;
    } else if (c == '"' && !here) {
      if (!quoted && (word[at + 1] == '"' || word[at + 1] == '`' || (word[at + 1] == '$' && word[at + 2] != '@'))) emit(e, 0, 'E');
      quoted = !quoted;
      at++;
    } else if (c == '$' || c == '`') at = expand_dollar(e, word, at, quoted);
    else emit(e, c, quoted ? 'Q' : '.'), at++;
  }
}

/* ---- globbing ---- */

/* Adds to `found` what matches the pattern from `at` on, below `prefix`. */
static void glob(const char *prefix, const char *pattern, struct list *found) {
  while (*pattern == '/') prefix = join2(prefix, "/"), pattern++;
  const char *slash = find_char(pattern, '/');
  char *part = slash == NULL ? duplicate(pattern) : duplicate_bytes(pattern, (u64)(slash - pattern));
  struct stat s;
  if (find_char(part, '*') == NULL && find_char(part, '?') == NULL && find_char(part, '[') == NULL) {
    struct text name = { 0 };
    text_put(&name, prefix);
    for (char *c = part; *c != '\0'; c++) text_char(&name, *c == '\\' && c[1] != '\0' ? *++c : *c);
    if (slash != NULL) glob(name.bytes, slash, found);
    else if (sys_lstat(name.bytes, &s) == 0) list_add(found, name.bytes);
    return;
  }
  struct directory *d = alloc(sizeof *d);
  struct list names = { 0 };
  struct dirent *entry;
  if (directory_open(d, *prefix == '\0' ? "." : prefix) < 0) return;
  while ((entry = directory_next(d)) != NULL)
    if ((entry->d_name[0] != '.' || part[0] == '.') && matches_pattern(part, entry->d_name))
      list_add(&names, duplicate(entry->d_name));
  list_sort(&names);
  for (u64 i = 0; i < names.count; i++) {
    char *path = join2(prefix, names.items[i]);
    if (slash == NULL) list_add(found, path);
    else if (sys_stat(path, &s) == 0 && (s.st_mode & S_IFMT) == S_IFDIR) glob(path, slash, found);
  }
}

static void add_field(const struct expansion *e, struct list *fields) {
  struct list found = { 0 };
  int magic = 0;
  for (u64 i = 0; i < e->chars.length; i++)
    if (e->flags.bytes[i] != 'Q' && e->flags.bytes[i] != 'E' && find_char("*?[", e->chars.bytes[i]) != NULL) magic = 1;
  if (magic && !no_glob) glob("", finish_pattern(e), &found);
  for (u64 i = 0; i < found.count; i++) list_add(fields, found.items[i]);
  if (found.count == 0) list_add(fields, finish(e));
}

void expand_word(const char *word, struct list *fields) {
  struct expansion all = { 0 }, field = { 0 };
  const char *ifs = variable("IFS");
  int open = 0; /* the field at hand exists, be it empty */
  if (ifs == NULL) ifs = " \t\n";
  expand_into(&all, word, 0, 0);
  for (u64 i = 0; i < all.chars.length; i++) {
    const int flag = all.flags.bytes[i], c = all.chars.bytes[i];
    if (flag == 'B' || (flag == 'S' && find_char(ifs, c) != NULL)) {
      if (open || (flag == 'S' && !is_space(c))) add_field(&field, fields);
      field = (struct expansion){ 0 };
      open = 0;
    } else {
      open = 1;
      emit(&field, c, flag);
    }
  }
  if (open) add_field(&field, fields);
}

char *expand_single(const char *word) {
  struct expansion e = { 0 };
  expand_into(&e, word, 0, 0);
  return finish(&e);
}

char *expand_pattern(const char *word) {
  struct expansion e = { 0 };
  expand_into(&e, word, 0, 0);
  return finish_pattern(&e);
}

char *expand_here(const char *text) {
  struct expansion e = { 0 };
  expand_into(&e, text, 1, 1);
  return finish(&e);
}
