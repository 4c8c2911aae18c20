/*
 * Commands that must run inside the shell, because they change it, and a few of the program's that are cheap and run
 * there as well (echo, test, printf and the like).
 */
#include "sh.h"

static int do_nothing(int argc, char **argv) {
  (void)argc, (void)argv;
  return 0;
}

static int do_cd(int argc, char **argv) {
  char *old = variable("PWD"), *target = argc > 1 ? argv[1] : variable("HOME");
  static char path[PATH_SIZE];
  const int back = target != NULL && same(target, "-");
  if (back) target = variable("OLDPWD");
  if (target == NULL) {
    complain("cd: %s is not set", back ? "OLDPWD" : "HOME");
    return 1;
  }
  if (failed(CALL(SYS_chdir, target, 0, 0), "change to", target)) return 1;
  if (old != NULL) set_variable("OLDPWD", duplicate(old), 0);
  if (sys_getcwd(path, sizeof path) > 0) set_variable("PWD", path, 1);
  if (back) say("%s\n", path);
  return 0;
}

static int do_export(int argc, char **argv) {
  if (argc == 1)
    for (struct variable *v = variables; v != NULL; v = v->next)
      if (v->exported && v->value != NULL) say("export %s='%s'\n", v->name, v->value);
  for (int i = 1; i < argc; i++) {
    char *equals = find_char(argv[i], '=');
    const u64 length = equals != NULL ? (u64)(equals - argv[i]) : length_of(argv[i]);
    if (!is_name(argv[i], length)) {
      complain("%s: %s is no name for a variable", program, argv[i]);
      return 1;
    }
    char *name = duplicate_bytes(argv[i], length), *value = equals != NULL ? equals + 1 : variable(name);
    set_variable(name, value != NULL ? duplicate(value) : NULL, 1);
  }
  return 0;
}

static int do_local(int argc, char **argv) {
  if (function_depth == 0) {
    complain("local: this is no function");
    return 1;
  }
  for (int i = 1; i < argc; i++) {
    char *equals = find_char(argv[i], '=');
    char *name = equals != NULL ? duplicate_bytes(argv[i], (u64)(equals - argv[i])) : argv[i];
    save_local(name);
    if (equals != NULL) set_variable(name, equals + 1, 0);
    else unset_variable(name);
  }
  return 0;
}

static int do_unset(int argc, char **argv) {
  int i = 1, function = 0;
  if (argc > 1 && (same(argv[1], "-f") || same(argv[1], "-v"))) function = argv[i++][1] == 'f';
  for (; i < argc; i++) {
    if (!function) unset_variable(argv[i]);
    for (struct function *f = functions; function && f != NULL; f = f->next)
      if (f->text != NULL && same(f->name, argv[i])) discard(f->text), f->text = NULL;
  }
  return 0;
}

static int do_set(int argc, char **argv) {
  int i = 1;
  if (argc == 1)
    for (struct variable *v = variables; v != NULL; v = v->next)
      if (v->value != NULL) say("%s='%s'\n", v->name, v->value);
  for (; i < argc && (argv[i][0] == '-' || argv[i][0] == '+') && argv[i][1] != '\0'; i++) {
    const int on = argv[i][0] == '-';
    if (same(argv[i], "--")) {
      i++;
      break;
    }
    for (const char *c = argv[i] + 1; *c != '\0'; c++) {
      if (*c == 'e') exit_on_error = on;
      else if (*c == 'x') trace_commands = on;
      else if (*c == 'f') no_glob = on;
      else {
        complain("set: there is no option %c here; there are e, f and x", *c);
        return 2;
      }
    }
  }
  if (i < argc || (i > 1 && same(argv[i - 1], "--"))) {
    /* They must outlive this command. The old ones are not given back: $@ may still be in use by a loop. */
    struct list l = { 0 };
    for (; i < argc; i++) list_add(&l, keep(argv[i]));
    parameters = (struct parameters){ (int)l.count, NULL };
    if (l.count > 0) parameters.items = keep_bytes(l.items, (l.count + 1) * sizeof(char *));
  }
  return 0;
}

static int do_shift(int argc, char **argv) {
  i64 n = 1;
  if (argc > 1 && (!parse_number(argv[1], &n) || n < 0)) return complain("shift: %s is no count", argv[1]), 2;
  if (n > parameters.count) return 1;
  parameters.items += n;
  parameters.count -= (int)n;
  return 0;
}

/* break, continue, return and exit. */
static int do_unwind(int argc, char **argv) {
  const int loops = same(argv[0], "break") || same(argv[0], "continue");
  i64 n = loops ? 1 : last_status;
  if (argc > 1 && !parse_number(argv[1], &n)) return complain("%s: %s is no number", argv[0], argv[1]), 2;
  if (loops) {
    if (loop_depth == 0) return 0;
    unwind_levels = n > loop_depth ? loop_depth : n < 1 ? 1 : (int)n;
    unwinding = argv[0][0] == 'b' ? U_BREAK : U_CONTINUE;
    return 0;
  }
  last_status = (int)n & 0xff;
  unwinding = argv[0][0] == 'r' ? U_RETURN : U_EXIT;
  return last_status;
}

