/*
 * Running a tree: variables, functions, redirections, simple commands, pipelines, loops.
 */
#include "sh.h"

struct variable *variables;
struct function *functions;
struct parameters parameters;
char *shell_name = "sh";
int last_status;
i64 last_background, shell_pid;
int interactive, exit_on_error, trace_commands, no_glob;
enum unwind unwinding;
int unwind_levels, loop_depth, function_depth;
volatile int interrupted;

/* Inside a condition, && or ||, where a failure does not end a `set -e` shell. */
static int conditions;

/* ---- variables ---- */

struct variable *find_variable(const char *name) {
  for (struct variable *v = variables; v != NULL; v = v->next)
    if (same(v->name, name)) return v;
  return NULL;
}

char *variable(const char *name) {
  const struct variable *v = find_variable(name);
  return v == NULL ? NULL : v->value;
}

void set_variable(const char *name, const char *value, int exported) {
  struct variable *v = find_variable(name);
  if (v == NULL) {
    v = keep_bytes(&(struct variable){ .name = keep(name), .next = variables }, sizeof *v);
    variables = v;
  }
  char *old = v->value;
  v->value = value != NULL ? keep(value) : NULL;
  if (old != NULL) discard(old);
  if (exported) v->exported = 1;
}

void unset_variable(const char *name) {
  struct variable *v = find_variable(name);
  if (v == NULL) return;
  if (v->value != NULL) discard(v->value);
  v->value = NULL;
  v->exported = 0;
}

char **exported(void) {
  struct list l = { 0 };
  for (struct variable *v = variables; v != NULL; v = v->next)
    if (v->exported && v->value != NULL) list_add(&l, join3(v->name, "=", v->value));
  if (l.items == NULL) l.items = alloc(sizeof(char *));
  return l.items;
}

static void assign(const char *assignment, int export) {
  const char *equals = find_char(assignment, '=');
  set_variable(duplicate_bytes(assignment, (u64)(equals - assignment)), expand_single(equals + 1), export);
}

/* Values to put back when a function or a command with assignments of its own ends. */
struct local {
  char *name, *value; /* kept */
  int exported;
  struct local *next;
};
struct local *locals;

void save_local(const char *name) {
  const struct variable *v = find_variable(name);
  const struct local l = { keep(name), v != NULL && v->value != NULL ? keep(v->value) : NULL,
                           v != NULL && v->exported, locals };
  locals = keep_bytes(&l, sizeof l);
}

void restore_locals(void *before) {
  while (locals != before) {
    struct local *l = locals;
    locals = l->next;
    unset_variable(l->name);
    if (l->value != NULL) {
      set_variable(l->name, l->value, l->exported);
      discard(l->value);
    }
    discard(l->name);
    discard(l);
  }
}

/* ---- redirections ---- */

struct saved {
  int fd, copy; /* copy is -1 when fd was closed */
  struct saved *next;
};

/* Gives 0 or -1, after a complaint. With `saved`, what was there is remembered. */
static int redirect(const struct redirect *r, struct saved **saved) {
  for (; r != NULL; r = r->next) {
    i64 fd = -1;
    char *target = r->target;
    int closes = 0;
    if (r->kind == R_HERE) {
      int ends[2];
      const char *text = r->literal ? target : expand_here(target);
      if (failed(sys_pipe(ends), "make", "a pipe")) return -1;
      /* A pipe holds 16 KiB; a longer text needs a writer of its own. */
      if (length_of(text) <= 8192) write_all(ends[1], text, length_of(text));
      else if (fork_into(NULL, 0) == 0) {
        sys_close(ends[0]);
        write_all(ends[1], text, length_of(text));
        sys_exit(0);
      }
      sys_close(ends[1]);
      fd = ends[0];
    } else {
      target = expand_single(target);
      if (unwinding != U_NONE) return -1;
      if (r->kind == R_DUP) {
        i64 from;
        if (same(target, "-")) closes = 1;
        else if (!parse_number(target, &from)) {
          complain("%s: >& takes a descriptor's number or -, not %s", program, target);
          return -1;
        } else if (failed(fd = sys_fcntl((int)from, F_DUPFD, 10), "copy descriptor", target)) return -1;
      } else {
        const int flags = r->kind == R_IN ? O_RDONLY : r->kind == R_READ_WRITE ? O_RDWR | O_CREAT
                        : O_WRONLY | O_CREAT | (r->kind == R_APPEND ? O_APPEND : O_TRUNC);
        fd = sys_open(target, flags, 0666);
        if (failed(fd, r->kind == R_IN ? "open" : "write to", target)) return -1;
      }
    }
    if (saved != NULL) {
      struct saved *s = alloc(sizeof *s);
      s->fd = r->fd;
      s->copy = (int)sys_fcntl(r->fd, F_DUPFD_CLOEXEC, 10);
      s->next = *saved;
      *saved = s;
    }
    if (closes) sys_close(r->fd);
    else if (fd != r->fd) {
      sys_dup2((int)fd, r->fd);
      sys_close((int)fd);
    }
  }
  return 0;
}

