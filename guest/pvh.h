/*
 * Xen's PVH start-of-day structures.
 * Spec: xen/include/public/arch-x86/hvm/start_info.h.
 */
#pragma once
#include "kernel.h"

#define XEN_HVM_START_MAGIC_VALUE 0x336ec578

/* xen/include/public/arch-x86/hvm/start_info.h: E820 numbers. */
#define XEN_HVM_MEMMAP_TYPE_RAM 1
#define XEN_HVM_MEMMAP_TYPE_RESERVED 2
#define XEN_HVM_MEMMAP_TYPE_ACPI 3
#define XEN_HVM_MEMMAP_TYPE_NVS 4

struct hvm_start_info {
  u32 magic;
  u32 version;
  u32 flags;
  u32 nr_modules;
  u64 modlist_paddr;
  u64 cmdline_paddr;
  u64 rsdp_paddr;
  /* From version 1. */
  u64 memmap_paddr;
  u32 memmap_entries;
  u32 reserved;
};

struct hvm_modlist_entry {
  u64 paddr;
  u64 size;
  u64 cmdline_paddr;
  u64 reserved;
};

struct hvm_memmap_table_entry {
  u64 addr;
  u64 size;
  u32 type;
  u32 reserved;
};
