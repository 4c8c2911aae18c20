/*
 * The network, IPv4 and static: ifconfig route ping. Names are not resolved.
 */
#include "commands.h"

enum { AF_INET = 2, AF_LINK = 18, AF_ROUTE = 34, SOCK_DGRAM = 2, SOCK_RAW = 3, IPPROTO_ICMP = 1 };
enum { IFF_UP = 1, IFF_LOOPBACK = 8 };

struct sockaddr_in {
  u8 sin_len, sin_family;
  u16 sin_port;
  u32 sin_addr; /* network order */
  u8 sin_zero[8];
};

struct ifreq {
  char ifr_name[16];
  union {
    struct sockaddr_in address;
    i16 flags;
    int value;
    u8 space[128];
  };
};

struct ifconf {
  int ifc_len;
  void *ifc_buf;
};

struct ifaliasreq {
  char ifra_name[16];
  struct sockaddr_in address, broadcast, mask;
};

#define SIOCSIFFLAGS IOCTL(IO_IN, 'i', 16, sizeof(struct ifreq))
#define SIOCGIFFLAGS IOCTL(IO_IN | IO_OUT, 'i', 17, sizeof(struct ifreq))
#define SIOCDIFADDR IOCTL(IO_IN, 'i', 25, sizeof(struct ifreq))
#define SIOCAIFADDR IOCTL(IO_IN, 'i', 26, sizeof(struct ifaliasreq))
#define SIOCGIFBRDADDR IOCTL(IO_IN | IO_OUT, 'i', 35, sizeof(struct ifreq))
#define SIOCGIFNETMASK IOCTL(IO_IN | IO_OUT, 'i', 37, sizeof(struct ifreq))
#define SIOCGIFCONF IOCTL(IO_IN | IO_OUT, 'i', 38, sizeof(struct ifconf))
#define SIOCGIFMTU IOCTL(IO_IN | IO_OUT, 'i', 126, sizeof(struct ifreq))
#define SIOCSIFMTU IOCTL(IO_IN, 'i', 127, sizeof(struct ifreq))

static u32 swap32(u32 x) { return x << 24 | (x & 0xff00) << 8 | (x >> 8 & 0xff00) | x >> 24; }

static char *address_text(u32 address) {
  return print("%u.%u.%u.%u", (u64)address & 255, (u64)address >> 8 & 255, (u64)address >> 16 & 255, (u64)address >> 24);
}

/* "10.0.2.15", perhaps with "/24" if prefix is asked for. */
static int parse_address(const char *text, u32 *address, u32 *mask) {
  u32 value = 0;
  for (int i = 0; i < 4; i++) {
    u32 byte = 0;
    if (!is_digit(*text)) return 0;
    for (; is_digit(*text); text++) byte = byte * 10 + (u32)(*text - '0');
    if (byte > 255) return 0;
    value = value << 8 | byte;
    if (i < 3 && *text++ != '.') return 0;
  }
  *address = swap32(value);
  if (*text == '/' && mask != NULL) {
    i64 bits;
    if (!parse_number(text + 1, &bits) || bits < 0 || bits > 32) return 0;
    *mask = bits == 0 ? 0 : swap32(0xffffffffu << (32 - bits));
    return 1;
  }
  return *text == '\0';
}

static struct sockaddr_in inet(u32 address) {
  return (struct sockaddr_in){ .sin_len = sizeof(struct sockaddr_in), .sin_family = AF_INET, .sin_addr = address };
}

static int open_socket(int family, int type, int protocol) {
  static i64 fd = -1;
  if (fd >= 0) sys_close((int)fd); /* of an earlier command in the same shell */
  fd = CALL(SYS_socket, family, type, protocol);
  if (failed(fd, "open", "a socket")) leave(1);
  return (int)fd; /* open until the program ends */
}

static void set_name(char *to, const char *name) {
  memset(to, 0, 16);
  for (int i = 0; i < 15 && name[i] != '\0'; i++) to[i] = name[i];
}

