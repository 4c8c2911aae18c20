/*
 * The shell's grammar, by recursive descent. Words keep their quotes: they are expanded each time they are used. On a
 * failure every function returns NULL and `error` is set; when the text ended too early, `incomplete` is set as well.
 */
#include "sh.h"

enum token { T_END, T_NEWLINE, T_WORD, T_REDIRECT, T_AND, T_OR, T_SEMI, T_DSEMI, T_AMP, T_PIPE, T_OPEN, T_CLOSE };

struct parser {
  const char *text;
  u64 at;
  enum token token;
  u64 token_start;
  u64 previous_end;
  char *word;
  struct redirect *redirect; /* of T_REDIRECT, without its target */
  struct redirect *here[8];  /* here-documents whose text starts on the next line */
  int here_count;
  int incomplete;
  char *error;
};

static struct node *parse_list(struct parser *p, const char *const *ends);
static struct node *parse_command(struct parser *p);

static void *refuse(struct parser *p, char *sentence) {
  if (p->error == NULL) p->error = sentence;
  return NULL;
}

static void *too_short(struct parser *p) {
  p->incomplete = 1;
  return refuse(p, "the text ends too early");
}

int is_name(const char *text, u64 length) {
  if (length == 0 || !is_alpha(text[0])) return 0;
  for (u64 i = 1; i < length; i++)
    if (!is_alpha(text[i]) && !is_digit(text[i])) return 0;
  return 1;
}

u64 skip_substitution(const char *text, u64 at) {
  if (text[at] == '`') {
    for (at++; text[at] != '`'; at++) {
      if (text[at] == '\\' && text[at + 1] != '\0') at++;
      if (text[at] == '\0') return 0;
    }
    return at + 1;
  }
  const char open = text[at + 1], close = open == '(' ? ')' : '}';
  int depth = 0;
  for (at++; text[at] != '\0'; at++) {
    const char c = text[at];
    if (c == '\\' && text[at + 1] != '\0') at++;
    else if (c == '\'') {
      for (at++; text[at] != '\''; at++)
        if (text[at] == '\0') return 0;
    } else if (c == '"') {
      for (at++; text[at] != '"'; at++) {
        if (text[at] == '\\' && text[at + 1] != '\0') at++;
        else if (text[at] == '`' || (text[at] == '$' && (text[at + 1] == '(' || text[at + 1] == '{'))) {
          const u64 next = skip_substitution(text, at);
          if (next == 0) return 0;
          at = next - 1;
        }
        if (text[at] == '\0') return 0;
      }
    } else if (c == '`') {
      const u64 next = skip_substitution(text, at);
      if (next == 0) return 0;
      at = next - 1;
    } else if (c == open) depth++;
    else if (c == close && --depth == 0) return at + 1;
  }
  return 0;
}

/* The index after the word that starts at `at`; 0 if a quote has no end. */
static u64 skip_word(const char *text, u64 at) {
  for (;; at++) {
    const char c = text[at];
    if (c == '\0' || c == ' ' || c == '\t' || c == '\n' || find_char(";&|<>()", c) != NULL) return at;
    if (c == '\\') {
      if (text[++at] == '\0') return 0;
    } else if (c == '\'') {
      for (at++; text[at] != '\''; at++)
        if (text[at] == '\0') return 0;
    } else if (c == '"') {
      for (at++; text[at] != '"'; at++) {
        if (text[at] == '\\' && text[at + 1] != '\0') at++;
        else if (text[at] == '`' || (text[at] == '$' && (text[at + 1] == '(' || text[at + 1] == '{'))) {
          const u64 next = skip_substitution(text, at);
          if (next == 0) return 0;
          at = next - 1;
        }
        if (text[at] == '\0') return 0;
      }
    } else if (c == '`' || (c == '$' && (text[at + 1] == '(' || text[at + 1] == '{'))) {
      const u64 next = skip_substitution(text, at);
      if (next == 0) return 0;
      at = next - 1;
    }
  }
}

/* After a newline: the texts of the here-documents that the line before asked for. */
static void read_here_documents(struct parser *p) {
  for (int i = 0; i < p->here_count; i++) {
    struct redirect *r = p->here[i];
    struct text body = { 0 }, delimiter = { 0 };
    const int strip = r->fd >= 1000;
    if (strip) r->fd -= 1000;
    text_add(&body, "", 0);
    text_add(&delimiter, "", 0);
    for (const char *c = r->target; *c != '\0'; c++) {
      if (*c == '\'' || *c == '"' || *c == '\\') r->literal = 1;
      else text_char(&delimiter, *c);
    }
    for (;;) {
      if (p->text[p->at] == '\0') {
        too_short(p);
        return;
      }
      if (strip)
        while (p->text[p->at] == '\t') p->at++;
      u64 end = p->at;
      while (p->text[end] != '\0' && p->text[end] != '\n') end++;
      const int found = end - p->at == delimiter.length && memcmp(p->text + p->at, delimiter.bytes, end - p->at) == 0;
      if (!found) text_add(&body, p->text + p->at, end - p->at), text_char(&body, '\n');
      p->at = end + (p->text[end] == '\n');
      if (found) break;
    }
    r->target = body.bytes;
  }
  p->here_count = 0;
}