static void restore(struct saved *saved) {
  for (; saved != NULL; saved = saved->next) {
    if (saved->copy < 0) sys_close(saved->fd);
    else {
      sys_dup2(saved->copy, saved->fd);
      sys_close(saved->copy);
    }
  }
}

/* ---- programs ---- */

char *find_program(const char *name) {
  struct stat s;
  if (find_char(name, '/') != NULL) return duplicate(name);
  const char *path = variable("PATH");
  if (path == NULL) path = "/bin:/sbin";
  while (*path != '\0') {
    const char *colon = find_char(path, ':');
    const u64 length = colon != NULL ? (u64)(colon - path) : length_of(path);
    char *candidate = path_join(length > 0 ? duplicate_bytes(path, length) : ".", name);
    if (sys_stat(candidate, &s) == 0 && (s.st_mode & S_IFMT) == S_IFREG && (s.st_mode & 0111) != 0) return candidate;
    path += length;
    if (*path == ':') path++;
  }
  return NULL;
}

void exec_program(char **argv) {
  char *path = find_program(argv[0]);
  char **envp = exported();
  if (path != NULL) {
    struct stat s;
    const i64 error = sys_execve(path, argv, envp);
    if (error == -ENOEXEC) {
      /* A script without #!. */
      struct list words = { 0 };
      list_add(&words, "sh");
      list_add(&words, path);
      for (char **a = argv + 1; *a != NULL; a++) list_add(&words, *a);
      sys_execve("/bin/sh", words.items, envp);
    }
    if (error == -EACCES && sys_stat(path, &s) == 0 && (s.st_mode & S_IFMT) == S_IFDIR)
      complain("%s: %s is a directory", program, argv[0]);
    else failed(error, "run", argv[0]);
    leave(error == -ENOENT ? 127 : 126);
  }
  /* A root without links to this program still has its commands. */
  command *c = find_command(argv[0]);
  if (c != NULL) {
    int argc = 0;
    while (argv[argc] != NULL) argc++;
    environment = envp;
    program = argv[0];
    leave(c(argc, argv));
  }
  complain("%s: there is no command %s", program, argv[0]);
  leave(127);
}

int run_inside(command *c, int argc, char **argv) {
  const char *name = program;
  const int armed = leave_armed;
  void *point[5];
  int status;
  memcpy(point, leave_point, sizeof point);
  leave_armed = 1;
  if (__builtin_setjmp(leave_point) == 0) {
    program = argv[0];
    leave_status = c(argc, argv);
  }
  status = leave_status;
  memcpy(leave_point, point, sizeof point);
  leave_armed = armed;
  program = argv[0];
  const int error = flush();
  if (error < 0 && error != -EPIPE) failed(error, "write to", "standard output");
  program = name;
  return error < 0 && status == 0 ? 1 : status;
}

static int call_function(const struct function *f, const struct list *words) {
  const struct parameters outer = parameters;
  const int depth = loop_depth;
  void *before = locals;
  char *text = duplicate(f->text);
  if (function_depth > 200) {
    complain("%s: %s calls itself too deeply", program, f->name);
    unwinding = U_INTERRUPT;
    return 1;
  }
  parameters = (struct parameters){ (int)words->count - 1, words->items + 1 };
  function_depth++;
  loop_depth = 0;
  int status = run_text(text);
  if (unwinding == U_RETURN) {
    unwinding = U_NONE;
    status = last_status;
  }
  loop_depth = depth;
  function_depth--;
  restore_locals(before);
  parameters = outer;
  return status;
}

/* ---- simple commands ---- */

static struct function *find_function(const char *name) {
  for (struct function *f = functions; f != NULL; f = f->next)
    if (f->text != NULL && same(f->name, name)) return f;
  return NULL;
}