/* ---- ifconfig ---- */

static void show_interface(int fd, const char *name, const struct ifreq *all, u64 count) {
  static const char *const flags[16] = { "UP", "BROADCAST", "DEBUG", "LOOPBACK", "POINTOPOINT", "UNNUMBERED", "RUNNING", "NOARP",
                                         "PROMISC", "ALLMULTI", "OACTIVE", "SIMPLEX", "LINK0", "LINK1", "LINK2", "MULTICAST" };
  struct ifreq r = { 0 };
  int any = 0;
  set_name(r.ifr_name, name);
  if (failed(sys_ioctl(fd, SIOCGIFFLAGS, &r), "look at", name)) return;
  const u32 bits = (u16)r.flags;
  say("%s: flags=0x%x<", name, (u64)bits);
  for (int i = 0; i < 16; i++)
    if (bits >> i & 1) say(any++ ? ",%s" : "%s", flags[i]);
  memset(r.space, 0, sizeof r.space);
  put(">");
  if (sys_ioctl(fd, SIOCGIFMTU, &r) >= 0) say(" mtu %d", (i64)r.value);
  put_char('\n');
  for (u64 i = 0; i < count; i++) {
    if (!same(all[i].ifr_name, name)) continue;
    const u8 *link = all[i].space;
    if (link[1] == AF_LINK && link[6] == 6) {
      put("\taddress: ");
      for (int k = 0; k < 6; k++) say(k ? ":%02x" : "%02x", (u64)link[8 + link[5] + k]);
      put_char('\n');
    } else if (link[1] == AF_INET) {
      const u32 address = all[i].address.sin_addr;
      u32 mask = 0;
      r.address = inet(address);
      if (sys_ioctl(fd, SIOCGIFNETMASK, &r) >= 0) mask = swap32(r.address.sin_addr);
      u64 prefix = 0;
      while (prefix < 32 && mask << prefix >> 31) prefix++;
      say("\tinet %s/%u", address_text(address), prefix);
      r.address = inet(address);
      if (bits & 2 && sys_ioctl(fd, SIOCGIFBRDADDR, &r) >= 0) say(" broadcast %s", address_text(r.address.sin_addr));
      put_char('\n');
    }
  }
}

