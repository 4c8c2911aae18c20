/*
 * Where the program starts, and the names it answers to: process 1 is init; otherwise the name it was called by says which
 * command it is. `userland NAME ...` works as well.
 */
#include "commands.h"

/*
 * The note by which the kernel knows its own programs (and refuses others):
 *
 *   +---------+---------+---------+--------------------+-------------+
 *   | namesz  | descsz  | type    | "NetBSD\0" + 1 pad | version     |
 *   | 7       | 4       | 1       | 8 bytes            | 1000000000  |
 *   +---------+---------+---------+--------------------+-------------+
 *
 * The version is that of NetBSD 10.0, the oldest whose calls are used.
 */
__asm__(".pushsection .note.netbsd.ident, \"a\", @note\n"
        "\t.p2align 2\n"
        "\t.long 7, 4, 1\n"
        "\t.ascii \"NetBSD\\0\\0\"\n"
        "\t.long 1000000000\n"
        ".popsection\n");

/* Sorted by name. src/disk/netbsd-root.ts makes a link for each: `build.ts` tells when the two differ. */
static const struct {
  const char *name;
  command *run;
} commands[] = {
#define COMMAND(name, function) { name, function },
#include "commands.def"
#undef COMMAND
};

command *find_command(const char *name) {
  u64 low = 0, high = COUNT(commands);
  while (low < high) {
    const u64 middle = (low + high) / 2;
    const int order = compare(name, commands[middle].name);
    if (order == 0) return commands[middle].run;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return NULL;
}

const char *command_name(u64 index) { return index < COUNT(commands) ? commands[index].name : NULL; }

/* From _start, which is each port's own; the stack holds argc, argv, NULL, envp, NULL. */
__attribute__((used, noreturn)) void start(word *stack) {
  int argc = (int)stack[0];
  char **argv = (char **)(stack + 1);
  environment = argv + argc + 1;
  if (sys_getpid() == 1) init_main();
  const char *name = argc > 0 ? base_name(argv[0]) : "sh";
  if (*name == '-') name++;
  if (same(name, "userland") || same(name, "init")) {
    if (argc < 2) {
      complain("%s: which command? For instance: %s ls", name, name);
      leave(2);
    }
    argc--;
    argv++;
    name = argv[0];
  }
  command *run = find_command(name);
  program = name;
  if (run == NULL) {
    complain("%s: this program has no such command", name);
    leave(127);
  }
  leave(run(argc, argv));
}
