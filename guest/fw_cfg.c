/*
 * QEMU's fw_cfg: signature and file list, and what `-fw_cfg name=opt/...` put there.
 * Spec: QEMU docs/specs/fw_cfg.rst. Missing on purpose: the DMA interface.
 */
#include "x86.h"

#define FW_CFG_SELECTOR 0x510
#define FW_CFG_DATA 0x511
#define FW_CFG_SIGNATURE 0x0000
#define FW_CFG_ID 0x0001
#define FW_CFG_FILE_DIR 0x0019

struct fw_cfg_file { /* big-endian */
  u32 size;
  u16 select, reserved;
  char name[56];
};

static void fw_cfg_read(u16 key, void *to, u64 size) {
  outw(FW_CFG_SELECTOR, key);
  insb(FW_CFG_DATA, to, size);
}

NOINLINE void fw_cfg_probe(void) {
  char signature[4];
  fw_cfg_read(FW_CFG_SIGNATURE, signature, 4);
  if (memcmp(signature, "QEMU", 4)) {
    printf("fw_cfg: none\n");
    return;
  }
  u32 id, count;
  fw_cfg_read(FW_CFG_ID, &id, 4);
  fw_cfg_read(FW_CFG_FILE_DIR, &count, 4);
  count = MIN(__builtin_bswap32(count), 64);
  printf("fw_cfg: \"QEMU\" at 0x510, features 0x%x, %u files\n", id, count);
  static struct fw_cfg_file files[64];
  insb(FW_CFG_DATA, files, count * sizeof files[0]); /* the directory goes on where the count ended */
  for (u32 i = 0; i < count; i++) {
    u32 size = __builtin_bswap32(files[i].size);
    files[i].name[55] = 0;
    printf("  %s, %u bytes", files[i].name, size);
    if (!strncmp(files[i].name, "opt/", 4)) {
      char text[61] = {0};
      fw_cfg_read(__builtin_bswap16(files[i].select), text, MIN(size, 60));
      for (u32 c = 0; text[c]; c++)
        if ((u8)text[c] < 0x20 || (u8)text[c] > 0x7e) text[c] = '.';
      printf(": \"%s\"", text);
    }
    printf("\n");
  }
}