int ifconfig_main(int argc, char **argv) {
  const char *const how = "[-l | -a | INTERFACE [[inet] ADDRESS[/BITS] [netmask MASK] | delete ADDRESS] [mtu N] [up | down]]";
  const int fd = open_socket(AF_INET, SOCK_DGRAM, 0);
  struct ifconf conf = { 65536, alloc(65536) };
  const char *name = argc > 1 && !same(argv[1], "-a") ? argv[1] : NULL;
  int status = 0;
  if (name == NULL || same(name, "-l") || argc == 2) {
    if (failed(sys_ioctl(fd, SIOCGIFCONF, &conf), "list", "the interfaces")) return 1;
    const struct ifreq *all = conf.ifc_buf;
    const u64 count = (u64)conf.ifc_len / sizeof *all;
    const int names_only = name != NULL && same(name, "-l");
    int any = 0;
    for (u64 i = 0; i < count; i++) {
      u64 k = 0;
      while (k < i && !same(all[k].ifr_name, all[i].ifr_name)) k++;
      if (k < i) continue;
      if (names_only) say(any ? " %s" : "%s", all[i].ifr_name);
      else if (name == NULL || same(name, all[i].ifr_name)) show_interface(fd, all[i].ifr_name, all, count);
      else continue;
      any = 1;
    }
    if (names_only) put_char('\n');
    if (!any && name != NULL) {
      complain("ifconfig: there is no interface %s", name);
      return 1;
    }
    return 0;
  }
  if (name[0] == '-') usage(how);
  struct ifreq r = { 0 };
  struct ifaliasreq alias = { 0 };
  u32 address = 0, mask = 0;
  int sets = 0, has_mask = 0, flags_on = 0, flags_off = 0;
  set_name(r.ifr_name, name);
  set_name(alias.ifra_name, name);
  for (int i = 2; i < argc; i++) {
    const char *word = argv[i], *next = argv[i + 1];
    i64 number;
    if (same(word, "inet") || same(word, "alias")) continue;
    if (same(word, "up")) flags_on = IFF_UP;
    else if (same(word, "down")) flags_off = IFF_UP;
    else if (same(word, "netmask") && next != NULL) {
      const char *end = "";
      if (starts_with(next, "0x")) mask = swap32((u32)number_at(next, &end));
      else if (!parse_address(next, &mask, NULL)) end = "?";
      if (*end != '\0') {
        complain("ifconfig: %s is no network mask", next);
        return 2;
      }
      has_mask = 1;
      i++;
    } else if (same(word, "mtu") && next != NULL && parse_number(next, &number)) {
      r.value = (int)number;
      status |= failed(sys_ioctl(fd, SIOCSIFMTU, &r), "set the MTU of", name);
      i++;
    } else if ((same(word, "delete") || same(word, "-alias")) && next != NULL && parse_address(next, &address, NULL)) {
      r.address = inet(address);
      return failed(sys_ioctl(fd, SIOCDIFADDR, &r), "take the address from", name);
    } else {
      u32 bits = 1;
      if (!parse_address(word, &address, &bits)) {
        complain("ifconfig: %s is no address and no word known here", word);
        return 2;
      }
      if (bits != 1) mask = bits, has_mask = 1;
      sets = 1;
    }
  }
  if (sets) {
    const u32 first = address & 255;
    if (!has_mask) mask = first < 128 ? 0xff : first < 192 ? 0xffff : 0xffffff;
    alias.address = inet(address);
    alias.mask = inet(mask);
    alias.broadcast = inet(address | ~mask);
    memset(r.space, 0, sizeof r.space);
    if (sys_ioctl(fd, SIOCGIFFLAGS, &r) >= 0 && r.flags & IFF_LOOPBACK) alias.broadcast = alias.address;
    status |= failed(sys_ioctl(fd, SIOCAIFADDR, &alias), "give the address to", name);
  }
  if (flags_on | flags_off) {
    memset(r.space, 0, sizeof r.space);
    if (failed(sys_ioctl(fd, SIOCGIFFLAGS, &r), "look at", name)) return 1;
    r.flags = (i16)((r.flags & ~flags_off) | flags_on);
    status |= failed(sys_ioctl(fd, SIOCSIFFLAGS, &r), flags_on ? "bring up" : "bring down", name);
  }
  return status;
}

/* ---- route ---- */

struct rt_msghdr {
  u16 rtm_msglen;
  u8 rtm_version, rtm_type;
  u16 rtm_index;
  int rtm_flags, rtm_addrs, rtm_pid, rtm_seq, rtm_errno, rtm_use, rtm_inits, rtm_padding;
  i64 rtm_metrics[10];
};
enum { RTM_VERSION = 4, RTM_ADD = 1, RTM_DELETE = 2 };
enum { RTF_UP = 1, RTF_GATEWAY = 2, RTF_HOST = 4, RTF_STATIC = 0x800 };
enum { RTA_DST = 1, RTA_GATEWAY = 2, RTA_NETMASK = 4 };