/* `direct`: this process is a child made for the command, which may become it. */
static int run_simple(struct node *n, int direct) {
  struct list words = { 0 };
  struct saved *saved = NULL;
  int status;
  const int exec_words = n->words.count > 0 && same(n->words.items[0], "exec");
  substituted = 0;
  for (u64 i = 0; i < n->words.count && unwinding == U_NONE; i++) expand_word(n->words.items[i], &words);
  if (unwinding != U_NONE) return last_status;
  if (trace_commands && words.count > 0) {
    struct text t = { 0 };
    text_put(&t, "+");
    for (u64 i = 0; i < words.count; i++) text_char(&t, ' '), text_put(&t, words.items[i]);
    complain("%s", t.bytes);
  }
  if (words.count == 0) {
    status = redirect(n->redirects, &saved) < 0;
    restore(saved);
    if (status != 0) return 1;
    for (u64 i = 0; i < n->assignments.count && unwinding == U_NONE; i++) assign(n->assignments.items[i], 0);
    return substituted || unwinding != U_NONE ? last_status : 0;
  }
  const struct function *f = find_function(words.items[0]);
  command *builtin = f != NULL ? NULL : find_builtin(words.items[0]);
  if (f != NULL || builtin != NULL) {
    void *before = locals;
    const int stays = f == NULL && is_special(words.items[0]);
    status = redirect(n->redirects, exec_words ? NULL : &saved) < 0;
    for (u64 i = 0; i < n->assignments.count && status == 0 && unwinding == U_NONE; i++) {
      const char *a = n->assignments.items[i];
      if (!stays) save_local(duplicate_bytes(a, (u64)(find_char(a, '=') - a)));
      assign(a, !stays);
    }
    if (status == 0 && unwinding == U_NONE)
      status = f != NULL ? call_function(f, &words) : run_inside(builtin, (int)words.count, words.items);
    if (n->assignments.count > 0) restore_locals(before); /* else `local' would undo itself */
    restore(saved);
    return status;
  }
  struct job *job = direct ? NULL : new_job(n->text);
  if (!direct) {
    job->foreground = 1;
    const i64 pid = fork_into(job, 1);
    if (pid != 0) return pid < 0 ? (forget_job(job), 1) : wait_for_job(job);
  }
  if (redirect(n->redirects, NULL) < 0) leave(1);
  for (u64 i = 0; i < n->assignments.count; i++) assign(n->assignments.items[i], 1);
  exec_program(words.items);
}

void run_in_child(struct node *n) {
  int status;
  unwinding = U_NONE;
  loop_depth = 0;
  if (n->kind == N_SIMPLE) status = run_simple(n, 1);
  else if (n->kind == N_SUBSHELL && redirect(n->redirects, NULL) < 0) status = 1;
  else status = run(n->kind == N_SUBSHELL ? n->left : n);
  leave(unwinding == U_EXIT ? last_status : status);
}

static void start_child(struct node *n, struct job *job, int foreground, int in, const int *out) {
  if (fork_into(job, foreground) != 0) return;
  if (in >= 0) {
    sys_dup2(in, 0);
    sys_close(in);
  }
  if (out != NULL) {
    sys_close(out[0]);
    sys_dup2(out[1], 1);
    sys_close(out[1]);
  }
  run_in_child(n);
}

static int run_pipeline(struct node *n, struct job *job, int foreground) {
  int in = -1, ends[2];
  job->foreground = foreground;
  for (; n->kind == N_PIPE; n = n->right) {
    if (failed(sys_pipe(ends), "make", "a pipe")) break;
    start_child(n->left, job, foreground, in, ends);
    if (in >= 0) sys_close(in);
    sys_close(ends[1]);
    in = ends[0];
  }
  if (n->kind != N_PIPE) start_child(n, job, foreground, in, NULL);
  if (in >= 0) sys_close(in);
  return foreground ? wait_for_job(job) : 0;
}

static int run_background(struct node *n) {
  struct job *job = new_job(n->text);
  struct node *body = n->left;
  if (body->kind == N_PIPE && terminal >= 0) run_pipeline(body, job, 0);
  else if (fork_into(job, 0) == 0) {
    if (terminal < 0 && shell_pid != 0) {
      const i64 null = sys_open("/dev/null", O_RDONLY, 0);
      if (!job->group && null > 0) sys_dup2((int)null, 0), sys_close((int)null);
    }
    run_in_child(body);
  }
  if (job->count == 0) {
    forget_job(job);
    return 1;
  }
  last_background = job->processes[job->count - 1].pid;
  if (interactive) {
    say("[%d] %d\n", (i64)job->number, last_background);
    flush();
  }
  return 0;
}

/* ---- compound commands ---- */

/* After a loop's body: true if the loop ends. */
static int loop_ends(void) {
  if (unwinding == U_BREAK || unwinding == U_CONTINUE) {
    const int was_break = unwinding == U_BREAK;
    if (--unwind_levels > 0) return 1;
    unwinding = U_NONE;
    return was_break;
  }
  return unwinding != U_NONE;
}

static int condition(struct node *n) {
  conditions++;
  const int status = run(n);
  conditions--;
  return status;
}

static int run_loop(struct node *n) {
  int status = 0;
  loop_depth++;
  for (;;) {
    void *before = mark();
    const int result = condition(n->left);
    int ends = loop_ends();
    if (!ends && (result == 0) == (n->kind == N_WHILE)) {
      status = run(n->right);
      ends = loop_ends();
    } else ends = 1;
    release(before);
    if (ends) break;
  }
  loop_depth--;
  return status;
}

