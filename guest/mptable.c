/*
 * The MP table: processors, IOAPIC, and which pin an ISA interrupt arrives at.
 * Spec: Intel MultiProcessor Specification 1.4, chapter 4.
 */
#include "kernel.h"

#define BDA_EBDA_SEGMENT 0x40e
#define BASE_MEMORY_LAST_KIB 0x9fc00

struct mp_floating {
  char signature[4]; /* "_MP_" */
  u32 table;
  u8 length, revision, checksum, feature[5];
} PACKED;

struct mp_header {
  char signature[4]; /* "PCMP" */
  u16 length;
  u8 revision, checksum;
  char oem[8], product[12];
  u32 oem_table;
  u16 oem_size, entries;
  u32 lapic;
  u16 extended_length;
  u8 extended_checksum, reserved;
} PACKED;

enum { MP_PROCESSOR, MP_BUS, MP_IOAPIC, MP_INTSRC, MP_LOCAL_INTSRC };

struct mp_processor {
  u8 type, lapic_id, lapic_version, flags;
  u32 signature, features, reserved[2];
} PACKED;
struct mp_bus {
  u8 type, id;
  char name[6];
} PACKED;
struct mp_ioapic {
  u8 type, id, version, flags;
  u32 address;
} PACKED;
struct mp_intsrc {
  u8 type, kind;
  u16 flags;
  u8 bus, bus_irq, apic, pin;
} PACKED;

static const char *const kinds[] = {"INT", "NMI", "SMI", "ExtINT"};
static u8 pins[24] = {2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};

int mptable_pin(int irq) { return pins[irq]; }

static bool sums_to_zero(const u8 *p, u32 length) {
  u8 sum = 0;
  for (u32 i = 0; i < length; i++) sum += p[i];
  return sum == 0;
}

static const struct mp_floating *search(u64 start, u64 size) {
  for (u64 p = start; p + 16 <= start + size; p += 16) {
    const struct mp_floating *f = physical(p);
    if (*(const u32 *)f->signature == 0x5f504d5f && sums_to_zero((const u8 *)f, 16)) return f;
  }
  return NULL;
}

static NOINLINE const struct mp_floating *mptable_search(void) {
  u64 ebda = (u64) * (const u16 *)physical(BDA_EBDA_SEGMENT) << 4;
  const struct mp_floating *f = NULL;
  if (ebda >= 0x10000 && ebda < 0xa0000) f = search(ebda, 1024);
  if (!f) f = search(BASE_MEMORY_LAST_KIB, 1024);
  if (!f) f = search(0xf0000, 0x10000);
  return f;
}

NOINLINE void mptable_probe(void) {
  const struct mp_floating *f = mptable_search();
  if (!f) {
    printf("mptable: none\n");
    return;
  }
  const struct mp_header *header = physical(f->table);
  if (*(const u32 *)header->signature != 0x504d4350 || !sums_to_zero((const u8 *)header, header->length)) {
    printf("mptable: the table at 0x%x is damaged\n", f->table);
    return;
  }
  printf("mptable: at 0x%lx, version 1.%u, LAPIC at 0x%x\n", vtophys(f), header->revision, header->lapic);
  const u8 *p = (const u8 *)(header + 1);
  u32 isa_bus = 256;
  char line[400];
  int n = 0;
  /* By length: qboot, which boots QEMU's microvm, leaves the count of entries 0. */
  for (const u8 *end = (const u8 *)header + header->length; p < end; p += *p == MP_PROCESSOR ? 20 : 8) {
    if (*p == MP_PROCESSOR) {
      const struct mp_processor *cpu = (const void *)p;
      printf("  processor %u%s%s\n", cpu->lapic_id, cpu->flags & 2 ? ", boot" : "", cpu->flags & 1 ? "" : ", disabled");
    } else if (*p == MP_BUS) {
      const struct mp_bus *bus = (const void *)p;
      if (!memcmp(bus->name, "ISA", 3)) isa_bus = bus->id;
    } else if (*p == MP_IOAPIC) {
      const struct mp_ioapic *ioapic = (const void *)p;
      printf("  ioapic %u at 0x%x%s\n", ioapic->id, ioapic->address, ioapic->flags & 1 ? "" : ", disabled");
    } else if (*p == MP_INTSRC) {
      const struct mp_intsrc *source = (const void *)p;
      if (source->bus == isa_bus && source->kind == 0 && source->bus_irq < 24) pins[source->bus_irq] = source->pin;
      if (n < 380)
        n += snprintf(line + n, sizeof line - (u64)n, source->kind ? " %s:%u>%u" : " %s%u>%u",
                      source->kind ? kinds[source->kind & 3] : "", source->bus_irq, source->pin);
    } else if (*p == MP_LOCAL_INTSRC) {
      const struct mp_intsrc *source = (const void *)p;
      printf("  local interrupt %s at LINT%u\n", kinds[source->kind & 3], source->pin);
    } else break;
  }
  if (n) printf("  interrupts irq>pin:%s\n", line);
}