static int show_routes(void) {
  const int name[6] = { CTL_NET, AF_ROUTE, 0, AF_INET, 1 /* NET_RT_DUMP */, 0 };
  u64 size = 0;
  if (failed(sys_sysctl(name, 6, NULL, &size, NULL, 0), "list", "the routes")) return 1;
  size += 4096;
  char *bytes = alloc(size);
  if (failed(sys_sysctl(name, 6, bytes, &size, NULL, 0), "list", "the routes")) return 1;
  say("%-18s %-18s %s\n", "Destination", "Gateway", "Flags");
  for (u64 at = 0; at + sizeof(struct rt_msghdr) <= size;) {
    const struct rt_msghdr *m = (struct rt_msghdr *)(bytes + at);
    const u8 *a = (u8 *)(m + 1);
    char *texts[3] = { "", "", "" };
    u32 destination = 0;
    if (m->rtm_msglen == 0) break;
    at += m->rtm_msglen;
    for (int i = 0; i < 3; i++) {
      if (!(m->rtm_addrs >> i & 1)) continue;
      const struct sockaddr_in *in = (const struct sockaddr_in *)a;
      if (i == 2) {
        u32 mask = 0;
        for (int k = 4; k < 8 && k < a[0]; k++) mask |= (u32)a[k] << 8 * (k - 4);
        u64 prefix = 0;
        while (prefix < 32 && swap32(mask) << prefix >> 31) prefix++;
        texts[0] = destination == 0 && prefix == 0 ? "default" : m->rtm_flags & RTF_HOST ? texts[0] : print("%s/%u", texts[0], prefix);
      } else if (a[1] == AF_INET) {
        texts[i] = address_text(in->sin_addr);
        if (i == 0) destination = in->sin_addr;
      } else if (a[1] == AF_LINK) texts[i] = a[5] > 0 ? duplicate_bytes((const char *)a + 8, a[5]) : print("link#%u", (u64)(a[2] | a[3] << 8));
      a += a[0] > 0 ? (a[0] + 7) & ~7 : 8;
    }
    say("%-18s %-18s %s%s%s%s\n", texts[0], texts[1], m->rtm_flags & RTF_UP ? "U" : "", m->rtm_flags & RTF_GATEWAY ? "G" : "",
        m->rtm_flags & RTF_HOST ? "H" : "", m->rtm_flags & RTF_STATIC ? "S" : "");
  }
  return 0;
}

int route_main(int argc, char **argv) {
  const char *const how = "[show], or add|delete [-host | -net] default|ADDRESS[/BITS] GATEWAY [-netmask MASK]";
  struct {
    struct rt_msghdr head;
    struct sockaddr_in addresses[3];
  } m = { 0 };
  u32 destination, mask = 0xffffffff, gateway = 0;
  int i = 2, count = 0;
  while (argc > 1 && same(argv[1], "-n")) argv++, argc--;
  if (argc < 2 || same(argv[1], "show")) return show_routes();
  const int adds = same(argv[1], "add");
  if (!adds && !same(argv[1], "delete")) usage(how);
  while (i < argc && (same(argv[i], "-host") || same(argv[i], "-net") || same(argv[i], "-inet"))) i++;
  if (i >= argc) usage(how);
  if (same(argv[i], "default")) destination = mask = 0;
  else if (!parse_address(argv[i], &destination, &mask)) {
    complain("route: %s is no address", argv[i]);
    return 2;
  }
  char *shown = argv[i++];
  if (i < argc && !parse_address(argv[i++], &gateway, NULL)) {
    complain("route: %s is no gateway's address", argv[i - 1]);
    return 2;
  }
  if (i + 1 < argc && same(argv[i], "-netmask") && !parse_address(argv[i + 1], &mask, NULL)) usage(how);
  if (adds && gateway == 0) usage(how);
  m.head.rtm_version = RTM_VERSION;
  m.head.rtm_type = adds ? RTM_ADD : RTM_DELETE;
  m.head.rtm_seq = 1;
  m.head.rtm_flags = RTF_UP | RTF_STATIC;
  m.head.rtm_addrs = RTA_DST;
  m.addresses[count++] = inet(destination & mask);
  if (gateway != 0) {
    m.head.rtm_flags |= RTF_GATEWAY;
    m.head.rtm_addrs |= RTA_GATEWAY;
    m.addresses[count++] = inet(gateway);
  }
  if (mask == 0xffffffff) m.head.rtm_flags |= RTF_HOST;
  else {
    m.head.rtm_addrs |= RTA_NETMASK;
    m.addresses[count++] = inet(mask);
  }
  m.head.rtm_msglen = (u16)(sizeof m.head + (u64)count * sizeof m.addresses[0]);
  const int fd = open_socket(AF_ROUTE, SOCK_RAW, 0);
  return failed(sys_write(fd, &m, m.head.rtm_msglen), adds ? "add the route to" : "delete the route to", shown);
}

