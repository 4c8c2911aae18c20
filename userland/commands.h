/*
 * The program's commands; commands.def has their names.
 */
#ifndef USERLAND_COMMANDS_H
#define USERLAND_COMMANDS_H

#include "lib.h"

#define COMMAND(name, function) command function;
#include "commands.def"
#undef COMMAND

__attribute__((noreturn)) void init_main(void);

#endif
