/*
 * The shell's main loop: sh [-eix] [-c TEXT | FILE] [ARGUMENT]... A name that begins with - makes it a login shell, which
 * runs /etc/profile.
 */
#include "sh.h"

static void on_interrupt(int signal) {
  (void)signal;
  interrupted = 1;
}

/* A session leader on a terminal does job control: own group, in the foreground, deaf to the terminal's signals. */
static void take_terminal(void) {
  static const int ignored[] = { SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGTERM };
  int group = (int)sys_getpid();
  for (u64 i = 0; i < COUNT(ignored); i++) on_signal(ignored[i], SIG_IGN, 0);
  on_signal(SIGINT, on_interrupt, 0);
  sys_setpgid(0, 0);
  const i64 fd = sys_fcntl(0, F_DUPFD_CLOEXEC, 10);
  if (fd < 0) return;
  if (sys_ioctl((int)fd, TIOCSPGRP, &group) < 0) {
    complain("%s: no job control: the terminal is not this session's", program);
    sys_close((int)fd);
    return;
  }
  terminal = (int)fd;
}

static char *prompt(const char *name, const char *otherwise) {
  const char *text = variable(name);
  return text != NULL ? expand_here(text) : duplicate(otherwise);
}

static void at_terminal(void) {
  struct text input = { 0 };
  const char *root = CALL(SYS_geteuid, 0, 0, 0) == 0 ? "# " : "$ ";
  void *before = mark();
  for (;;) {
    u64 at = 0;
    int cancelled = 0;
    struct node *tree;
    char *error;
    if (input.length == 0) {
      release(before);
      input = (struct text){ 0 };
      reap(1);
    }
    interrupted = 0;
    unwinding = U_NONE;
    loop_depth = function_depth = 0;
    char *line = edit_line(input.length == 0 ? prompt("PS1", root) : prompt("PS2", "> "), &cancelled);
    if (cancelled) {
      input.length = 0;
      last_status = 130;
      continue;
    }
    if (line == NULL) {
      if (input.length > 0) {
        complain("%s: the command was not complete", program);
        input.length = 0;
        continue;
      }
      unwinding = U_EXIT;
      return;
    }
    add_history(line);
    text_put(&input, line);
    text_char(&input, '\n');
    interrupted = 0;
    const enum parse_result result = parse(input.bytes, &at, &tree, &error);
    if (result == PARSE_INCOMPLETE) continue;
    if (result == PARSE_ERROR) {
      complain("%s: %s", program, error);
      last_status = 2;
    } else if (tree != NULL) {
      restore_locals(NULL);
      run(tree);
      if (unwinding == U_EXIT) return;
      if (interrupted) put("\n"); /* after the terminal's ^C; a job's end has its own */
      if (unwinding == U_INTERRUPT) last_status = last_status != 0 ? last_status : 130;
    }
    input.length = 0;
  }
}

/* Standard input that is no terminal: line by line, so that commands may read what follows. */
static void from_input(void) {
  struct text input = { 0 };
  for (;;) {
    char c;
    i64 n;
    u64 at = 0;
    struct node *tree;
    char *error;
    while ((n = sys_read(0, &c, 1)) > 0) {
      text_char(&input, c);
      if (c == '\n') break;
    }
    if (input.length == 0) return;
    const enum parse_result result = parse(input.bytes, &at, &tree, &error);
    if (result == PARSE_INCOMPLETE && n > 0) continue;
    if (result == PARSE_ERROR || result == PARSE_INCOMPLETE) {
      complain("%s: %s", program, error);
      last_status = 2;
    } else if (tree != NULL) run(tree);
    if (unwinding != U_NONE || n <= 0) return;
    input = (struct text){ 0 };
  }
}

int sh_main(int argc, char **argv) {
  const char *text = NULL;
  struct termios t;
  static char path[PATH_SIZE];
  const int login = argv[0][0] == '-';
  int i = 1, wants_terminal = 0;
  program = "sh";
  shell_name = argv[0];
  shell_pid = sys_getpid();
  for (char **e = environment; e != NULL && *e != NULL; e++) {
    const char *equals = find_char(*e, '=');
    if (equals != NULL) set_variable(duplicate_bytes(*e, (u64)(equals - *e)), equals + 1, 1);
  }
  if (variable("PATH") == NULL) set_variable("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
  if (sys_getcwd(path, sizeof path) > 0) set_variable("PWD", path, 1);

  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    if (same(argv[i], "--")) {
      i++;
      break;
    }
    for (const char *c = argv[i] + 1; *c != '\0'; c++) {
      if (*c == 'e') exit_on_error = 1;
      else if (*c == 'x') trace_commands = 1;
      else if (*c == 'i') wants_terminal = 1;
      else if (*c == 'c' && i + 1 < argc) text = "";
      else if (*c != 'l') {
        complain("usage: sh [-eixl] [-c TEXT | FILE] [ARGUMENT]...");
        return 2;
      }
    }
    if (text != NULL) {
      text = argv[++i];
      i++;
      break;
    }
  }
  if (login) run_file("/etc/profile");
  if (unwinding == U_EXIT) return last_status;
  unwinding = U_NONE;

  if (text != NULL) {
    if (i < argc) shell_name = argv[i++];
    parameters = (struct parameters){ argc - i, argv + i };
    run_text(text);
  } else if (i < argc) {
    shell_name = argv[i++];
    parameters = (struct parameters){ argc - i, argv + i };
    const int status = run_file(shell_name);
    if (unwinding == U_NONE) last_status = status;
  } else if (wants_terminal || (sys_ioctl(0, TIOCGETA, &t) == 0 && sys_ioctl(2, TIOCGETA, &t) == 0)) {
    interactive = 1;
    take_terminal();
    echo_from_now_on = login;
    at_terminal();
    flush();
    for (u64 k = 0; k < COUNT(jobs); k++)
      if (jobs[k].used && job_stopped(&jobs[k]) && jobs[k].group > 0) {
        sys_kill(-jobs[k].group, SIGHUP);
        sys_kill(-jobs[k].group, SIGCONT);
      }
  } else from_input();
  return last_status;
}