static void next(struct parser *p) {
  static const struct {
    const char *text;
    enum token token;
  } operators[] = { { "&&", T_AND }, { "||", T_OR },  { ";;", T_DSEMI }, { ";", T_SEMI }, { "&", T_AMP },
                    { "|", T_PIPE }, { "(", T_OPEN }, { ")", T_CLOSE } };
  const char *text = p->text;
  p->previous_end = p->at;
  for (;;) {
    if (text[p->at] == ' ' || text[p->at] == '\t' || text[p->at] == '\r') p->at++;
    else if (text[p->at] == '\\' && text[p->at + 1] == '\n') {
      p->at += 2;
      if (text[p->at] == '\0') too_short(p);
    } else if (text[p->at] == '#')
      while (text[p->at] != '\0' && text[p->at] != '\n') p->at++;
    else break;
  }
  p->token_start = p->at;
  if (text[p->at] == '\0') {
    p->token = T_END;
    if (p->here_count > 0) too_short(p);
    return;
  }
  if (text[p->at] == '\n') {
    p->at++;
    p->token = T_NEWLINE;
    if (p->here_count > 0) read_here_documents(p);
    return;
  }
  u64 digits = p->at;
  while (is_digit(text[digits])) digits++;
  if ((text[digits] == '<' || text[digits] == '>') && digits - p->at <= 2) {
    const char *c = text + digits;
    struct redirect *r = alloc(sizeof *r);
    i64 fd = *c == '<' ? 0 : 1;
    if (digits > p->at) parse_number(duplicate_bytes(text + p->at, digits - p->at), &fd);
    r->fd = (int)fd;
    r->kind = *c == '<' ? R_IN : R_OUT;
    c++;
    if (c[-1] == '<' && *c == '<') {
      r->kind = R_HERE;
      if (*++c == '-') c++, r->fd += 1000; /* remembered until the text is read */
    } else if (c[-1] == '<' && *c == '>') r->kind = R_READ_WRITE, c++;
    else if (*c == '>') r->kind = R_APPEND, c++;
    else if (*c == '&') r->kind = R_DUP, c++;
    else if (*c == '|') c++;
    p->token = T_REDIRECT;
    p->redirect = r;
    p->at = (u64)(c - text);
    return;
  }
  for (u64 i = 0; i < COUNT(operators); i++) {
    if (!starts_with(text + p->at, operators[i].text)) continue;
    p->at += length_of(operators[i].text);
    p->token = operators[i].token;
    return;
  }
  const u64 end = skip_word(text, p->at);
  p->token = T_WORD;
  if (end == 0) {
    p->word = "";
    p->at += length_of(text + p->at);
    too_short(p);
    return;
  }
  p->word = duplicate_bytes(text + p->at, end - p->at);
  p->at = end;
}

static struct node *new_node(enum node_kind kind, struct node *left, struct node *right) {
  struct node *n = alloc(sizeof *n);
  n->kind = kind;
  n->left = left;
  n->right = right;
  return n;
}

static int at_word(const struct parser *p, const char *word) { return p->token == T_WORD && same(p->word, word); }

static int at_any(const struct parser *p, const char *const *words) {
  for (; *words != NULL; words++)
    if (at_word(p, *words) || (p->token == T_CLOSE && same(*words, ")")) || (p->token == T_DSEMI && same(*words, ";;")))
      return 1;
  return 0;
}

static void *unexpected(struct parser *p) {
  if (p->error != NULL) return NULL;
  if (p->token == T_END) return too_short(p);
  if (p->token == T_NEWLINE) return refuse(p, "a newline is not expected here");
  return refuse(p, print("`%s' is not expected here", duplicate_bytes(p->text + p->token_start, p->at - p->token_start)));
}

static int expect(struct parser *p, const char *word) {
  if (p->error == NULL && (at_word(p, word) || (p->token == T_CLOSE && same(word, ")")))) {
    next(p);
    return 1;
  }
  unexpected(p);
  return 0;
}

static void skip_newlines(struct parser *p) {
  while (p->token == T_NEWLINE && p->error == NULL) next(p);
}