static int do_eval(int argc, char **argv) {
  struct text t = { 0 };
  text_add(&t, "", 0);
  for (int i = 1; i < argc; i++) {
    if (i > 1) text_char(&t, ' ');
    text_put(&t, argv[i]);
  }
  program = "sh";
  return run_text(t.bytes);
}

static int do_source(int argc, char **argv) {
  if (argc < 2) usage("FILE [ARGUMENT]...");
  char *path = find_char(argv[1], '/') == NULL ? find_program(argv[1]) : NULL;
  const struct parameters outer = parameters;
  if (argc > 2) parameters = (struct parameters){ argc - 2, argv + 2 };
  int status = run_file(path != NULL ? path : argv[1]);
  if (unwinding == U_RETURN) {
    unwinding = U_NONE;
    status = last_status;
  }
  if (argc > 2) parameters = outer;
  return status;
}

static int do_exec(int argc, char **argv) {
  if (argc < 2) return 0; /* its redirections stay */
  if (terminal >= 0) {
    on_signal(SIGINT, SIG_DFL, 0);
    on_signal(SIGQUIT, SIG_DFL, 0);
    on_signal(SIGTSTP, SIG_DFL, 0);
    on_signal(SIGTTIN, SIG_DFL, 0);
    on_signal(SIGTTOU, SIG_DFL, 0);
  }
  leave_armed = 0;
  program = "exec";
  exec_program(argv + 1);
}

static int do_read(int argc, char **argv) {
  static char *reply[] = { "REPLY", NULL };
  struct text line = { 0 };
  const u64 set = options(&argv, "r", "[-r] [NAME]...");
  char c;
  i64 n;
  (void)argc;
  text_add(&line, "", 0);
  /* Byte by byte: what follows the line belongs to others. */
  while ((n = sys_read(0, &c, 1)) > 0 && c != '\n') {
    if (c == '\\' && !HAS(set, 'r')) {
      if (sys_read(0, &c, 1) <= 0) break;
      if (c == '\n') continue;
    }
    if (c != '\0') text_char(&line, c);
  }
  const char *ifs = variable("IFS");
  char *rest = line.bytes;
  if (ifs == NULL) ifs = " \t\n";
  if (*argv == NULL) argv = reply;
  for (; *argv != NULL; argv++) {
    while (*rest != '\0' && is_space(*rest) && find_char(ifs, *rest) != NULL) rest++;
    char *end = rest;
    if (argv[1] == NULL) {
      end += length_of(end);
      while (end > rest && is_space(end[-1]) && find_char(ifs, end[-1]) != NULL) end--;
    } else
      while (*end != '\0' && find_char(ifs, *end) == NULL) end++;
    set_variable(*argv, duplicate_bytes(rest, (u64)(end - rest)), 0);
    rest = *end != '\0' ? end + 1 : end;
  }
  return n <= 0;
}

static int do_wait(int argc, char **argv) {
  int status = 0;
  if (argc == 1)
    for (u64 i = 0; i < COUNT(jobs); i++)
      if (jobs[i].used && !job_stopped(&jobs[i])) wait_for_job(&jobs[i]);
  for (int i = 1; i < argc; i++) {
    i64 pid;
    struct job *job = parse_number(argv[i], &pid) ? job_of_process(pid) : job_by_name(argv[i]);
    status = job != NULL ? wait_for_job(job) : 127;
  }
  return status;
}

static int do_jobs(int argc, char **argv) {
  (void)argc, (void)argv;
  reap(1);
  for (u64 i = 0; i < COUNT(jobs); i++)
    if (jobs[i].used) show_job(&jobs[i]);
  return 0;
}

static int do_resume(int argc, char **argv) {
  struct job *job;
  if (terminal < 0) {
    complain("%s: this shell has no job control", argv[0]);
    return 1;
  }
  job = job_by_name(argc > 1 ? argv[1] : NULL);
  return job != NULL ? resume_job(job, same(argv[0], "fg")) : 1;
}

/* kill knows processes; here are jobs, by their groups. A stopped one goes on, to take the signal. */
static int do_kill(int argc, char **argv) {
  struct list words = { 0 };
  struct job *woken = NULL;
  list_add(&words, argv[0]);
  if (argc > 1 && argv[1][0] == '%') list_add(&words, "-TERM"); /* else the group's minus would begin an option */
  for (int i = 1; i < argc; i++) {
    struct job *job = argv[i][0] == '%' ? job_by_name(argv[i]) : NULL;
    if (argv[i][0] == '%' && job == NULL) return 1;
    if (job != NULL && job_stopped(job)) woken = job;
    list_add(&words, job == NULL ? argv[i] : print("%d", job->group > 0 ? -job->group : job->processes[0].pid));
  }
  const int status = find_command("kill")((int)words.count, words.items);
  if (woken != NULL && woken->group > 0) sys_kill(-woken->group, SIGCONT);
  return status;
}

