/**
 * The second extended file system on disk, revision 1 ("dynamic"), by the names of its documentation (Dave Poirier,
 * "The Second Extended File System: Internal Layout"; Linux Documentation/filesystems/ext2). All little-endian.
 *
 *   byte 0      1024          block s_first_data_block + 1
 *   +-----------+-------------+-----------------------+--------------+--------------+-------------+-------------
 *   | boot      | superblock  | group descriptors     | block bitmap | inode bitmap | inode table | data ...
 *   +-----------+-------------+-----------------------+--------------+--------------+-------------+-------------
 *               '----- block group 0; the first two recur in groups 1 and 3^n, 5^n, 7^n (sparse superblocks) ------
 *
 * A group is as many blocks as one block has bits, for its bitmap is one block.
 */

export const SUPERBLOCK_OFFSET = 1024
export const EXT2_SUPER_MAGIC = 0xef53

/** Byte offsets in the superblock. */
export const SB = {
  s_inodes_count: 0,
  s_blocks_count: 4,
  s_r_blocks_count: 8,
  s_free_blocks_count: 12,
  s_free_inodes_count: 16,
  /** The block that the superblock lies in: 1 where blocks have 1 KiB, else 0. */
  s_first_data_block: 20,
  /** Block size = 1024 << s_log_block_size. */
  s_log_block_size: 24,
  s_log_frag_size: 28,
  s_blocks_per_group: 32,
  s_frags_per_group: 36,
  s_inodes_per_group: 40,
  s_mtime: 44,
  s_wtime: 48,
  s_mnt_count: 52,
  s_max_mnt_count: 54,
  s_magic: 56,
  s_state: 58,
  s_errors: 60,
  s_minor_rev_level: 62,
  s_lastcheck: 64,
  s_checkinterval: 68,
  s_creator_os: 72,
  s_rev_level: 76,
  s_def_resuid: 80,
  s_def_resgid: 82,
  s_first_ino: 84,
  s_inode_size: 88,
  s_block_group_nr: 90,
  s_feature_compat: 92,
  s_feature_incompat: 96,
  s_feature_ro_compat: 100,
  s_uuid: 104,
  s_volume_name: 120,
} as const

export const UUID_BYTES = 16
export const VOLUME_NAME_BYTES = 16

export const EXT2_VALID_FS = 1
export const EXT2_ERRORS_CONTINUE = 1
export const EXT2_OS_LINUX = 0
export const EXT2_DYNAMIC_REV = 1

export const FEATURE_INCOMPAT_FILETYPE = 0x2
export const FEATURE_RO_COMPAT_SPARSE_SUPER = 0x1
/** Files of 2 GiB and more: i_size_high counts. */
export const FEATURE_RO_COMPAT_LARGE_FILE = 0x2

/** Byte offsets in a group descriptor. */
export const BG = {
  bg_block_bitmap: 0,
  bg_inode_bitmap: 4,
  bg_inode_table: 8,
  bg_free_blocks_count: 12,
  bg_free_inodes_count: 14,
  bg_used_dirs_count: 16,
} as const
export const GROUP_DESCRIPTOR_BYTES = 32

/** Byte offsets in an inode. The first 128 bytes are the same in every revision. */
export const I = {
  i_mode: 0,
  i_uid: 2,
  i_size: 4,
  i_atime: 8,
  i_ctime: 12,
  i_mtime: 16,
  i_dtime: 20,
  i_gid: 24,
  i_links_count: 26,
  /** In sectors of 512 bytes, indirect blocks included. */
  i_blocks: 28,
  i_flags: 32,
  i_block: 40,
  i_generation: 100,
  i_file_acl: 104,
  /** Of a directory: i_dir_acl. */
  i_size_high: 108,
  i_uid_high: 120,
  i_gid_high: 122,
} as const
export const INODE_BYTES = 128

/**
 * i_block: where a file's blocks are. 0 stands for a hole at every level.
 *
 *   i_block[0..11] ------------------------------> data
 *   i_block[12]    -------------------> indirect -> data
 *   i_block[13]    ---------> indirect -> indirect -> data
 *   i_block[14]    -> indirect -> indirect -> indirect -> data
 */
export const EXT2_NDIR_BLOCKS = 12
export const EXT2_N_BLOCKS = 15
/** A symbolic link shorter than this lies in i_block itself. */
export const FAST_SYMLINK_BYTES = 60

export const EXT2_ROOT_INO = 2
/** The first inode that is not reserved. */
export const EXT2_FIRST_INO = 11

export const S_IFMT = 0xf000
export const S_IFIFO = 0x1000
export const S_IFCHR = 0x2000
export const S_IFDIR = 0x4000
export const S_IFBLK = 0x6000
export const S_IFREG = 0x8000
export const S_IFLNK = 0xa000
export const S_IFSOCK = 0xc000

/**
 * A directory's blocks are filled with entries that none cross; the last one's rec_len reaches the block's end.
 *
 *   0       4         6          7           8
 *   +-------+---------+----------+-----------+------------------+------------+
 *   | inode | rec_len | name_len | file_type | name, name_len   | 0..3 bytes |
 *   +-------+---------+----------+-----------+------------------+------------+
 */
export const DIRECTORY_ENTRY_HEADER = 8
export const NAME_BYTES_MAX = 255
export const LINKS_MAX = 32000

export const FT_REG_FILE = 1
export const FT_DIR = 2
export const FT_CHRDEV = 3
export const FT_BLKDEV = 4
export const FT_SYMLINK = 7

/** Bytes of an entry whose name has `nameBytes`: a multiple of four. */
export const directoryEntryBytes = (nameBytes: number): number => (DIRECTORY_ENTRY_HEADER + nameBytes + 3) & ~3

/** Groups 0 and 1 and the powers of 3, 5 and 7 hold a copy of the superblock and of the group descriptors. */
export function groupHasSuperblock(group: number): boolean {
  if (group <= 1) return true
  return [3, 5, 7].some((base) => {
    let power = base
    while (power < group) power *= base
    return power === group
  })
}

/**
 * A device number in 32 bits, the same for NetBSD's dev_t and for Linux's longer form:
 *
 *   31              20 19             8 7             0
 *   +-----------------+----------------+---------------+
 *   | minor, 19..8    | major, 11..0   | minor, 7..0   |
 *   +-----------------+----------------+---------------+
 *
 * NetBSD keeps it in i_block[0]. Linux keeps 8 + 8 bits there, which look the same, and longer ones in i_block[1].
 */
export const deviceNumber = (major: number, minor: number): number =>
  (((minor & 0xfff00) << 12) | (major << 8) | (minor & 0xff)) >>> 0
export const deviceMajor = (dev: number): number => (dev >>> 8) & 0xfff
export const deviceMinor = (dev: number): number => ((dev >>> 12) & 0xfff00) | (dev & 0xff)
export const DEVICE_MAJOR_MAX = 0xfff
export const DEVICE_MINOR_MAX = 0xfffff
