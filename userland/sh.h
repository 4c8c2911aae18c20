/*
 * The shell: text -> tree (sh-parse.c) -> words (sh-expand.c) -> processes (sh-run.c), jobs (sh-jobs.c), the commands
 * that must run inside the shell (sh-builtin.c), and the line editor (edit.c).
 *
 * The language is POSIX sh's. Left out on purpose: aliases, trap, getopts, ulimit, ~user, set -u and -n, and here-documents
 * inside command substitution.
 */
#ifndef USERLAND_SH_H
#define USERLAND_SH_H

#include "lib.h"

/* ---- tree ---- */

enum redirect_kind { R_IN, R_OUT, R_APPEND, R_READ_WRITE, R_DUP, R_HERE };

struct redirect {
  enum redirect_kind kind;
  int fd;
  char *target; /* a word; of a here-document: its text */
  int literal;  /* a here-document whose delimiter was quoted */
  struct redirect *next;
};

enum node_kind {
  N_SIMPLE, N_PIPE, N_NOT, N_AND, N_OR, N_SEQUENCE, N_BACKGROUND, N_IF, N_WHILE, N_UNTIL, N_FOR, N_CASE, N_GROUP,
  N_SUBSHELL, N_FUNCTION,
};

struct case_item {
  struct list patterns;
  struct node *body; /* may be NULL */
  struct case_item *next;
};

/*
 *   kind                    left        right      third   others
 *   N_SIMPLE                                               words, assignments
 *   N_PIPE, N_AND, N_OR,    first       second
 *   N_SEQUENCE
 *   N_NOT, N_BACKGROUND,    command
 *   N_GROUP, N_SUBSHELL
 *   N_IF                    condition   then       else
 *   N_WHILE, N_UNTIL        condition   body
 *   N_FOR                               body               name, words; has_in
 *   N_CASE                                                 name: the word; items
 *   N_FUNCTION                                             name, text: the body's source
 */
struct node {
  enum node_kind kind;
  int has_in;
  struct node *left, *right, *third;
  struct list words, assignments;
  struct redirect *redirects;
  struct case_item *items;
  char *name;
  char *text; /* source, to show in `jobs` */
};

enum parse_result { PARSED, PARSE_END, PARSE_INCOMPLETE, PARSE_ERROR };

/* Parses one complete command (up to a newline) from text[*at]. *tree is NULL for an empty line. */
enum parse_result parse(const char *text, u64 *at, struct node **tree, char **error);
/* The index after the $(...), ${...}, $((...)) or `...` that starts at text[at]; 0 if it has no end. */
u64 skip_substitution(const char *text, u64 at);
int is_name(const char *text, u64 length);

/* ---- expansion ---- */

void expand_word(const char *word, struct list *fields); /* splits, globs */
char *expand_single(const char *word);                   /* neither: assignments, case, redirections */
char *expand_pattern(const char *word);                  /* quoted characters come out with a backslash */
char *expand_here(const char *text);
int arithmetic(const char *expression, i64 *value);
/* Set by a command substitution: $? is then the status of a command that is all assignments. */
extern int substituted;

/* ---- state ---- */

struct variable {
  char *name, *value; /* kept; value may be NULL */
  int exported;
  struct variable *next;
};
struct function {
  char *name, *text; /* kept */
  struct function *next;
};
extern struct function *functions;

char *variable(const char *name); /* or NULL */
void set_variable(const char *name, const char *value, int exported);
struct variable *find_variable(const char *name);
void unset_variable(const char *name);
extern struct variable *variables;

struct parameters {
  int count;
  char **items; /* $1 ... */
};
extern struct parameters parameters;
extern char *shell_name; /* $0 */
extern int last_status;
extern i64 last_background; /* $! */
extern i64 shell_pid;
extern int interactive, exit_on_error, trace_commands, no_glob;

enum unwind { U_NONE, U_BREAK, U_CONTINUE, U_RETURN, U_EXIT, U_INTERRUPT };
extern enum unwind unwinding;
extern int unwind_levels, loop_depth, function_depth;
extern volatile int interrupted;

/* ---- execution ---- */

int run(struct node *n);
int run_text(const char *text); /* all of it; reports syntax errors */
int run_file(const char *path); /* `.` and scripts */
void run_in_child(struct node *n) __attribute__((noreturn));
/* The path of a program, by PATH; NULL if there is none. */
char *find_program(const char *name);
void exec_program(char **argv) __attribute__((noreturn));
char **exported(void);
/* Runs a command of this program inside the shell. */
int run_inside(command *c, int argc, char **argv);

/* ---- jobs ---- */

struct process {
  i64 pid;
  int status;
  int done, stopped;
};
struct job {
  int used, number;
  i64 group;
  int count;
  struct process processes[24];
  int foreground, reported_stop;
  char *text; /* kept */
};
struct job *new_job(const char *text);
/* fork(2); in the child: the group, the terminal and the signals are right. Negative when it failed. */
i64 fork_into(struct job *job, int foreground);
void forget_job(struct job *job);
int wait_for_job(struct job *job); /* the last process's status; tells of stops and signals */
void reap(int tell);
int resume_job(struct job *job, int foreground);
struct job *job_by_name(const char *name); /* "%1", "%%", NULL for the current one; complains */
struct job *job_of_process(i64 pid);
extern struct job jobs[16];
extern int terminal;
void show_job(const struct job *job);
int job_stopped(const struct job *job);
int job_done(const struct job *job);
int status_of(int wait_status);

/* ---- builtins ---- */

command *find_builtin(const char *name);
const char *builtin_name(u64 index);
/* break, return and the like, whose assignments stay (POSIX's special builtins). */
int is_special(const char *name);
void save_local(const char *name);
void restore_locals(void *before);
extern struct local *locals;

/* ---- the line editor ---- */

/* A line without its newline; NULL at the end of input. *cancelled: ctrl-C. */
char *edit_line(const char *prompt, int *cancelled);
extern int echo_from_now_on;
void add_history(const char *line);
const char *history_line(u64 index); /* from the oldest; NULL at the end */
extern u64 history_first;

#endif