/* The redirection at hand and its target. */
static void parse_redirect(struct parser *p, struct redirect **last) {
  struct redirect *r = p->redirect;
  next(p);
  if (p->token != T_WORD) {
    unexpected(p);
    return;
  }
  r->target = p->word;
  while (*last != NULL) last = &(*last)->next;
  *last = r;
  if (r->kind == R_HERE) {
    if (p->here_count == COUNT(p->here)) refuse(p, "a line has more than 8 here-documents");
    else p->here[p->here_count++] = r;
  }
  next(p);
}

static struct node *parse_if(struct parser *p) {
  static const char *const then[] = { "then", NULL }, *const rest[] = { "elif", "else", "fi", NULL },
                           *const fi[] = { "fi", NULL };
  struct node *n = new_node(N_IF, NULL, NULL);
  next(p);
  n->left = parse_list(p, then);
  if (!expect(p, "then")) return NULL;
  n->right = parse_list(p, rest);
  if (p->error != NULL) return NULL;
  if (at_word(p, "elif")) {
    n->third = parse_if(p);
    return n;
  }
  if (at_word(p, "else")) {
    next(p);
    n->third = parse_list(p, fi);
  }
  return expect(p, "fi") ? n : NULL;
}

static struct node *parse_body(struct parser *p) {
  static const char *const done[] = { "done", NULL };
  skip_newlines(p);
  if (!expect(p, "do")) return NULL;
  struct node *body = parse_list(p, done);
  return expect(p, "done") ? body : NULL;
}

static struct node *parse_for(struct parser *p) {
  struct node *n = new_node(N_FOR, NULL, NULL);
  next(p);
  if (p->token != T_WORD || !is_name(p->word, length_of(p->word))) return unexpected(p);
  n->name = p->word;
  next(p);
  skip_newlines(p);
  if (at_word(p, "in")) {
    n->has_in = 1;
    for (next(p); p->token == T_WORD && p->error == NULL; next(p)) list_add(&n->words, p->word);
  }
  if (p->token == T_SEMI) next(p);
  n->right = parse_body(p);
  return n->right ? n : NULL;
}

static struct node *parse_case(struct parser *p) {
  static const char *const ends[] = { ";;", "esac", NULL };
  struct node *n = new_node(N_CASE, NULL, NULL);
  struct case_item **last = &n->items;
  next(p);
  if (p->token != T_WORD) return unexpected(p);
  n->name = p->word;
  next(p);
  skip_newlines(p);
  if (!expect(p, "in")) return NULL;
  for (;;) {
    skip_newlines(p);
    if (at_word(p, "esac") || p->error != NULL) break;
    struct case_item *item = alloc(sizeof *item);
    if (p->token == T_OPEN) next(p);
    for (;;) {
      if (p->token != T_WORD) return unexpected(p);
      list_add(&item->patterns, p->word);
      next(p);
      if (p->token != T_PIPE) break;
      next(p);
    }
    if (!expect(p, ")")) return NULL;
    item->body = parse_list(p, ends);
    *last = item;
    last = &item->next;
    if (p->token == T_DSEMI) next(p);
    else if (!at_word(p, "esac")) return unexpected(p);
  }
  return expect(p, "esac") ? n : NULL;
}

static int is_assignment(const char *word) {
  const char *equals = find_char(word, '=');
  return equals != NULL && is_name(word, (u64)(equals - word));
}

static struct node *parse_simple(struct parser *p) {
  struct node *n = new_node(N_SIMPLE, NULL, NULL);
  while (p->error == NULL) {
    if (p->token == T_REDIRECT) parse_redirect(p, &n->redirects);
    else if (p->token != T_WORD) break;
    else {
      if (n->words.count == 0 && is_assignment(p->word)) list_add(&n->assignments, p->word);
      else list_add(&n->words, p->word);
      next(p);
      if (p->token == T_OPEN && n->words.count == 1 && n->assignments.count == 0 && n->redirects == NULL) {
        struct node *f = new_node(N_FUNCTION, NULL, NULL);
        f->name = n->words.items[0];
        if (!is_name(f->name, length_of(f->name))) return unexpected(p);
        next(p);
        if (!expect(p, ")")) return NULL;
        skip_newlines(p);
        const u64 start = p->token_start;
        if (parse_command(p) == NULL) return unexpected(p);
        f->text = duplicate_bytes(p->text + start, p->previous_end - start);
        return f;
      }
    }
  }
  if (p->error != NULL) return NULL;
  if (n->words.count == 0 && n->assignments.count == 0 && n->redirects == NULL) return unexpected(p);
  return n;
}

