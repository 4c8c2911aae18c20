/*
 * Commands about files: ls cp mv rm mkdir rmdir ln touch chmod chown mknod stat df du find dd sync mount umount pwd
 * basename dirname which.
 */
#include "commands.h"

/* The operand of ls and du that have none. */
static char *here[] = { ".", NULL };

static int is_directory(const char *path) {
  struct stat s;
  return sys_stat(path, &s) == 0 && (s.st_mode & S_IFMT) == S_IFDIR;
}

/* ---- ls ---- */

static const char type_letters[16] = { '?', 'p', 'c', '?', 'd', '?', 'b', '?', '-', '?', 'l', '?', 's', '?', '?', '?' };

static void mode_text(u32 mode, char *out) {
  out[0] = type_letters[mode >> 12 & 15];
  for (int i = 0; i < 9; i++) out[1 + i] = mode >> (8 - i) & 1 ? "rwxrwxrwx"[i] : '-';
  if (mode & 04000) out[3] = mode & 0100 ? 's' : 'S';
  if (mode & 02000) out[6] = mode & 0010 ? 's' : 'S';
  if (mode & 01000) out[9] = mode & 0001 ? 't' : 'T';
  out[10] = '\0';
}

struct entry {
  char *name, *path;
  struct stat s;
};

static u64 ls_options;
static int ls_status;
static i64 ls_now;

static int ls_order(const char *a, const char *b) {
  const struct entry *x = (const struct entry *)a, *y = (const struct entry *)b;
  int order = 0;
  if (HAS(ls_options, 't')) order = x->s.st_mtim.tv_sec > y->s.st_mtim.tv_sec ? -1 : x->s.st_mtim.tv_sec < y->s.st_mtim.tv_sec;
  if (HAS(ls_options, 'S')) order = x->s.st_size > y->s.st_size ? -1 : x->s.st_size < y->s.st_size;
  if (order == 0) order = compare(x->name, y->name);
  return HAS(ls_options, 'r') ? -order : order;
}

static char *ls_name(const struct entry *e) {
  if (!HAS(ls_options, 'F')) return e->name;
  const u32 type = e->s.st_mode & S_IFMT;
  return join2(e->name, type == S_IFDIR ? "/" : type == S_IFLNK ? "@" : type == S_IFREG && e->s.st_mode & 0111 ? "*" : "");
}

