/*
 * virtio over MMIO, version 2 registers, split virtqueues, one 4 KiB page a queue.
 * Spec: virtio 1.2, sections 2.7 (split virtqueues), 3.1 (initialization), 4.2 (MMIO).
 * Missing on purpose: legacy (version 1) transports, indirect descriptors, event index, reset of a single queue.
 */
#include "virtio.h"
#include "x86.h"

/* virtio 1.2 section 4.2.2, table 4.1. */
#define MagicValue 0x000
#define Version 0x004
#define DeviceID 0x008
#define DeviceFeatures 0x010
#define DeviceFeaturesSel 0x014
#define DriverFeatures 0x020
#define DriverFeaturesSel 0x024
#define QueueSel 0x030
#define QueueNumMax 0x034
#define QueueNum 0x038
#define QueueReady 0x044
#define QueueNotify 0x050
#define InterruptStatus 0x060
#define InterruptACK 0x064
#define Status 0x070
#define QueueDescLow 0x080
#define QueueDescHigh 0x084
#define QueueDriverLow 0x090
#define QueueDriverHigh 0x094
#define QueueDeviceLow 0x0a0
#define QueueDeviceHigh 0x0a4
#define ConfigGeneration 0x0fc
#define Config 0x100

#define MAGIC 0x74726976 /* "virt" */
#define ACKNOWLEDGE 1
#define DRIVER 2
#define DRIVER_OK 4
#define FEATURES_OK 8
#define FAILED 128

#define VIRTQ_DESC_F_NEXT 1
#define VIRTQ_DESC_F_WRITE 2

struct virtq_desc {
  u64 addr;
  u32 len;
  u16 flags, next;
};
struct virtq_avail {
  u16 flags, idx, ring[];
};
struct virtq_used {
  u16 flags, idx;
  struct {
    u32 id, len;
  } ring[];
};

/* The slots of QEMU's microvm, for a loader that names none: hw/i386/microvm.c. */
#define SLOTS_BASE 0xfeb00000UL
#define SLOT_SIZE 0x200UL
#define SLOTS 8
#define SLOTS_IRQ 5

#define DEVICES_MAX 16
static struct virtio devices[DEVICES_MAX];
static u32 devices_count;

static u32 reg_read(const struct virtio *v, u32 reg) { return mmio_read32(DIRECT_MAP + v->paddr + reg); }
static void reg_write(const struct virtio *v, u32 reg, u32 value) { mmio_write32(DIRECT_MAP + v->paddr + reg, value); }
u8 virtio_config8(struct virtio *v, u32 offset) { return mmio_read8(DIRECT_MAP + v->paddr + Config + offset); }
u16 virtio_config16(struct virtio *v, u32 offset) { return mmio_read16(DIRECT_MAP + v->paddr + Config + offset); }
u32 virtio_config32(struct virtio *v, u32 offset) { return mmio_read32(DIRECT_MAP + v->paddr + Config + offset); }

static void virtio_interrupt(int irq) {
  for (u32 i = 0; i < devices_count; i++) {
    struct virtio *v = &devices[i];
    if (v->irq != irq || !v->ready) continue;
    u32 status = reg_read(v, InterruptStatus);
    if (!status) continue;
    reg_write(v, InterruptACK, status);
    v->interrupts++;
    if (v->device_id == VIRTIO_ID_CONSOLE) {
      extern void virtio_console_interrupt(void);
      virtio_console_interrupt();
    }
  }
}

