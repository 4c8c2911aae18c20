/* virtio-rng. Spec: virtio 1.2 section 5.4. */
#include "virtio.h"

static struct virtio *rng;
static u8 buffer[64];

s64 random_bytes(void *to, u32 size) {
  if (!rng) return -1;
  struct segment segment = {buffer, MIN(size, sizeof buffer), true};
  s64 got = virtq_request(rng, 0, &segment, 1);
  if (got > 0) memcpy(to, buffer, MIN((u64)got, sizeof buffer));
  return got;
}

NOINLINE void virtio_rng_attach(struct virtio *v) {
  if (rng || !virtio_negotiate(v, 0) || !virtq_setup(v, 0) || !virtio_start(v)) return;
  rng = v;
  u8 bytes[8] = {0};
  s64 got = random_bytes(bytes, sizeof bytes);
  if (got <= 0) printf("rng0: no answer within a second\n");
  else printf("rng0: %lu bytes, first %02x%02x%02x%02x\n", got, bytes[0], bytes[1], bytes[2], bytes[3]);
}
