/*
 * What the loader told us, copied out of low memory before anything else is allocated.
 * Spec: xen/include/public/arch-x86/hvm/start_info.h.
 */
#include "pvh.h"

struct memory_range memmap[MEMMAP_MAX];
u32 memmap_entries;
char cmdline[4096];

static struct hvm_start_info start_info;
static u64 start_info_address;
static struct module modules[8];
static u32 modules_count;

static void copy_string(char *to, size_t size, u64 paddr) {
  const char *from = physical(paddr);
  size_t n = 0;
  if (paddr)
    for (; n + 1 < size && from[n]; n++) to[n] = from[n];
  to[n] = 0;
}

NOINLINE void pvh_init(u64 start_info_paddr) {
  start_info_address = start_info_paddr;
  memcpy(&start_info, physical(start_info_paddr), sizeof start_info);
  if (start_info.magic != XEN_HVM_START_MAGIC_VALUE)
    panic("hvm_start_info at 0x%lx has magic 0x%x, expected 0x%x", start_info_paddr, start_info.magic,
          XEN_HVM_START_MAGIC_VALUE);
  copy_string(cmdline, sizeof cmdline, start_info.cmdline_paddr);
  const struct hvm_modlist_entry *module = physical(start_info.modlist_paddr);
  for (u32 i = 0; i < start_info.nr_modules && modules_count < COUNT_OF(modules); i++) {
    struct module *m = &modules[modules_count++];
    m->paddr = module[i].paddr;
    m->size = module[i].size;
    copy_string(m->cmdline, sizeof m->cmdline, module[i].cmdline_paddr);
  }
  if (start_info.version < 1) panic("hvm_start_info has version %u: it has no memory map", start_info.version);
  const struct hvm_memmap_table_entry *entry = physical(start_info.memmap_paddr);
  for (u32 i = 0; i < start_info.memmap_entries && memmap_entries < MEMMAP_MAX; i++)
    if (entry[i].size) memmap[memmap_entries++] = (struct memory_range){entry[i].addr, entry[i].size, entry[i].type};
}

/* Modules are memory that the allocator must not hand out. */
u64 pvh_modules_overlap(u64 start, u64 end) {
  for (u32 i = 0; i < modules_count; i++)
    if (modules[i].size && modules[i].paddr < end && modules[i].paddr + modules[i].size > start) return modules[i].paddr;
  return 0;
}

u64 pvh_module_end(u64 paddr) {
  for (u32 i = 0; i < modules_count; i++)
    if (modules[i].paddr == paddr) return paddr + modules[i].size;
  return paddr;
}

NOINLINE void memmap_print(void) {
  static const char *const names[] = {"?", "RAM", "reserved", "ACPI", "NVS", "unusable"};
  for (u32 i = 0; i < memmap_entries; i++) {
    const struct memory_range *r = &memmap[i];
    printf("memory: %08lx-%08lx %s\n", r->addr, r->addr + r->size - 1, names[r->type < COUNT_OF(names) ? r->type : 0]);
  }
}

NOINLINE void pvh_print(void) {
  printf("pvh: start info version %u at 0x%lx, %u modules, %u memory ranges\n", start_info.version, start_info_address,
         start_info.nr_modules, start_info.memmap_entries);
  printf("command line: ");
  console_write(cmdline, strlen(cmdline));
  printf("\n");
  for (u32 i = 0; i < modules_count; i++)
    printf("module %u: 0x%lx, %lu bytes, \"%s\"\n", i, modules[i].paddr, modules[i].size, modules[i].cmdline);
  memmap_print();
}

const char *cmdline_option(const char *name, const char *after) {
  size_t length = strlen(name);
  bool quoted = false;
  for (const char *p = after ? after : cmdline; *p; p++) {
    if (*p == '"') quoted = !quoted;
    if (quoted || (p != cmdline && p[-1] != ' ')) continue;
    if (!strncmp(p, name, length) && p[length] == '=') return p + length + 1;
  }
  return NULL;
}

bool cmdline_is(const char *name, const char *value) {
  const char *v = cmdline_option(name, NULL);
  size_t length = strlen(value);
  return v && !strncmp(v, value, length) && (v[length] == 0 || v[length] == ' ');
}
