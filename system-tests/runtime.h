/*
 * What every test program shares: types, the serial port, ports, and the one line per result.
 * A program prints "name value" lines, then "end", and leaves through isa-debug-exit.
 */
#pragma once
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long uptr;

/* The literal "vector" values of a result that is no exception. */
#define EXIT_VECTOR 0x80 /* INT 0x80, which ends every snippet */

void put(const char *s);
/* %s, %d, %x (32 bits), %X (64 bits), %c, %% */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void finish(void) __attribute__((noreturn));
void fill(void *to, int value, u32 bytes);
void copy(void *to, const void *from, u32 bytes);
int has_word(const char *line, const char *word);
/* "#PF(7)" or "ok" or "int 21" */
void put_vector(u32 vector, u32 error);
extern const char *command_line;

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port)); }
static inline u8 inb(u16 port) {
  u8 v;
  __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
  return v;
}

#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

#define CR0_PE 0x1u
#define CR0_MP 0x2u
#define CR0_EM 0x4u
#define CR0_TS 0x8u
#define CR0_NE 0x20u
#define CR0_WP 0x10000u
#define CR0_AM 0x40000u
#define CR0_NW 0x20000000u
#define CR0_CD 0x40000000u
#define CR0_PG 0x80000000u
#define CR4_TSD 0x4u
#define CR4_DE 0x8u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
#define CR4_PGE 0x80u
#define CR4_PCE 0x100u
#define CR4_OSFXSR 0x200u
#define CR4_OSXMMEXCPT 0x400u
#define CR4_UMIP 0x800u
#define CR4_FSGSBASE 0x10000u
#define CR4_PCIDE 0x20000u
#define CR4_OSXSAVE 0x40000u
#define CR4_SMEP 0x100000u
#define CR4_SMAP 0x200000u
#define EFER_SCE 0x1u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u
#define EFER_NXE 0x800u

#define FL_CF 0x1u
#define FL_TF 0x100u
#define FL_IF 0x200u
#define FL_DF 0x400u
#define FL_OF 0x800u
#define FL_IOPL3 0x3000u
#define FL_NT 0x4000u
#define FL_RF 0x10000u
#define FL_VM 0x20000u
#define FL_AC 0x40000u
#define FL_ID 0x200000u
