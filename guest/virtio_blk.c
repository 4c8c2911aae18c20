/*
 * virtio-blk: read, write, flush, identity.
 * Spec: virtio 1.2 section 5.2. Missing on purpose: discard, write zeroes, more than one queue, requests in parallel.
 */
#include "virtio.h"

#define VIRTIO_BLK_F_RO (1UL << 5)
#define VIRTIO_BLK_F_BLK_SIZE (1UL << 6)
#define VIRTIO_BLK_F_FLUSH (1UL << 9)
#define VIRTIO_BLK_T_IN 0
#define VIRTIO_BLK_T_OUT 1
#define VIRTIO_BLK_T_FLUSH 4
#define VIRTIO_BLK_T_GET_ID 8
#define VIRTIO_BLK_S_OK 0
#define VIRTIO_BLK_S_UNSUPP 2

struct virtio_blk_req {
  u32 type, reserved;
  u64 sector;
  u8 status;
};

struct disk disks[DISKS_MAX];
u32 disks_count;
static struct virtio_blk_req request;

static NOINLINE const char *disk_request(struct disk *d, u32 type, u64 sector, void *data, u32 size) {
  request = (struct virtio_blk_req){type, 0, sector, 0xff};
  struct segment segments[3] = {{&request, 16, false}, {data, size, type != VIRTIO_BLK_T_OUT}, {&request.status, 1, true}};
  s64 written = data ? virtq_request(d->device, 0, segments, 3)
                     : virtq_request(d->device, 0, (struct segment[]){segments[0], segments[2]}, 2);
  if (written < 0) return "no answer within a second";
  if (request.status == VIRTIO_BLK_S_OK) return NULL;
  return request.status == VIRTIO_BLK_S_UNSUPP ? "the device does not support it" : "the device reports an I/O error";
}

const char *disk_read(struct disk *d, u64 sector, void *to, u32 sectors) {
  if (sector + sectors > d->sectors) return "past the end of the disk";
  return disk_request(d, VIRTIO_BLK_T_IN, sector, to, sectors * 512);
}

const char *disk_write(struct disk *d, u64 sector, const void *from, u32 sectors) {
  if (d->read_only) return "the disk is read-only";
  if (sector + sectors > d->sectors) return "past the end of the disk";
  return disk_request(d, VIRTIO_BLK_T_OUT, sector, (void *)from, sectors * 512);
}

const char *disk_flush(struct disk *d) {
  if (!d->can_flush) return "the device offers no flush";
  return disk_request(d, VIRTIO_BLK_T_FLUSH, 0, NULL, 0);
}

NOINLINE void virtio_blk_attach(struct virtio *v) {
  if (disks_count == DISKS_MAX || !virtio_negotiate(v, VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH))
    return;
  if (!virtq_setup(v, 0) || !virtio_start(v)) return;
  struct disk *d = &disks[disks_count];
  d->device = v;
  d->sectors = (u64)virtio_config32(v, 4) << 32 | virtio_config32(v, 0);
  d->read_only = v->features & VIRTIO_BLK_F_RO;
  d->can_flush = v->features & VIRTIO_BLK_F_FLUSH;
  static char id[21];
  const char *error = disk_request(d, VIRTIO_BLK_T_GET_ID, 0, id, 20);
  if (!error) memcpy(d->id, id, 20);
  printf("ld%u: %lu sectors of 512 bytes%s%s, id \"%s\"%s%s\n", disks_count, d->sectors,
         d->read_only ? ", read-only" : "", d->can_flush ? ", flush" : "", d->id, error ? ": " : "", error ? error : "");
  disks_count++;
}