static int run_for(struct node *n) {
  struct list words = { 0 };
  int status = 0;
  if (!n->has_in)
    for (int i = 0; i < parameters.count; i++) list_add(&words, parameters.items[i]);
  for (u64 i = 0; i < n->words.count && unwinding == U_NONE; i++) expand_word(n->words.items[i], &words);
  if (unwinding != U_NONE) return last_status;
  loop_depth++;
  for (u64 i = 0; i < words.count; i++) {
    void *before = mark();
    set_variable(n->name, words.items[i], 0);
    status = run(n->right);
    release(before);
    if (loop_ends()) break;
  }
  loop_depth--;
  return status;
}

static int run_case(struct node *n) {
  char *word = expand_single(n->name);
  for (struct case_item *item = n->items; item != NULL && unwinding == U_NONE; item = item->next)
    for (u64 i = 0; i < item->patterns.count; i++)
      if (matches_pattern(expand_pattern(item->patterns.items[i]), word)) return item->body ? run(item->body) : 0;
  return 0;
}

static void define_function(struct node *n) {
  struct function *f = functions;
  while (f != NULL && !same(f->name, n->name)) f = f->next;
  if (f == NULL) {
    f = keep_bytes(&(struct function){ .name = keep(n->name), .next = functions }, sizeof *f);
    functions = f;
  } else if (f->text != NULL) discard(f->text);
  f->text = keep(n->text);
}

static int run_kind(struct node *n) {
  int status;
  switch (n->kind) {
    case N_SIMPLE: return run_simple(n, 0);
    case N_PIPE: return run_pipeline(n, new_job(n->text), 1);
    case N_NOT: return !condition(n->left);
    case N_AND: case N_OR:
      status = condition(n->left);
      if (unwinding != U_NONE || (status == 0) != (n->kind == N_AND)) return status;
      return run(n->right);
    case N_SEQUENCE:
      status = run(n->left);
      return unwinding != U_NONE ? status : run(n->right);
    case N_BACKGROUND: return run_background(n);
    case N_IF:
      status = condition(n->left);
      if (unwinding != U_NONE) return status;
      if (status == 0) return run(n->right);
      return n->third != NULL ? run(n->third) : 0;
    case N_WHILE: case N_UNTIL: return run_loop(n);
    case N_FOR: return run_for(n);
    case N_CASE: return run_case(n);
    case N_GROUP: return run(n->left);
    case N_FUNCTION: return define_function(n), 0;
    case N_SUBSHELL: {
      struct job *job = new_job(n->text);
      job->foreground = 1;
      start_child(n, job, 1, -1, NULL);
      return wait_for_job(job);
    }
  }
  return 0;
}

int run(struct node *n) {
  struct saved *saved = NULL;
  void *before = mark();
  int status;
  if (interrupted && unwinding == U_NONE) {
    unwinding = U_INTERRUPT;
    return last_status = 130;
  }
  /* A simple command and a subshell do their own, after the fork. */
  if (n->kind != N_SIMPLE && n->kind != N_SUBSHELL && n->redirects != NULL) {
    if (redirect(n->redirects, &saved) < 0) {
      restore(saved);
      return last_status = 1;
    }
  }
  status = run_kind(n);
  if (saved != NULL) {
    flush();
    restore(saved);
  }
  if (unwinding != U_EXIT && unwinding != U_RETURN) last_status = status;
  else status = last_status;
  if (exit_on_error && status != 0 && conditions == 0 && unwinding == U_NONE &&
      (n->kind == N_SIMPLE || n->kind == N_PIPE || n->kind == N_SUBSHELL))
    unwinding = U_EXIT;
  release(before);
  return status;
}

/* ---- texts ---- */

int run_text(const char *text) {
  u64 at = 0;
  struct node *tree;
  char *error;
  int status = 0;
  while (unwinding == U_NONE) {
    void *before = mark();
    const enum parse_result result = parse(text, &at, &tree, &error);
    if (result == PARSE_END) break;
    if (result != PARSED) {
      int line = 1;
      for (u64 i = 0; i < at; i++) line += text[i] == '\n';
      complain("%s: line %d: %s", program, (i64)line, error);
      return last_status = 2;
    }
    if (tree != NULL) status = run(tree);
    release(before);
  }
  return status;
}

int run_file(const char *path) {
  u64 length;
  i64 error;
  const i64 fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
  if (failed(fd, "open", path)) return 127;
  char *text = read_all((int)fd, &length, &error);
  sys_close((int)fd);
  if (failed(error, "read", path)) return 126;
  for (u64 i = 0; i < length && i < 512; i++)
    if (text[i] == '\0') {
      complain("%s: %s is no script: it has bytes that are no text", program, path);
      return 126;
    }
  return run_text(text);
}
