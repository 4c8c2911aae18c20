/*
 * What a program without libc needs most: text, memory, output, numbers, sentences about errors.
 */
#ifndef USERLAND_LIB_H
#define USERLAND_LIB_H

#include "netbsd.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PATH_SIZE 1024

typedef __builtin_va_list va_list;
#define va_start __builtin_va_start
#define va_end __builtin_va_end
#define va_arg __builtin_va_arg
#define NULL ((void *)0)

void *memcpy(void *to, const void *from, word size);
void *memmove(void *to, const void *from, word size);
void *memset(void *to, int byte, word size);
int memcmp(const void *a, const void *b, word size);

/* Text. */
u64 length_of(const char *text);
int compare(const char *a, const char *b);
int same(const char *a, const char *b);
int starts_with(const char *text, const char *start);
char *find_char(const char *text, int wanted); /* or NULL */
char *find_last(const char *text, int wanted); /* or NULL */
const char *base_name(const char *path);
int is_space(int c);
int is_digit(int c);
int is_alpha(int c); /* a letter or _ */
int lower(int c);
int upper(int c);
/* Shell pattern: * ? [a-z] [!a-z] and \. */
int matches_pattern(const char *pattern, const char *text);
/* A whole decimal number, perhaps negative. False if text is none. */
int parse_number(const char *text, i64 *value);
/* 0x..., 0... or decimal; *end is the first byte that is no digit. */
i64 number_at(const char *text, const char **end);

/*
 * Memory. The arena only grows; release() gives back everything allocated since mark(). What must live longer than a
 * command (variables, history) is kept: a separate pool of power-of-two pieces.
 */
void *alloc(u64 size); /* zeroed; ends the program when there is no memory */
char *duplicate(const char *text);
char *duplicate_bytes(const char *bytes, u64 length);
char *join2(const char *a, const char *b);
char *join3(const char *a, const char *b, const char *c);
void *mark(void);
void release(void *mark);
char *keep(const char *text);
void *keep_bytes(const void *bytes, u64 size);
void discard(void *kept);

/* A growing string in the arena. bytes is always ended by a 0. */
struct text {
  char *bytes;
  u64 length, room;
};
void text_add(struct text *t, const char *bytes, u64 length);
void text_put(struct text *t, const char *text);
void text_char(struct text *t, int c);

/* A growing list of strings, ended by NULL. */
struct list {
  char **items;
  u64 count, room;
};
void list_add(struct list *l, char *item);
void list_sort(struct list *l);
void sort_strings(char **items, u64 count, int (*order)(const char *, const char *));

/* Output on descriptor 1 is gathered and written by flush(), and before anything goes to descriptor 2. */
void put_bytes(const char *bytes, u64 length);
void put(const char *text);
void put_char(int c);
int flush(void); /* 0 or -errno, from the first failure since the last flush */
/* %s %c %d %u %x %o %%, with -, 0, width or *, and .precision for %s. Every number is 64 bits wide: cast it. */
void say(const char *format, ...);
void complain(const char *format, ...);
char *print(const char *format, ...); /* into the arena */

/* The running command's name, for complaints; its status on exit when something failed but the rest went on. */
extern const char *program;
extern char **environment;

const char *reason(i64 result); /* "no such file or directory", for -ENOENT */
/* "cat: cannot open /x: no such file or directory", and true, when result is an error. */
int failed(i64 result, const char *verb, const char *object);
/* Ends the program; a command that runs inside the shell comes back to run_inside() instead. */
__attribute__((noreturn)) void leave(int status);
extern void *leave_point[5];
extern int leave_armed, leave_status;
__attribute__((noreturn)) void usage(const char *arguments);

/* Environment. */
char *get_env(const char *name);

/* Files. */
i64 write_all(int fd, const char *bytes, u64 length); /* 0 or -errno */
char *read_all(int fd, u64 *length, i64 *error); /* the rest of a file, in the arena, ended by a 0 */
struct reader { /* lines */
  int fd;
  u64 at, end;
  int finished;
  char bytes[8192];
};
void reader_open(struct reader *r, int fd);
int read_char(struct reader *r); /* or -1 */
int read_line(struct reader *r, struct text *line); /* without \n; false at the end */
char *path_join(const char *directory, const char *name);
struct directory {
  int fd;
  i64 at, end;
  char bytes[4096];
};
i64 directory_open(struct directory *d, const char *path);
struct dirent *directory_next(struct directory *d); /* neither . nor ..; NULL at the end, when it closes itself */

/* Options: letters before the operands. Returns a bit set; *argv moves to the first operand. Unknown: usage(). */
u64 options(char ***argv, const char *letters, const char *arguments);
#define BIT(letter) (1ull << ((letter) & 63))
#define HAS(set, letter) (((set) & BIT(letter)) != 0)

/* Time. */
struct calendar {
  i64 year;
  int month, day, hour, minute, second, weekday, yearday; /* month and day from 1 */
};
void calendar_of(i64 seconds, struct calendar *c);
i64 seconds_of(const struct calendar *c);
void time_text(struct text *t, const char *format, i64 seconds); /* strftime(3)'s common letters, UTC */
extern const char *const month_names[12];

/* Signals by name: "INT", "SIGINT", "2". -1 if there is none. */
extern const char *const signal_names[NSIG];
extern const char *const signal_words[NSIG];
int signal_number(const char *name);
void on_signal(int signal, void (*handler)(int), int flags);
enum { SIG_SETMASK = 3 };
void unblock_signals(void);
void signal_return(void); /* each port's own: where a handler returns to */

/* "4.0K" and the like: at most four digits and a unit. */
char *human(u64 bytes);
char *user_name(u32 uid);
char *group_name(u32 gid);

/* The program's commands: a command gets its arguments and returns its exit status. */
typedef int command(int argc, char **argv);
command *find_command(const char *name);
const char *command_name(u64 index); /* NULL at the end */

#endif