static int do_umask(int argc, char **argv) {
  const char *end;
  if (argc == 1) {
    const i64 mask = CALL(SYS_umask, 022, 0, 0);
    CALL(SYS_umask, mask, 0, 0);
    say("%04o\n", mask);
  } else CALL(SYS_umask, number_at(join2("0", argv[1]), &end), 0, 0);
  return 0;
}

static int do_history(int argc, char **argv) {
  (void)argc, (void)argv;
  const char *line;
  for (u64 i = 0; (line = history_line(i)) != NULL; i++) say("%5u  %s\n", history_first + i, line);
  return 0;
}

static int do_type(int argc, char **argv) {
  int status = 0;
  for (int i = 1; i < argc; i++) {
    const struct function *f = functions;
    const char *path;
    while (f != NULL && (f->text == NULL || !same(f->name, argv[i]))) f = f->next;
    if (f != NULL) say("%s is a function\n", argv[i]);
    else if (find_builtin(argv[i]) != NULL) say("%s is built into the shell\n", argv[i]);
    else if ((path = find_program(argv[i])) != NULL) say("%s is %s\n", argv[i], path);
    else complain("type: there is no command %s", argv[i]), status = 1;
  }
  return status;
}

static int do_help(int argc, char **argv) {
  u64 column = 0;
  (void)argc, (void)argv;
  put("Built into the shell:\n");
  for (u64 i = 0; builtin_name(i) != NULL; i++) {
    const u64 length = length_of(builtin_name(i)) + 1;
    if (column + length > 76) put("\n"), column = 0;
    say("%s%s", column == 0 ? "  " : " ", builtin_name(i));
    column += length;
  }
  put("\nPrograms, in /bin and /sbin:\n");
  column = 0;
  for (u64 i = 0; command_name(i) != NULL; i++) {
    const u64 length = length_of(command_name(i)) + 1;
    if (column + length > 76) put("\n"), column = 0;
    say("%s%s", column == 0 ? "  " : " ", command_name(i));
    column += length;
  }
  put("\nKeys: arrows, home, end, tab completes, ctrl-A E B F U K W Y L R P N, ctrl-C, ctrl-Z, ctrl-D.\n"
      "Most programs say how they are used when an option is wrong: try `ls -?'.\n");
  return 0;
}

static int do_times(int argc, char **argv) {
  struct timespec t;
  (void)argc, (void)argv;
  sys_clock_gettime(2 /* CLOCK_PROF: this process */, &t);
  say("%d.%03d s\n", t.tv_sec, (i64)t.tv_nsec / 1000000);
  return 0;
}

static const struct {
  const char *name;
  command *run;
  int special;
} builtins[] = {
  { ":", do_nothing, 1 }, { ".", do_source, 1 }, { "source", do_source, 1 }, { "cd", do_cd, 0 },
  { "export", do_export, 1 }, { "local", do_local, 0 }, { "unset", do_unset, 1 }, { "set", do_set, 1 },
  { "shift", do_shift, 1 }, { "break", do_unwind, 1 }, { "continue", do_unwind, 1 }, { "return", do_unwind, 1 },
  { "exit", do_unwind, 1 }, { "logout", do_unwind, 1 }, { "eval", do_eval, 1 }, { "exec", do_exec, 1 },
  { "read", do_read, 0 }, { "wait", do_wait, 0 }, { "jobs", do_jobs, 0 }, { "fg", do_resume, 0 },
  { "bg", do_resume, 0 }, { "kill", do_kill, 0 }, { "umask", do_umask, 0 }, { "history", do_history, 0 },
  { "type", do_type, 0 }, { "times", do_times, 0 }, { "help", do_help, 0 },
};

/* Programs that also run inside. They neither wait nor read. */
static const char *const inside[] = { "echo", "true", "false", "test", "[", "printf", "pwd", "expr", "basename", "dirname" };

/*
 * Scripts, /etc/rc above all, run these inside as well, which saves half a million instructions each; but only where the
 * name in /bin or /sbin is a link to this very program. At a terminal every command is a process, which can be stopped.
 */
static const char *const inside_scripts[] = { "hostname", "ifconfig", "route", "sysctl", "mkdir", "ln", "chmod" };

static command *find_in_script(const char *name) {
  char target[16];
  for (u64 i = 0; i < COUNT(inside_scripts); i++) {
    if (!same(inside_scripts[i], name)) continue;
    const char *path = find_program(name);
    const i64 n = path != NULL ? sys_readlink(path, target, sizeof target) : -1;
    return n == 10 && memcmp(target, "/sbin/init", 10) == 0 ? find_command(name) : NULL;
  }
  return NULL;
}

command *find_builtin(const char *name) {
  for (u64 i = 0; i < COUNT(builtins); i++)
    if (same(builtins[i].name, name)) return builtins[i].run;
  for (u64 i = 0; i < COUNT(inside); i++)
    if (same(inside[i], name)) return find_command(name);
  return terminal < 0 ? find_in_script(name) : NULL;
}

const char *builtin_name(u64 index) { return index < COUNT(builtins) ? builtins[index].name : NULL; }

int is_special(const char *name) {
  for (u64 i = 0; i < COUNT(builtins); i++)
    if (same(builtins[i].name, name)) return builtins[i].special;
  return 0;
}