/* ---- ping ---- */

static u16 checksum(const u8 *bytes, u64 length) {
  u32 sum = 0;
  for (u64 i = 0; i < length; i += 2) sum += (u32)bytes[i] << 8 | (i + 1 < length ? bytes[i + 1] : 0u);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (u16)~sum;
}

static i64 microseconds(void) {
  struct timespec t;
  sys_clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static volatile int ping_stopped;
static void stop_ping(int signal) {
  (void)signal;
  ping_stopped = 1;
}

/* Echo requests of 64 bytes, one a second; ctrl-C ends it with the sums. Exit status 1 when nothing came back. */
int ping_main(int argc, char **argv) {
  const char *const how = "[-c COUNT] [-i SECONDS] ADDRESS";
  i64 count = -1, interval = 1, sent = 0, received = 0;
  u32 address;
  int i = 1;
  for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
    if (same(argv[i], "-c") && parse_number(argv[i + 1], &count)) continue;
    if (same(argv[i], "-i") && parse_number(argv[i + 1], &interval)) continue;
    usage(how);
  }
  if (i != argc - 1) usage(how);
  if (!parse_address(argv[i], &address, NULL)) {
    complain("ping: %s is no address; names are not resolved here", argv[i]);
    return 2;
  }
  const int fd = open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  const u16 id = (u16)sys_getpid();
  struct sockaddr_in to = inet(address);
  on_signal(SIGINT, stop_ping, 0);
  say("PING %s: 56 bytes of data\n", argv[i]);
  flush();
  while (!ping_stopped && sent != count) {
    u8 packet[64] = { 8, 0, 0, 0, (u8)(id >> 8), (u8)id, (u8)(sent >> 8), (u8)sent };
    for (u8 k = 8; k < 64; k++) packet[k] = k;
    const u16 sum = checksum(packet, sizeof packet);
    packet[2] = (u8)(sum >> 8);
    packet[3] = (u8)sum;
    const i64 start = microseconds();
    if (failed(syscall6(SYS_sendto, (word)fd, (word)packet, sizeof packet, 0, (word)&to, sizeof to), "send to", argv[i]) && sent == 0) return 2;
    sent++;
    for (int answered = 0; !ping_stopped;) {
      const i64 left = start + interval * 1000000 - microseconds();
      struct pollfd p = { fd, POLLIN, 0 };
      u8 answer[2048];
      struct sockaddr_in from;
      int from_length = sizeof from;
      if (left <= 0 || (answered && sent == count)) break;
      if (sys_poll(&p, 1, (int)(left / 1000) + 1) <= 0) continue;
      const i64 n = syscall6(SYS_recvfrom, (word)fd, (word)answer, sizeof answer, 0, (word)&from, (word)&from_length);
      const i64 head = n > 0 ? (answer[0] & 15) * 4 : 0;
      const u8 *icmp = answer + head;
      if (n < head + 8) continue;
      if (icmp[0] == 3) {
        say("from %s: the destination is unreachable (code %u)\n", address_text(from.sin_addr), (u64)icmp[1]);
        flush();
      }
      if (icmp[0] != 0 || icmp[4] != (u8)(id >> 8) || icmp[5] != (u8)id) continue;
      const i64 took = microseconds() - start;
      received++;
      if ((icmp[6] << 8 | icmp[7]) == (int)((sent - 1) & 0xffff)) answered = 1;
      say("%d bytes from %s: icmp_seq=%u ttl=%u time=%d.%03d ms\n", n - head, address_text(from.sin_addr), (u64)icmp[6] << 8 | icmp[7],
          (u64)answer[8], took / 1000, took % 1000);
      flush();
    }
  }
  say("%d sent, %d received, %d%% lost\n", sent, received, sent > 0 ? (sent - received) * 100 / sent : 0);
  return received == 0;
}