static struct node *parse_command(struct parser *p) {
  static const char *const close[] = { ")", NULL }, *const brace[] = { "}", NULL }, *const body[] = { "do", NULL };
  static const char *const misplaced[] = { "then", "else", "elif", "fi", "do", "done", "esac", "}", NULL };
  struct node *n;
  if (p->error != NULL) return NULL;
  if (p->token == T_OPEN) {
    next(p);
    n = new_node(N_SUBSHELL, parse_list(p, close), NULL);
    if (!expect(p, ")")) return NULL;
  } else if (at_word(p, "{")) {
    next(p);
    n = new_node(N_GROUP, parse_list(p, brace), NULL);
    if (!expect(p, "}")) return NULL;
  } else if (at_word(p, "if")) n = parse_if(p);
  else if (at_word(p, "while") || at_word(p, "until")) {
    n = new_node(at_word(p, "while") ? N_WHILE : N_UNTIL, NULL, NULL);
    next(p);
    n->left = parse_list(p, body);
    n->right = parse_body(p);
    if (n->right == NULL) return NULL;
  } else if (at_word(p, "for")) n = parse_for(p);
  else if (at_word(p, "case")) n = parse_case(p);
  else if (p->token == T_WORD && at_any(p, misplaced)) return unexpected(p);
  else return parse_simple(p);
  while (n != NULL && p->error == NULL && p->token == T_REDIRECT) parse_redirect(p, &n->redirects);
  return p->error == NULL ? n : NULL;
}

static struct node *parse_pipeline(struct parser *p) {
  const u64 start = p->token_start;
  const int inverted = at_word(p, "!");
  if (inverted) next(p);
  struct node *first = parse_command(p);
  struct node **last = &first;
  while (first != NULL && p->error == NULL && p->token == T_PIPE) {
    next(p);
    skip_newlines(p);
    *last = new_node(N_PIPE, *last, parse_command(p));
    last = &(*last)->right;
  }
  if (p->error != NULL || first == NULL) return NULL;
  first->text = first->kind == N_FUNCTION ? first->text : duplicate_bytes(p->text + start, p->previous_end - start);
  return inverted ? new_node(N_NOT, first, NULL) : first;
}

static struct node *parse_and_or(struct parser *p) {
  struct node *n = parse_pipeline(p);
  while (n != NULL && p->error == NULL && (p->token == T_AND || p->token == T_OR)) {
    const enum node_kind kind = p->token == T_AND ? N_AND : N_OR;
    next(p);
    skip_newlines(p);
    n = new_node(kind, n, parse_pipeline(p));
  }
  return p->error == NULL ? n : NULL;
}

/* One and-or list and what ends it: `&` makes it a background job. */
static struct node *parse_item(struct parser *p) {
  const u64 start = p->token_start;
  struct node *n = parse_and_or(p);
  if (n == NULL) return NULL;
  if (p->token == T_AMP) {
    n = new_node(N_BACKGROUND, n, NULL);
    n->text = duplicate_bytes(p->text + start, p->previous_end - start);
    next(p);
  } else if (p->token == T_SEMI) next(p);
  return p->error == NULL ? n : NULL;
}

static struct node *sequence(struct node *first, struct node *second) {
  return first == NULL ? second : new_node(N_SEQUENCE, first, second);
}

static struct node *parse_list(struct parser *p, const char *const *ends) {
  struct node *all = NULL;
  for (;;) {
    skip_newlines(p);
    if (p->error != NULL) return NULL;
    if (at_any(p, ends)) break;
    struct node *n = parse_item(p);
    if (n == NULL) return unexpected(p);
    all = sequence(all, n);
    if (p->token != T_NEWLINE && !at_any(p, ends) && p->token != T_WORD && p->token != T_OPEN && p->token != T_REDIRECT)
      return unexpected(p);
  }
  /* `case` bodies alone may be empty; an empty one elsewhere does nothing and succeeds. */
  if (all == NULL) {
    all = new_node(N_SIMPLE, NULL, NULL);
    list_add(&all->words, "true");
  }
  return all;
}

enum parse_result parse(const char *text, u64 *at, struct node **tree, char **error) {
  struct parser p = { .text = text, .at = *at };
  *tree = NULL;
  next(&p);
  if (p.token == T_END && p.error == NULL) return PARSE_END;
  struct node *all = NULL;
  while (p.error == NULL && p.token != T_NEWLINE && p.token != T_END) {
    struct node *n = parse_item(&p);
    if (n == NULL) unexpected(&p);
    else all = sequence(all, n);
    if (p.token == T_CLOSE || p.token == T_DSEMI) unexpected(&p);
  }
  if (p.error != NULL) {
    *error = p.error;
    return p.incomplete ? PARSE_INCOMPLETE : PARSE_ERROR;
  }
  *at = p.at;
  *tree = all;
  return PARSED;
}