static void ls_show(struct list *entries) {
  struct winsize size = { 0 };
  u64 widest = 0;
  sort_strings(entries->items, entries->count, ls_order);
  for (u64 i = 0; i < entries->count; i++) {
    const u64 width = length_of(((struct entry *)entries->items[i])->name) + HAS(ls_options, 'F');
    if (width > widest) widest = width;
  }
  if (HAS(ls_options, 'l')) {
    for (u64 i = 0; i < entries->count; i++) {
      const struct entry *e = (struct entry *)entries->items[i];
      char mode[12];
      struct text when = { 0 };
      const i64 age = ls_now - e->s.st_mtim.tv_sec;
      const u32 type = e->s.st_mode & S_IFMT;
      mode_text(e->s.st_mode, mode);
      time_text(&when, age > 15768000 || age < -86400 ? "%b %e  %Y" : "%b %e %H:%M", e->s.st_mtim.tv_sec);
      if (HAS(ls_options, 'i')) say("%6u ", e->s.st_ino);
      say("%s %3u %-6s %-8s ", mode, (u64)e->s.st_nlink, user_name(e->s.st_uid), group_name(e->s.st_gid));
      if (type == S_IFCHR || type == S_IFBLK) say("%3u, %3u", (u64)major_of(e->s.st_rdev), (u64)minor_of(e->s.st_rdev));
      else say("%8s", HAS(ls_options, 'h') ? human((u64)e->s.st_size) : print("%d", e->s.st_size));
      say(" %s %s", when.bytes, ls_name(e));
      if (type == S_IFLNK) {
        char target[PATH_SIZE];
        const i64 n = sys_readlink(e->path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        say(" -> %s", target);
      }
      put_char('\n');
    }
    return;
  }
  const int columns = !HAS(ls_options, '1') && sys_ioctl(1, TIOCGWINSZ, &size) == 0;
  const u64 cell = widest + 2 + (HAS(ls_options, 'i') ? 7 : 0);
  const u64 per_row = columns ? (size.ws_col >= 8 ? size.ws_col : 80u) / cell : 1;
  const u64 rows = per_row > 0 ? (entries->count + per_row - 1) / per_row : entries->count;
  for (u64 r = 0; r < rows; r++) {
    for (u64 i = r; i < entries->count; i += rows) {
      const struct entry *e = (struct entry *)entries->items[i];
      if (HAS(ls_options, 'i')) say("%6u ", e->s.st_ino);
      if (i + rows >= entries->count) put(ls_name(e));
      else say("%-*s", (int)widest + 2, ls_name(e));
    }
    put_char('\n');
  }
}

static void ls_add(struct list *entries, const char *name, char *path, int follow) {
  struct entry *e = alloc(sizeof *e);
  e->name = duplicate(name);
  e->path = path;
  i64 result = follow ? sys_stat(path, &e->s) : -ENOENT;
  if (result < 0) result = sys_lstat(path, &e->s);
  if (failed(result, "list", path)) ls_status = 1;
  else list_add(entries, (char *)e);
}

static void ls_directory(const char *path, int titled) {
  struct directory *d = alloc(sizeof *d);
  struct list entries = { 0 };
  struct dirent *entry;
  if (failed(directory_open(d, path), "list", path)) {
    ls_status = 1;
    return;
  }
  if (titled) say("%s:\n", path);
  if (HAS(ls_options, 'a')) {
    ls_add(&entries, ".", duplicate(path), 0);
    ls_add(&entries, "..", path_join(path, ".."), 0);
  }
  while ((entry = directory_next(d)) != NULL)
    if (entry->d_name[0] != '.' || HAS(ls_options, 'a') || HAS(ls_options, 'A'))
      ls_add(&entries, entry->d_name, path_join(path, entry->d_name), 0);
  ls_show(&entries);
  for (u64 i = 0; HAS(ls_options, 'R') && i < entries.count; i++) {
    const struct entry *e = (struct entry *)entries.items[i];
    if ((e->s.st_mode & S_IFMT) != S_IFDIR || same(e->name, ".") || same(e->name, "..")) continue;
    put_char('\n');
    ls_directory(e->path, 1);
  }
}

int ls_main(int argc, char **argv) {
  struct list files = { 0 }, directories = { 0 };
  struct timespec now;
  (void)argc;
  ls_options = options(&argv, "1AFRSadhilrt", "[-1AFRSadhilrt] [FILE]...");
  sys_clock_gettime(CLOCK_REALTIME, &now);
  ls_now = now.tv_sec;
  if (*argv == NULL) argv = here;
  for (; *argv != NULL; argv++) {
    struct stat s;
    if (!HAS(ls_options, 'd') && is_directory(*argv) &&
        !(HAS(ls_options, 'l') && sys_lstat(*argv, &s) == 0 && (s.st_mode & S_IFMT) == S_IFLNK))
      list_add(&directories, *argv);
    else ls_add(&files, *argv, *argv, 0);
  }
  ls_show(&files);
  for (u64 i = 0; i < directories.count; i++) {
    if (i > 0 || files.count > 0) put_char('\n');
    ls_directory(directories.items[i], directories.count > 1 || files.count > 0 || HAS(ls_options, 'R'));
  }
  return ls_status;
}

/* ---- copying, moving, removing ---- */

static int remove_tree(const char *path, u64 set) {
  struct stat s;
  const i64 result = sys_lstat(path, &s);
  if (result < 0) return HAS(set, 'f') && result == -ENOENT ? 0 : failed(result, "remove", path);
  if ((s.st_mode & S_IFMT) != S_IFDIR) return failed(sys_unlink(path), "remove", path);
  if (!HAS(set, 'r') && !HAS(set, 'R')) {
    complain("%s: %s is a directory; rm -r removes it and all in it", program, path);
    return 1;
  }
  struct directory *d = alloc(sizeof *d);
  struct list names = { 0 };
  struct dirent *entry;
  int status = 0;
  if (failed(directory_open(d, path), "read", path)) return 1;
  while ((entry = directory_next(d)) != NULL) list_add(&names, duplicate(entry->d_name));
  for (u64 i = 0; i < names.count; i++) status |= remove_tree(path_join(path, names.items[i]), set);
  return status | failed(CALL(SYS_rmdir, path, 0, 0), "remove", path);
}

int rm_main(int argc, char **argv) {
  const char *const how = "[-fRr] FILE...";
  const u64 set = options(&argv, "fRr", how);
  int status = 0;
  (void)argc;
  if (*argv == NULL && !HAS(set, 'f')) usage(how);
  for (; *argv != NULL; argv++) {
    const char *name = base_name(*argv);
    if (same(*argv, "/") || same(name, ".") || same(name, "..")) {
      complain("rm: %s is not to be removed", *argv);
      status = 1;
    } else status |= remove_tree(*argv, set);
  }
  return status;
}

static int copy_bytes(int in, int out, const char *from, const char *to) {
  static char bytes[32768];
  i64 n;
  while ((n = sys_read(in, bytes, sizeof bytes)) > 0)
    if (failed(write_all(out, bytes, (u64)n), "write to", to)) return 1;
  return failed(n, "read", from);
}

static void keep_times(const char *path, const struct stat *s) {
  const struct timeval times[2] = { { s->st_atim.tv_sec, (int)(s->st_atim.tv_nsec / 1000) },
                                    { s->st_mtim.tv_sec, (int)(s->st_mtim.tv_nsec / 1000) } };
  CALL(SYS_utimes, path, times, 0);
}

static int copy_tree(const char *from, const char *to, u64 set) {
  struct stat s, t;
  const int recursive = HAS(set, 'r') || HAS(set, 'R') || HAS(set, 'a'), exact = HAS(set, 'p') || HAS(set, 'a');
  if (failed(recursive ? sys_lstat(from, &s) : sys_stat(from, &s), "copy", from)) return 1;
  const u32 type = s.st_mode & S_IFMT;
  const int exists = sys_stat(to, &t) == 0;
  if (exists && t.st_dev == s.st_dev && t.st_ino == s.st_ino) {
    complain("%s: %s and %s are the same file", program, from, to);
    return 1;
  }
  int status = 0;
  if (type == S_IFDIR) {
    if (!recursive) {
      complain("%s: %s is a directory; %s -r copies it with all in it", program, from, program);
      return 1;
    }
    struct directory *d = alloc(sizeof *d);
    struct list names = { 0 };
    struct dirent *entry;
    if (!exists && failed(CALL(SYS_mkdir, to, 0777, 0), "make", to)) return 1;
    if (failed(directory_open(d, from), "read", from)) return 1;
    while ((entry = directory_next(d)) != NULL) list_add(&names, duplicate(entry->d_name));
    for (u64 i = 0; i < names.count; i++)
      status |= copy_tree(path_join(from, names.items[i]), path_join(to, names.items[i]), set);
    CALL(SYS_chmod, to, s.st_mode & 07777, 0);
  } else if (type == S_IFLNK && recursive) {
    char target[PATH_SIZE];
    const i64 n = sys_readlink(from, target, sizeof target - 1);
    if (failed(n, "read", from)) return 1;
    target[n] = '\0';
    return failed(CALL(SYS_symlink, target, to, 0), "make", to);
  } else if ((type == S_IFCHR || type == S_IFBLK || type == S_IFIFO) && recursive) {
    return failed(sys_mknod(to, s.st_mode, s.st_rdev), "make", to);
  } else {
    const i64 in = sys_open(from, O_RDONLY, 0);
    if (failed(in, "open", from)) return 1;
    const i64 out = sys_open(to, O_WRONLY | O_CREAT | O_TRUNC, (int)(s.st_mode & 0777));
    if (failed(out, "write to", to)) {
      sys_close((int)in);
      return 1;
    }
    status = copy_bytes((int)in, (int)out, from, to);
    sys_close((int)in);
    sys_close((int)out);
    if (exact) CALL(SYS_chmod, to, s.st_mode & 07777, 0);
  }
  if (exact) {
    CALL(SYS_chown, to, s.st_uid, s.st_gid);
    keep_times(to, &s);
  }
  return status;
}

static int move(const char *from, const char *to, u64 set) {
  (void)set;
  const i64 result = CALL(SYS_rename, from, to, 0);
  if (result != -EXDEV) return failed(result, "move", from);
  const u64 all = BIT('a') | BIT('r') | BIT('f');
  return copy_tree(from, to, all) || remove_tree(from, all);
}

static int make_link(const char *from, const char *to, u64 set) {
  if (HAS(set, 'f')) sys_unlink(to);
  return failed(CALL(HAS(set, 's') ? SYS_symlink : SYS_link, from, to, 0), "make", to);
}

/* FILE TO, or FILE... DIRECTORY. */
static int each_to(char **argv, u64 set, const char *how, int (*act)(const char *, const char *, u64)) {
  u64 count = 0;
  int status = 0;
  while (argv[count] != NULL) count++;
  if (count < 2) usage(how);
  char *target = argv[--count];
  if (!is_directory(target) || (act == make_link && HAS(set, 'h'))) {
    if (count == 1) return act(argv[0], target, set);
    complain("%s: %s is no directory", program, target);
    return 1;
  }
  for (u64 i = 0; i < count; i++) {
    char *name = duplicate(argv[i]);
    u64 length = length_of(name);
    while (length > 1 && name[length - 1] == '/') name[--length] = '\0';
    status |= act(argv[i], path_join(target, base_name(name)), set);
  }
  return status;
}

int cp_main(int argc, char **argv) {
  const char *const how = "[-Raprf] FROM TO, or [-Raprf] FROM... DIRECTORY";
  const u64 set = options(&argv, "Rafpr", how);
  (void)argc;
  return each_to(argv, set, how, copy_tree);
}

int mv_main(int argc, char **argv) {
  const char *const how = "[-f] FROM TO, or [-f] FROM... DIRECTORY";
  const u64 set = options(&argv, "f", how);
  (void)argc;
  return each_to(argv, set, how, move);
}

int ln_main(int argc, char **argv) {
  const char *const how = "[-fhs] EXISTING NEW, or [-fs] EXISTING... DIRECTORY";
  const u64 set = options(&argv, "fhs", how);
  (void)argc;
  return each_to(argv, set, how, make_link);
}

int mkdir_main(int argc, char **argv) {
  const char *const how = "[-p] DIRECTORY...";
  const u64 set = options(&argv, "p", how);
  int status = 0;
  (void)argc;
  if (*argv == NULL) usage(how);
  for (; *argv != NULL; argv++) {
    char *path = *argv;
    if (HAS(set, 'p')) {
      for (char *c = path + 1; *c != '\0'; c++)
        if (*c == '/') {
          *c = '\0';
          CALL(SYS_mkdir, path, 0777, 0);
          *c = '/';
        }
    }
    const i64 result = CALL(SYS_mkdir, path, 0777, 0);
    if (!(HAS(set, 'p') && result == -EEXIST && is_directory(path))) status |= failed(result, "make", path);
  }
  return status;
}

int rmdir_main(int argc, char **argv) {
  int status = 0;
  if (argc < 2) usage("DIRECTORY...");
  while (*++argv != NULL) status |= failed(CALL(SYS_rmdir, *argv, 0, 0), "remove", *argv);
  return status;
}

int touch_main(int argc, char **argv) {
  int status = 0;
  if (argc < 2) usage("FILE...");
  while (*++argv != NULL) {
    i64 result = CALL(SYS_utimes, *argv, NULL, 0);
    if (result == -ENOENT) {
      result = sys_open(*argv, O_WRONLY | O_CREAT, 0666);
      if (result >= 0) sys_close((int)result);
    }
    status |= failed(result, "touch", *argv);
  }
  return status;
}

/* "755", "u+x", "go-w,a=r". False if it is neither. */
static int apply_mode(const char *text, u32 *mode, int is_dir) {
  const char *end;
  if (is_digit(*text)) {
    *mode = (u32)number_at(join2("0", text), &end) & 07777;
    return *end == '\0';
  }
  while (*text != '\0') {
    u32 who = 0, bits = 0;
    for (; *text != '\0' && find_char("ugoa", *text) != NULL; text++)
      who |= *text == 'u' ? 04700u : *text == 'g' ? 02070u : *text == 'o' ? 01007u : 07777u;
    if (who == 0) who = 07777;
    const char op = *text++;
    if (op != '+' && op != '-' && op != '=') return 0;
    for (; *text != '\0' && *text != ','; text++) {
      if (*text == 'r') bits |= 0444;
      else if (*text == 'w') bits |= 0222;
      else if (*text == 'x' || (*text == 'X' && (is_dir || *mode & 0111))) bits |= 0111;
      else if (*text == 's') bits |= 06000;
      else if (*text == 't') bits |= 01000;
      else if (*text != 'X') return 0;
    }
    bits &= who;
    *mode = op == '+' ? *mode | bits : op == '-' ? *mode & ~bits : (*mode & ~(who & 0777)) | bits;
    if (*text == ',') text++;
  }
  return 1;
}

static int change_tree(const char *path, const char *mode, i64 uid, i64 gid, int recursive) {
  struct stat s;
  int status;
  if (failed(recursive ? sys_lstat(path, &s) : sys_stat(path, &s), "change", path)) return 1;
  const int is_dir = (s.st_mode & S_IFMT) == S_IFDIR;
  if ((s.st_mode & S_IFMT) == S_IFLNK) return 0;
  if (mode != NULL) {
    u32 bits = s.st_mode & 07777;
    if (!apply_mode(mode, &bits, is_dir)) {
      complain("chmod: %s is no mode; expected 755 or u+x", mode);
      leave(2);
    }
    status = failed(CALL(SYS_chmod, path, bits, 0), "change", path);
  } else status = failed(CALL(SYS_chown, path, uid, gid), "change", path);
  if (!recursive || !is_dir) return status;
  struct directory *d = alloc(sizeof *d);
  struct dirent *entry;
  if (failed(directory_open(d, path), "read", path)) return 1;
  while ((entry = directory_next(d)) != NULL)
    status |= change_tree(path_join(path, entry->d_name), mode, uid, gid, 1);
  return status;
}

int chmod_main(int argc, char **argv) {
  int status = 0, i = 1;
  const int recursive = argc > 1 && same(argv[1], "-R");
  i += recursive;
  if (argc - i < 2) usage("[-R] MODE FILE...");
  const char *mode = argv[i++];
  for (; i < argc; i++) status |= change_tree(argv[i], mode, -1, -1, recursive);
  return status;
}

int chown_main(int argc, char **argv) {
  int status = 0, i = 1;
  i64 uid = -1, gid = -1;
  const int recursive = argc > 1 && same(argv[1], "-R");
  i += recursive;
  if (argc - i < 2) usage("[-R] [UID][:GID] FILE...");
  char *group = find_char(argv[i], ':');
  if (group != NULL) *group++ = '\0';
  if (same(argv[i], "root")) argv[i] = "0";
  if ((*argv[i] != '\0' && !parse_number(argv[i], &uid)) || (group != NULL && *group != '\0' && !parse_number(group, &gid)))
    usage("[-R] [UID][:GID] FILE...   (numbers)");
  for (i++; i < argc; i++) status |= change_tree(argv[i], NULL, uid, gid, recursive);
  return status;
}

int mknod_main(int argc, char **argv) {
  i64 major, minor;
  if (argc == 3 && same(argv[2], "p")) return failed(sys_mknod(argv[1], S_IFIFO | 0666, 0), "make", argv[1]);
  if (argc != 5 || (!same(argv[2], "b") && !same(argv[2], "c")) || !parse_number(argv[3], &major) || !parse_number(argv[4], &minor))
    usage("NAME b|c MAJOR MINOR, or NAME p");
  const u64 device = (u64)(minor & 0xfff00) << 12 | (u64)(major & 0xfff) << 8 | (u64)(minor & 0xff);
  return failed(sys_mknod(argv[1], (argv[2][0] == 'b' ? S_IFBLK : S_IFCHR) | 0600, device), "make", argv[1]);
}

int stat_main(int argc, char **argv) {
  static const char *const kinds[16] = { [1] = "fifo", [2] = "character device", [4] = "directory", [6] = "block device",
                                         [8] = "regular file", [10] = "symbolic link", [12] = "socket" };
  int status = 0;
  if (argc < 2) usage("FILE...");
  while (*++argv != NULL) {
    struct stat s;
    char mode[12];
    struct text t = { 0 };
    if (failed(sys_lstat(*argv, &s), "look at", *argv)) {
      status = 1;
      continue;
    }
    const char *kind = kinds[s.st_mode >> 12 & 15];
    mode_text(s.st_mode, mode);
    say("  file: %s\n  type: %s", *argv, kind != NULL ? kind : "unknown");
    if ((s.st_mode & S_IFMT) == S_IFCHR || (s.st_mode & S_IFMT) == S_IFBLK)
      say(" %u, %u", (u64)major_of(s.st_rdev), (u64)minor_of(s.st_rdev));
    say("\n  size: %d in %d blocks of 512\n inode: %u, links %u\n", s.st_size, s.st_blocks, s.st_ino, (u64)s.st_nlink);
    say("  mode: %04o %s, owner %s, group %s\n", (u64)s.st_mode & 07777, mode, user_name(s.st_uid), group_name(s.st_gid));
    text_put(&t, "access: ");
    time_text(&t, "%F %T\nmodify: ", s.st_atim.tv_sec);
    time_text(&t, "%F %T\nchange: ", s.st_mtim.tv_sec);
    time_text(&t, "%F %T\n", s.st_ctim.tv_sec);
    put(t.bytes);
  }
  return status;
}

/* ---- disks ---- */

static struct statvfs *all_mounts(i64 *count) {
  const i64 n = CALL(SYS_getvfsstat, NULL, 0, MNT_NOWAIT);
  struct statvfs *mounts = n > 0 ? alloc((word)n * sizeof *mounts) : NULL;
  *count = n > 0 ? CALL(SYS_getvfsstat, mounts, (word)n * sizeof *mounts, MNT_NOWAIT) : n;
  if (failed(*count, "list", "the mounted file systems")) leave(1);
  return mounts;
}

int df_main(int argc, char **argv) {
  const u64 set = options(&argv, "hik", "[-hik] [FILE]...");
  struct statvfs *mounts;
  i64 count = 0;
  int status = 0;
  (void)argc;
  if (*argv == NULL) mounts = all_mounts(&count);
  else {
    u64 operands = 0;
    while (argv[operands] != NULL) operands++;
    mounts = alloc(operands * sizeof *mounts);
    for (; *argv != NULL; argv++) {
      if (failed(CALL(SYS_statvfs1, *argv, &mounts[count], MNT_WAIT), "look at", *argv)) status = 1;
      else count++;
    }
  }
  if (HAS(set, 'i')) say("%-12s %10s %10s %10s %5s  %s\n", "Filesystem", "Inodes", "Used", "Free", "Use", "Mounted on");
  else say("%-12s %10s %10s %10s %5s  %s\n", "Filesystem", HAS(set, 'h') ? "Size" : "1K-blocks", "Used", "Avail", "Use", "Mounted on");
  for (i64 i = 0; i < count; i++) {
    const struct statvfs *m = &mounts[i];
    const u64 unit = HAS(set, 'i') ? 1024 : m->f_frsize, total = HAS(set, 'i') ? m->f_files : m->f_blocks;
    const u64 used = total - (HAS(set, 'i') ? m->f_ffree : m->f_bfree), room = HAS(set, 'i') ? m->f_favail : m->f_bavail;
    const u64 share = used + room > 0 ? (used * 100 + used + room - 1) / (used + room) : 100;
    char *numbers[3];
    for (int k = 0; k < 3; k++) {
      const u64 value = k == 0 ? total : k == 1 ? used : room;
      numbers[k] = HAS(set, 'h') ? human(value * unit) : print("%u", value * unit / 1024);
    }
    say("%-12s %10s %10s %10s %4u%%  %s\n", m->f_mntfromname, numbers[0], numbers[1], numbers[2], share, m->f_mntonname);
  }
  return status;
}

static u64 du_options;
static int du_status;

static i64 du_tree(const char *path, int top) {
  void *before = mark();
  struct stat s;
  if (failed(sys_lstat(path, &s), "look at", path)) return du_status = 1, 0;
  i64 blocks = s.st_blocks;
  const int is_dir = (s.st_mode & S_IFMT) == S_IFDIR;
  if (is_dir) {
    struct directory *d = alloc(sizeof *d);
    struct dirent *entry;
    if (failed(directory_open(d, path), "read", path)) du_status = 1;
    else
      while ((entry = directory_next(d)) != NULL) blocks += du_tree(path_join(path, entry->d_name), 0);
  }
  if (top || HAS(du_options, 'a') || (is_dir && !HAS(du_options, 's'))) {
    if (HAS(du_options, 'h')) say("%s\t%s\n", human((u64)blocks * 512), path);
    else say("%d\t%s\n", (blocks + 1) / 2, path);
  }
  release(before);
  return blocks;
}

int du_main(int argc, char **argv) {
  (void)argc;
  du_options = options(&argv, "ahks", "[-ahks] [FILE]...");
  if (*argv == NULL) argv = here;
  for (; *argv != NULL; argv++) du_tree(*argv, 1);
  return du_status;
}

static const struct {
  const char *name;
  int flag;
} mount_flags[] = {
  { "ro", MNT_RDONLY }, { "sync", MNT_SYNCHRONOUS }, { "noexec", MNT_NOEXEC }, { "nosuid", MNT_NOSUID },
  { "nodev", MNT_NODEV }, { "async", MNT_ASYNC }, { "noatime", MNT_NOATIME }, { "update", MNT_UPDATE },
  { "local", MNT_LOCAL },
};

int mount_main(int argc, char **argv) {
  const char *const how = "[-t TYPE] [-o OPTION,...] SPECIAL DIRECTORY, or -u [-o OPTION,...] DIRECTORY";
  const char *type = NULL, *special = NULL;
  int flags = 0, i = 1;
  i64 count;
  if (argc == 1) {
    const struct statvfs *mounts = all_mounts(&count);
    for (i64 k = 0; k < count; k++) {
      say("%s on %s type %s", mounts[k].f_mntfromname, mounts[k].f_mntonname, mounts[k].f_fstypename);
      int any = 0;
      for (u64 f = 0; f < COUNT(mount_flags); f++)
        if (mounts[k].f_flag & (u64)mount_flags[f].flag) say(any++ ? ", %s" : " (%s", mount_flags[f].name);
      put(any ? ")\n" : "\n");
    }
    return 0;
  }
  for (; i < argc && argv[i][0] == '-'; i++) {
    if (same(argv[i], "-u")) flags |= MNT_UPDATE;
    else if (same(argv[i], "-r")) flags |= MNT_RDONLY;
    else if (same(argv[i], "-w")) flags &= ~MNT_RDONLY;
    else if (same(argv[i], "-t") && i + 1 < argc) type = argv[++i];
    else if (same(argv[i], "-o") && i + 1 < argc) {
      for (char *word = argv[++i]; word != NULL;) {
        char *comma = find_char(word, ',');
        u64 f = 0;
        if (comma != NULL) *comma++ = '\0';
        while (f < COUNT(mount_flags) && !same(mount_flags[f].name, word)) f++;
        if (f < COUNT(mount_flags)) flags |= mount_flags[f].flag;
        else if (same(word, "rw")) flags &= ~MNT_RDONLY;
        else {
          complain("mount: there is no option %s here", word);
          return 2;
        }
        word = comma;
      }
    } else usage(how);
  }
  const int update = (flags & MNT_UPDATE) != 0;
  if (argc - i != (update ? 1 : 2)) usage(how);
  const char *directory = argv[argc - 1];
  if (update) {
    struct statvfs *s = alloc(sizeof *s);
    if (failed(CALL(SYS_statvfs1, directory, s, MNT_NOWAIT), "look at", directory)) return 1;
    type = s->f_fstypename;
  } else special = argv[i];
  if (type == NULL) type = starts_with(special, "/dev/") ? "ext2fs" : special;
  struct tmpfs_args memory = { .ta_version = 1, .ta_root_mode = 01777 };
  struct ufs_args disk = { special };
  struct procfs_args processes = { .version = 1 };
  i64 result;
  if (same(type, "tmpfs")) result = sys_mount(type, directory, flags, &memory, sizeof memory);
  else if (same(type, "ext2fs") || same(type, "ffs")) result = sys_mount(type, directory, flags, &disk, sizeof disk);
  else if (same(type, "procfs")) result = sys_mount(type, directory, flags, &processes, sizeof processes);
  else if (same(type, "kernfs")) result = sys_mount(type, directory, flags, NULL, 0);
  else {
    complain("mount: the type %s is not known here; there are ext2fs, ffs, tmpfs, kernfs and procfs", type);
    return 2;
  }
  return failed(result, "mount", directory);
}

int umount_main(int argc, char **argv) {
  const u64 set = options(&argv, "f", "[-f] DIRECTORY...");
  int status = 0;
  (void)argc;
  if (*argv == NULL) usage("[-f] DIRECTORY...");
  for (; *argv != NULL; argv++)
    status |= failed(CALL(SYS_unmount, *argv, HAS(set, 'f') ? MNT_FORCE : 0, 0), "unmount", *argv);
  return status;
}

int sync_main(int argc, char **argv) {
  (void)argc, (void)argv;
  sys_sync();
  return 0;
}

/* ---- find ---- */

static char **find_tests;
static int find_status;

static int find_passes(const char *path, const struct stat *s, int *prints) {
  int passes = 1, inverted = 0;
  for (char **t = find_tests; *t != NULL; t++) {
    int result;
    i64 n;
    if (same(*t, "!") || same(*t, "-not")) {
      inverted = !inverted;
      continue;
    }
    if (same(*t, "-print")) {
      if (passes) say("%s\n", path);
      *prints = 1;
      continue;
    }
    if (same(*t, "-delete")) {
      *prints = 1;
      if (passes && failed((s->st_mode & S_IFMT) == S_IFDIR ? CALL(SYS_rmdir, path, 0, 0) : sys_unlink(path), "remove", path))
        find_status = 1;
      continue;
    }
    if (same(*t, "-empty")) result = s->st_size == 0;
    else if (t[1] == NULL) {
      complain("find: %s needs a value", *t);
      leave(2);
    } else if (same(*t, "-name")) result = matches_pattern(*++t, base_name(path));
    else if (same(*t, "-path")) result = matches_pattern(*++t, path);
    else if (same(*t, "-type")) {
      const char letter = **++t == 'f' ? '-' : **t;
      result = type_letters[s->st_mode >> 12 & 15] == letter;
    } else if (same(*t, "-size")) {
      const char *text = *++t;
      const char sign = *text;
      const char *end;
      if (sign == '+' || sign == '-') text++;
      n = number_at(text, &end);
      const i64 units = *end == 'c' ? s->st_size : *end == 'k' ? (s->st_size + 1023) / 1024 : (s->st_size + 511) / 512;
      result = sign == '+' ? units > n : sign == '-' ? units < n : units == n;
    } else if (same(*t, "-maxdepth")) {
      t++;
      continue;
    } else {
      complain("find: there is no test %s here", *t);
      leave(2);
    }
    if (result == inverted) passes = 0;
    inverted = 0;
  }
  return passes;
}

static void find_below(const char *path, i64 depth) {
  void *before = mark();
  struct stat s;
  int prints = 0;
  if (failed(sys_lstat(path, &s), "look at", path)) {
    find_status = 1;
    return;
  }
  int deletes = 0;
  for (char **t = find_tests; *t != NULL; t++) deletes |= same(*t, "-delete");
  if (!deletes && find_passes(path, &s, &prints) && !prints) say("%s\n", path);
  if ((s.st_mode & S_IFMT) == S_IFDIR && depth != 0) {
    struct directory *d = alloc(sizeof *d);
    struct list names = { 0 };
    struct dirent *entry;
    if (failed(directory_open(d, path), "read", path)) find_status = 1;
    else {
      while ((entry = directory_next(d)) != NULL) list_add(&names, duplicate(entry->d_name));
      for (u64 i = 0; i < names.count; i++) find_below(path_join(path, names.items[i]), depth - 1);
    }
  }
  if (deletes) find_passes(path, &s, &prints);
  release(before);
}

int find_main(int argc, char **argv) {
  int i = 1;
  i64 depth = -1;
  while (i < argc && argv[i][0] != '-' && argv[i][0] != '!') i++;
  find_tests = argv + i;
  for (int k = i; k + 1 < argc; k++)
    if (same(argv[k], "-maxdepth")) parse_number(argv[k + 1], &depth);
  if (i == 1) find_below(".", depth);
  for (int k = 1; k < i; k++) find_below(argv[k], depth);
  return find_status;
}

/* ---- dd ---- */

static i64 size_value(const char *text) {
  const char *end;
  i64 n = number_at(text, &end);
  if ((*end | 32) == 'k') n *= 1024, end++;
  else if ((*end | 32) == 'm') n *= 1024 * 1024, end++;
  else if ((*end | 32) == 'g') n *= 1024 * 1024 * 1024, end++;
  else if (*end == 'b') n *= 512, end++;
  if (*end != '\0' || !is_digit(*text)) {
    complain("dd: %s is no size", text);
    leave(2);
  }
  return n;
}

int dd_main(int argc, char **argv) {
  const char *from = NULL, *to = NULL;
  i64 size = 512, count = -1, skip = 0, seek = 0, in = 0, out = 1, n = 0;
  u64 whole[2] = { 0, 0 }, part[2] = { 0, 0 }, bytes = 0;
  int truncates = 1, syncs = 0, quiet = 0;
  struct timespec start, end;
  (void)argc;
  while (*++argv != NULL) {
    char *value = find_char(*argv, '=');
    if (value == NULL) usage("[if=FILE] [of=FILE] [bs=N[kmg]] [count=N] [skip=N] [seek=N] [conv=notrunc,fsync] [status=none]");
    *value++ = '\0';
    if (same(*argv, "if")) from = value;
    else if (same(*argv, "of")) to = value;
    else if (same(*argv, "bs")) size = size_value(value);
    else if (same(*argv, "count")) count = size_value(value);
    else if (same(*argv, "skip")) skip = size_value(value);
    else if (same(*argv, "seek")) seek = size_value(value);
    else if (same(*argv, "status")) quiet = same(value, "none");
    else if (same(*argv, "conv")) {
      truncates = !starts_with(value, "notrunc");
      syncs = same(value, "fsync") || same(value, "notrunc,fsync");
    } else {
      complain("dd: there is no operand %s here", *argv);
      return 2;
    }
  }
  if (size < 1 || size > 16 * 1024 * 1024) {
    complain("dd: a block has between 1 byte and 16 MiB, not %d bytes", size);
    return 2;
  }
  if (from != NULL && failed(in = sys_open(from, O_RDONLY, 0), "open", from)) return 1;
  if (to != NULL && failed(out = sys_open(to, O_WRONLY | O_CREAT | (truncates && seek == 0 ? O_TRUNC : 0), 0666), "write to", to)) return 1;
  char *block = alloc((u64)size);
  sys_clock_gettime(CLOCK_MONOTONIC, &start);
  if (skip > 0 && sys_lseek((int)in, skip * size, SEEK_CUR) < 0)
    for (; skip > 0; skip--) sys_read((int)in, block, (u64)size);
  if (seek > 0 && failed(sys_lseek((int)out, seek * size, SEEK_SET), "position", to != NULL ? to : "the output")) return 1;
  int status = 0;
  for (; count != 0; count--) {
    n = sys_read((int)in, block, (u64)size);
    if (n <= 0) break;
    (n == size ? whole : part)[0]++;
    if (failed(write_all((int)out, block, (u64)n), "write to", to != NULL ? to : "standard output")) {
      status = 1;
      break;
    }
    (n == size ? whole : part)[1]++;
    bytes += (u64)n;
  }
  if (n < 0) status |= failed(n, "read", from != NULL ? from : "standard input");
  if (syncs) status |= failed(sys_fsync((int)out), "sync", to != NULL ? to : "standard output");
  sys_clock_gettime(CLOCK_MONOTONIC, &end);
  const u64 ms = (u64)(end.tv_sec - start.tv_sec) * 1000 + (u64)((end.tv_nsec - start.tv_nsec) / 1000000);
  if (!quiet)
    complain("%u+%u records in\n%u+%u records out\n%u bytes in %u.%03u s (%s/s)", whole[0], part[0], whole[1], part[1], bytes,
             ms / 1000, ms % 1000, human(bytes * 1000 / (ms > 0 ? ms : 1)));
  return status;
}

/* ---- paths ---- */

int pwd_main(int argc, char **argv) {
  static char path[PATH_SIZE];
  (void)argc, (void)argv;
  if (failed(sys_getcwd(path, sizeof path), "name", "the current directory")) return 1;
  say("%s\n", path);
  return 0;
}

static char *without_slashes(const char *path) {
  char *copy = duplicate(path);
  u64 length = length_of(copy);
  while (length > 1 && copy[length - 1] == '/') copy[--length] = '\0';
  return copy;
}

int basename_main(int argc, char **argv) {
  if (argc < 2) usage("PATH [SUFFIX]");
  char *name = duplicate(base_name(without_slashes(argv[1])));
  if (argc > 2) {
    const u64 length = length_of(name), suffix = length_of(argv[2]);
    if (length > suffix && same(name + length - suffix, argv[2])) name[length - suffix] = '\0';
  }
  say("%s\n", name);
  return 0;
}

int dirname_main(int argc, char **argv) {
  if (argc < 2) usage("PATH");
  char *path = without_slashes(argv[1]), *slash = find_last(path, '/');
  if (slash == path) slash[1] = '\0';
  else if (slash != NULL) *slash = '\0';
  say("%s\n", slash == NULL ? "." : path);
  return 0;
}

int readlink_main(int argc, char **argv) {
  char target[PATH_SIZE];
  if (argc != 2) usage("LINK");
  const i64 n = sys_readlink(argv[1], target, sizeof target - 1);
  if (failed(n, "read the link", argv[1])) return 1;
  target[n] = '\0';
  say("%s\n", target);
  return 0;
}

int which_main(int argc, char **argv) {
  const char *path = get_env("PATH");
  int status = 0;
  if (argc < 2) usage("NAME...");
  while (*++argv != NULL) {
    int found = find_char(*argv, '/') != NULL && sys_access(*argv, X_OK) == 0;
    if (found) say("%s\n", *argv);
    for (const char *p = path != NULL ? path : "/bin:/sbin"; *p != '\0' && !found;) {
      const char *colon = find_char(p, ':');
      const u64 length = colon != NULL ? (u64)(colon - p) : length_of(p);
      char *candidate = path_join(duplicate_bytes(p, length), *argv);
      if (sys_access(candidate, X_OK) == 0) say("%s\n", candidate), found = 1;
      p += length + (colon != NULL);
    }
    if (!found) complain("which: there is no command %s", *argv), status = 1;
  }
  return status;
}
