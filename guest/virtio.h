/* virtio: what the transport offers to the drivers, and what the drivers offer to the prompt. */
#pragma once
#include "kernel.h"

#define VIRTIO_F_VERSION_1 (1UL << 32)
#define VIRTIO_ID_NET 1
#define VIRTIO_ID_BLOCK 2
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_ENTROPY 4

#define VIRTQ_SIZE 64
#define VIRTIO_QUEUES 6

struct virtq {
  u16 size, last_used, next_free, free_count;
  volatile struct virtq_desc *desc;
  volatile struct virtq_avail *avail;
  volatile struct virtq_used *used;
};

struct virtio {
  u64 paddr, size;
  int irq;
  u32 device_id;
  u64 offered, features;
  u64 interrupts;
  bool ready;
  struct virtq queues[VIRTIO_QUEUES];
};

struct segment {
  const void *address;
  u32 size;
  bool device_writes;
};

/* virtio.c */
void virtio_probe(void);
void virtio_print(void);
struct virtio *virtio_find(u32 device_id);
bool virtio_negotiate(struct virtio *, u64 wanted);
bool virtq_setup(struct virtio *, u32 index);
bool virtio_start(struct virtio *);
/* Puts a chain in the available ring; its head, or -1 when the queue is full. The device is told by virtq_kick. */
int virtq_add(struct virtio *, u32 queue, const struct segment *, u32 count);
void virtq_kick(struct virtio *, u32 queue);
/* The head of the next used chain with the bytes written, or -1. Frees its descriptors. */
int virtq_pop(struct virtio *, u32 queue, u32 *length);
/* Adds, kicks, and halts until the chain comes back; the bytes written, or -1 after a second. */
s64 virtq_request(struct virtio *, u32 queue, const struct segment *, u32 count);
u8 virtio_config8(struct virtio *, u32 offset);
u16 virtio_config16(struct virtio *, u32 offset);
u32 virtio_config32(struct virtio *, u32 offset);

/* virtio_blk.c */
struct disk {
  struct virtio *device;
  u64 sectors;
  bool read_only, can_flush;
  char id[21];
};
#define DISKS_MAX 4
extern struct disk disks[DISKS_MAX];
extern u32 disks_count;
void virtio_blk_attach(struct virtio *);
/* NULL, or why not. */
const char *disk_read(struct disk *, u64 sector, void *to, u32 sectors);
const char *disk_write(struct disk *, u64 sector, const void *from, u32 sectors);
const char *disk_flush(struct disk *);

/* virtio_rng.c */
void virtio_rng_attach(struct virtio *);
s64 random_bytes(void *to, u32 size);

/* virtio_console.c */
void virtio_console_attach(struct virtio *);
bool virtio_console_ready(void);
void virtio_console_write(const char *text, size_t size);

/* virtio_net.c */
void virtio_net_attach(struct virtio *);
void net_show(void);
bool net_dhcp(void);
bool net_ping(u32 address, u32 count);
bool net_present(void);
bool parse_ip(const char *text, u32 *address);