/* virtio 1.2 section 3.1.1, steps 1 to 6. */
bool virtio_negotiate(struct virtio *v, u64 wanted) {
  reg_write(v, Status, 0);
  reg_write(v, Status, ACKNOWLEDGE);
  reg_write(v, Status, ACKNOWLEDGE | DRIVER);
  for (u32 word = 0; word < 2; word++) {
    reg_write(v, DeviceFeaturesSel, word);
    v->offered |= (u64)reg_read(v, DeviceFeatures) << 32 * word;
  }
  v->features = v->offered & (wanted | VIRTIO_F_VERSION_1);
  for (u32 word = 0; word < 2; word++) {
    reg_write(v, DriverFeaturesSel, word);
    reg_write(v, DriverFeatures, (u32)(v->features >> 32 * word));
  }
  reg_write(v, Status, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  if (!(v->features & VIRTIO_F_VERSION_1) || !(reg_read(v, Status) & FEATURES_OK)) {
    reg_write(v, Status, FAILED);
    printf("virtio: the device at 0x%lx refused features 0x%lx of 0x%lx\n", v->paddr, v->features, v->offered);
    return false;
  }
  return true;
}

/* Descriptors at 0, available ring at 1 KiB, used ring at 2 KiB of one page: 64 entries fit each. */
bool virtq_setup(struct virtio *v, u32 index) {
  struct virtq *q = &v->queues[index];
  reg_write(v, QueueSel, index);
  u32 max = reg_read(v, QueueNumMax);
  if (!max || reg_read(v, QueueReady)) {
    printf("virtio: the device at 0x%lx has no queue %u\n", v->paddr, index);
    return false;
  }
  u8 *page = pages_alloc(PAGE, PAGE);
  q->size = (u16)MIN(max, VIRTQ_SIZE);
  q->desc = (void *)page;
  q->avail = (void *)(page + 1024);
  q->used = (void *)(page + 2048);
  q->free_count = q->size;
  for (u16 i = 0; i < q->size; i++) q->desc[i].next = (u16)(i + 1);
  u64 paddr = vtophys(page);
  reg_write(v, QueueNum, q->size);
  reg_write(v, QueueDescLow, (u32)paddr);
  reg_write(v, QueueDescHigh, (u32)(paddr >> 32));
  reg_write(v, QueueDriverLow, (u32)(paddr + 1024));
  reg_write(v, QueueDriverHigh, (u32)((paddr + 1024) >> 32));
  reg_write(v, QueueDeviceLow, (u32)(paddr + 2048));
  reg_write(v, QueueDeviceHigh, (u32)((paddr + 2048) >> 32));
  reg_write(v, QueueReady, 1);
  return true;
}

bool virtio_start(struct virtio *v) {
  v->ready = true;
  irq_establish(v->irq, true, virtio_interrupt);
  reg_write(v, Status, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
  return true;
}

int virtq_add(struct virtio *v, u32 queue, const struct segment *segments, u32 count) {
  struct virtq *q = &v->queues[queue];
  if (q->free_count < count) return -1;
  u16 head = q->next_free, at = head;
  for (u32 i = 0; i < count; i++) {
    volatile struct virtq_desc *d = &q->desc[at];
    d->addr = vtophys(segments[i].address);
    d->len = segments[i].size;
    d->flags = (u16)((segments[i].device_writes ? VIRTQ_DESC_F_WRITE : 0) | (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0));
    at = d->next;
  }
  q->next_free = at;
  q->free_count = (u16)(q->free_count - count);
  q->avail->ring[q->avail->idx % q->size] = head;
  __asm__ volatile("" ::: "memory"); /* x86 keeps the order of stores; the compiler has to as well */
  q->avail->idx++;
  return head;
}

void virtq_kick(struct virtio *v, u32 queue) {
  __asm__ volatile("mfence" ::: "memory");
  reg_write(v, QueueNotify, queue);
}

int virtq_pop(struct virtio *v, u32 queue, u32 *length) {
  struct virtq *q = &v->queues[queue];
  if (q->used->idx == q->last_used) return -1;
  u32 slot = q->last_used++ % q->size;
  u16 head = (u16)q->used->ring[slot].id, last = head;
  if (length) *length = q->used->ring[slot].len;
  u16 count = 1;
  for (; q->desc[last].flags & VIRTQ_DESC_F_NEXT; count++) last = q->desc[last].next;
  q->desc[last].next = q->next_free;
  q->next_free = head;
  q->free_count = (u16)(q->free_count + count);
  return head;
}

static bool virtq_has_used(void *queue) {
  const struct virtq *q = queue;
  return q->used->idx != q->last_used;
}

s64 virtq_request(struct virtio *v, u32 queue, const struct segment *segments, u32 count) {
  if (virtq_add(v, queue, segments, count) < 0) return -1;
  virtq_kick(v, queue);
  u32 length;
  if (!wait_for(virtq_has_used, &v->queues[queue], 1000000) || virtq_pop(v, queue, &length) < 0) return -1;
  return length;
}

struct virtio *virtio_find(u32 device_id) {
  for (u32 i = 0; i < devices_count; i++)
    if (devices[i].device_id == device_id && devices[i].ready) return &devices[i];
  return NULL;
}

static const char *device_name(u32 id) {
  static const char *const names[] = {"no device", "network", "block", "console", "entropy", "balloon"};
  return id < COUNT_OF(names) ? names[id] : "unknown";
}

static NOINLINE void virtio_attach(u64 paddr, u64 size, int irq) {
  if (devices_count == DEVICES_MAX) return;
  struct virtio *v = &devices[devices_count];
  v->paddr = paddr;
  v->size = size;
  v->irq = irq;
  if (paddr > 0xfffff000 || reg_read(v, MagicValue) != MAGIC) {
    printf("virtio at 0x%lx: nothing answers\n", paddr);
    return;
  }
  u32 version = reg_read(v, Version);
  v->device_id = reg_read(v, DeviceID);
  if (!v->device_id) return;
  printf("virtio at 0x%lx irq %d: %s (id %u), version %u\n", paddr, irq, device_name(v->device_id), v->device_id,
         version);
  if (version != 2) {
    printf("  a legacy transport, left alone\n");
    return;
  }
  devices_count++;
  switch (v->device_id) {
    case VIRTIO_ID_NET: virtio_net_attach(v); break;
    case VIRTIO_ID_BLOCK: virtio_blk_attach(v); break;
    case VIRTIO_ID_CONSOLE: virtio_console_attach(v); break;
    case VIRTIO_ID_ENTROPY: virtio_rng_attach(v); break;
    default: printf("  no driver\n");
  }
}

/* virtio_mmio.device=<size>@<base>:<irq>, as the Linux parameter: size may end in K. */
NOINLINE void virtio_probe(void) {
  const char *option = NULL;
  u32 told = 0;
  while ((option = cmdline_option("virtio_mmio.device", option))) {
    u64 size = 0, base = 0, irq = 0;
    const char *p = option;
    told++;
    bool understood = parse_number(&p, &size);
    if ((*p | 32) == 'k') size *= KiB, p++;
    understood = understood && *p++ == '@' && parse_number(&p, &base) && *p++ == ':' && parse_number(&p, &irq);
    if (!understood) {
      printf("virtio: a virtio_mmio.device on the command line is not <size>@<base>:<irq>\n");
      continue;
    }
    virtio_attach(base, size, (int)irq);
  }
  if (told) return;
  for (u32 i = 0; i < SLOTS; i++)
    if (mmio_read32(DIRECT_MAP + SLOTS_BASE + i * SLOT_SIZE) == MAGIC)
      virtio_attach(SLOTS_BASE + i * SLOT_SIZE, SLOT_SIZE, SLOTS_IRQ + (int)i);
  if (!devices_count) printf("virtio: none\n");
}

NOINLINE void virtio_print(void) {
  for (u32 i = 0; i < devices_count; i++)
    printf("virtio at 0x%lx irq %d: %s, features 0x%lx of 0x%lx, %lu interrupts\n", devices[i].paddr, devices[i].irq,
           device_name(devices[i].device_id), devices[i].features, devices[i].offered, devices[i].interrupts);
}
