/*
 * virtio-net with just enough of a network on top: ARP, IPv4, UDP for DHCP, ICMP echo.
 * Specs: virtio 1.2 section 5.1; RFC 826 (ARP), 791 (IPv4), 768 (UDP), 2131 and 2132 (DHCP), 792 (ICMP).
 * Missing on purpose: fragments, leases that end, TCP, checksums offloaded.
 */
#include "virtio.h"
#include "x86.h"

#define VIRTIO_NET_F_MAC (1UL << 5)
#define VIRTIO_NET_F_STATUS (1UL << 16)
#define RECEIVE 0
#define TRANSMIT 1
#define RECEIVE_BUFFERS 16
#define FRAME_SIZE 2048
#define HEADER_SIZE 12 /* virtio_net_hdr with num_buffers: always there in version 1 */

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define IPPROTO_ICMP 1
#define IPPROTO_UDP 17
#define DHCP_CLIENT 68
#define DHCP_SERVER 67
#define DHCPDISCOVER 1
#define DHCPOFFER 2
#define DHCPREQUEST 3
#define DHCPACK 5
#define DHCP_COOKIE 0x63825363

#define be16 __builtin_bswap16
#define be32 __builtin_bswap32

struct ethernet {
  u8 to[6], from[6];
  u16 type;
} PACKED;
struct arp {
  u16 hardware, protocol;
  u8 hardware_size, protocol_size;
  u16 operation;
  u8 sender_mac[6];
  u32 sender_ip;
  u8 target_mac[6];
  u32 target_ip;
} PACKED;
struct ipv4 {
  u8 version_ihl, tos;
  u16 length, id, fragment;
  u8 ttl, protocol;
  u16 checksum;
  u32 from, to;
} PACKED;
struct udp {
  u16 from, to, length, checksum;
} PACKED;
struct icmp {
  u8 type, code;
  u16 checksum, id, sequence;
  u8 data[32];
} PACKED;
struct dhcp {
  u8 op, htype, hlen, hops;
  u32 xid;
  u16 secs, flags;
  u32 ciaddr, yiaddr, siaddr, giaddr;
  u8 chaddr[16], sname[64], file[128];
  u32 cookie;
  u8 options[64];
} PACKED;

static struct virtio *net;
static u8 mac[6];
static u32 address, netmask, gateway, name_server, dhcp_server; /* host order */
static u8 (*receive_buffers)[FRAME_SIZE];
static u8 *transmit_buffer;
static u64 frames_sent, frames_received;

/* What the frame loop is waiting for, and what it found. */
static u32 arp_wanted, dhcp_xid, dhcp_wanted, dhcp_offered;
static u8 arp_found[6];
static bool arp_done, dhcp_done, echo_done;
static u16 echo_sequence;
static u64 echo_tsc;

bool net_present(void) { return net != NULL; }

static const char *ip_text(u32 ip) {
  static char text[4][16];
  static u32 next;
  char *to = text[next++ % 4];
  snprintf(to, 16, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
  return to;
}

bool parse_ip(const char *text, u32 *ip) {
  *ip = 0;
  for (int i = 0; i < 4; i++) {
    u64 part;
    if (!parse_number(&text, &part) || part > 255) return false;
    *ip = *ip << 8 | (u32)part;
    if (i < 3 && *text++ != '.') return false;
  }
  return *text == 0;
}

static u16 checksum(const void *data, u32 size) {
  u32 sum = 0;
  const u8 *p = data;
  for (u32 i = 0; i + 1 < size; i += 2) sum += (u32)p[i] << 8 | p[i + 1];
  if (size & 1) sum += (u32)p[size - 1] << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return be16((u16)~sum);
}

static NOINLINE bool net_send(const u8 *to, u16 type, const void *payload, u32 size) {
  memset(transmit_buffer, 0, HEADER_SIZE);
  struct ethernet *e = (void *)(transmit_buffer + HEADER_SIZE);
  memcpy(e->to, to, 6);
  memcpy(e->from, mac, 6);
  e->type = be16(type);
  memcpy(e + 1, payload, size);
  u32 length = MAX(size + (u32)sizeof *e, 60u);
  struct segment segment = {transmit_buffer, HEADER_SIZE + length, false};
  frames_sent++;
  return virtq_request(net, TRANSMIT, &segment, 1) >= 0;
}

static const u8 broadcast[6] = {255, 255, 255, 255, 255, 255};

static NOINLINE void arp_send(u16 operation, const u8 *to, u32 target) {
  struct arp a = {be16(1), be16(ETHERTYPE_IPV4), 6, 4, be16(operation), {0}, be32(address), {0}, be32(target)};
  memcpy(a.sender_mac, mac, 6);
  if (operation == 2) memcpy(a.target_mac, to, 6);
  net_send(to, ETHERTYPE_ARP, &a, sizeof a);
}

static NOINLINE bool ip_send(const u8 *mac_to, u32 to, u8 protocol, const void *payload, u32 size) {
  static u8 packet[600];
  static u16 id;
  struct ipv4 *ip = (void *)packet;
  *ip = (struct ipv4){0x45, 0, be16((u16)(20 + size)), be16(++id), 0, 64, protocol, 0, be32(address), be32(to)};
  ip->checksum = checksum(ip, 20);
  memcpy(ip + 1, payload, size);
  return net_send(mac_to, ETHERTYPE_IPV4, packet, 20 + size);
}

static void arp_receive(const struct arp *a) {
  if (be16(a->operation) == 1 && address && be32(a->target_ip) == address) arp_send(2, a->sender_mac, be32(a->sender_ip));
  if (be16(a->operation) == 2 && be32(a->sender_ip) == arp_wanted) {
    memcpy(arp_found, a->sender_mac, 6);
    arp_done = true;
  }
}

static u32 option32(const u8 *p) { return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3]; }

static void dhcp_receive(const struct dhcp *d, const u8 *end) {
  if (d->op != 2 || d->xid != be32(dhcp_xid) || d->cookie != be32(DHCP_COOKIE)) return;
  u32 type = 0, mask = 0, router = 0, dns = 0, server = 0;
  for (const u8 *p = d->options; p < end && *p != 255;) {
    if (*p == 0) {
      p++;
      continue;
    }
    if (p + 2 > end || p + 2 + p[1] > end) break;
    if (p[0] == 53) type = p[2];
    if (p[1] >= 4 && p[0] == 1) mask = option32(p + 2);
    if (p[1] >= 4 && p[0] == 3) router = option32(p + 2);
    if (p[1] >= 4 && p[0] == 6) dns = option32(p + 2);
    if (p[1] >= 4 && p[0] == 54) server = option32(p + 2);
    p += 2 + p[1];
  }
  if (type != dhcp_wanted) return;
  dhcp_offered = be32(d->yiaddr);
  netmask = mask;
  gateway = router;
  name_server = dns;
  dhcp_server = server;
  dhcp_done = true;
}

static void ip_receive(const struct ethernet *e, const struct ipv4 *ip, u32 size) {
  u32 header = (u32)(ip->version_ihl & 15) * 4, length = MIN((u32)be16(ip->length), size);
  if (ip->version_ihl >> 4 != 4 || header < 20 || length < header + 8 || checksum(ip, header)) return;
  const u8 *payload = (const u8 *)ip + header;
  if (ip->protocol == IPPROTO_UDP && be16(((const struct udp *)payload)->to) == DHCP_CLIENT) {
    if (length >= header + 8 + 244) dhcp_receive((const void *)(payload + 8), (const u8 *)ip + length);
  } else if (ip->protocol == IPPROTO_ICMP && be32(ip->to) == address && !checksum(payload, length - header)) {
    const struct icmp *c = (const void *)payload;
    if (c->type == 0 && be16(c->sequence) == echo_sequence) {
      echo_tsc = rdtsc();
      echo_done = true;
    } else if (c->type == 8 && length - header <= 500) { /* answer an echo request with the same bytes */
      static u8 reply[500];
      memcpy(reply, payload, length - header);
      ((struct icmp *)reply)->type = 0;
      ((struct icmp *)reply)->checksum = 0;
      ((struct icmp *)reply)->checksum = checksum(reply, length - header);
      ip_send(e->from, be32(ip->from), IPPROTO_ICMP, reply, length - header);
    }
  }
}

static void receive_offer(void) {
  struct segment segment = {receive_buffers[net->queues[RECEIVE].next_free], FRAME_SIZE, true};
  virtq_add(net, RECEIVE, &segment, 1);
}

static NOINLINE void net_receive(void) {
  int head;
  u32 length;
  while ((head = virtq_pop(net, RECEIVE, &length)) >= 0) {
    const struct ethernet *e = (const void *)(receive_buffers[head] + HEADER_SIZE);
    frames_received++;
    if (length > HEADER_SIZE + sizeof *e + sizeof(struct arp) - 1 && length <= FRAME_SIZE) {
      u32 size = length - HEADER_SIZE - (u32)sizeof *e;
      if (be16(e->type) == ETHERTYPE_ARP) arp_receive((const void *)(e + 1));
      if (be16(e->type) == ETHERTYPE_IPV4) ip_receive(e, (const void *)(e + 1), size);
    }
    receive_offer();
    virtq_kick(net, RECEIVE);
  }
}

static bool is_done(void *flag) {
  net_receive();
  return *(volatile bool *)flag;
}

static NOINLINE bool arp_resolve(u32 target) {
  arp_wanted = target;
  arp_done = false;
  for (int i = 0; i < 3 && !arp_done; i++) {
    arp_send(1, broadcast, target);
    wait_for(is_done, &arp_done, 500000);
  }
  return arp_done;
}

static NOINLINE bool dhcp_exchange(u8 type, u8 wanted) {
  static struct {
    struct udp udp;
    struct dhcp dhcp;
  } PACKED packet;
  memset(&packet, 0, sizeof packet);
  packet.udp = (struct udp){be16(DHCP_CLIENT), be16(DHCP_SERVER), be16(sizeof packet), 0};
  struct dhcp *d = &packet.dhcp;
  d->op = 1;
  d->htype = 1;
  d->hlen = 6;
  d->xid = be32(dhcp_xid);
  d->flags = be16(0x8000); /* answer by broadcast: there is no address yet */
  memcpy(d->chaddr, mac, 6);
  d->cookie = be32(DHCP_COOKIE);
  u8 *p = d->options;
  *p++ = 53, *p++ = 1, *p++ = type;
  if (type == DHCPREQUEST) {
    *p++ = 50, *p++ = 4;
    for (int i = 24; i >= 0; i -= 8) *p++ = (u8)(dhcp_offered >> i);
    *p++ = 54, *p++ = 4;
    for (int i = 24; i >= 0; i -= 8) *p++ = (u8)(dhcp_server >> i);
  }
  *p++ = 55, *p++ = 3, *p++ = 1, *p++ = 3, *p++ = 6;
  *p = 255;
  dhcp_wanted = wanted;
  dhcp_done = false;
  for (int i = 0; i < 3 && !dhcp_done; i++) {
    ip_send(broadcast, 0xffffffff, IPPROTO_UDP, &packet, sizeof packet);
    wait_for(is_done, &dhcp_done, 1000000);
  }
  return dhcp_done;
}

NOINLINE bool net_dhcp(void) {
  address = 0;
  dhcp_xid = 0x6d766d00 | mac[5];
  if (!dhcp_exchange(DHCPDISCOVER, DHCPOFFER)) {
    printf("net: no DHCP offer within 3 seconds\n");
    return false;
  }
  printf("net: offered %s by %s\n", ip_text(dhcp_offered), ip_text(dhcp_server));
  if (!dhcp_exchange(DHCPREQUEST, DHCPACK)) {
    printf("net: the server did not acknowledge the request\n");
    return false;
  }
  address = dhcp_offered;
  net_show();
  return true;
}

NOINLINE bool net_ping(u32 target, u32 count) {
  if (!address && !net_dhcp()) return false;
  if (!target) target = gateway;
  u32 hop = (target & netmask) == (address & netmask) ? target : gateway;
  if (!arp_resolve(hop)) {
    printf("net: no ARP answer from %s\n", ip_text(hop));
    return false;
  }
  u32 received = 0;
  for (u32 i = 0; i < count && !console_interrupted(); i++) {
    struct icmp c = {8, 0, 0, be16(0x4e42), be16((u16)(i + 1)), {0}};
    for (u32 j = 0; j < sizeof c.data; j++) c.data[j] = (u8)('a' + j % 26);
    c.checksum = checksum(&c, sizeof c);
    echo_sequence = (u16)(i + 1);
    echo_done = false;
    u64 start = rdtsc();
    ip_send(arp_found, target, IPPROTO_ICMP, &c, sizeof c);
    if (wait_for(is_done, &echo_done, 1000000)) {
      received++;
      printf("net: %u bytes from %s: seq %u time %lu us\n", (u32)sizeof c, ip_text(target), i + 1,
             tsc_to_us(echo_tsc - start));
    } else printf("net: no echo from %s within a second\n", ip_text(target));
  }
  return received == count;
}

NOINLINE void net_show(void) {
  printf("net: mac %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  if (address)
    printf(", address %s, netmask %s, gateway %s, dns %s", ip_text(address), ip_text(netmask), ip_text(gateway),
           ip_text(name_server));
  else printf(", no address");
  printf(", %lu frames out, %lu in\n", frames_sent, frames_received);
}

NOINLINE void virtio_net_attach(struct virtio *v) {
  if (net || !virtio_negotiate(v, VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS)) return;
  if (!virtq_setup(v, RECEIVE) || !virtq_setup(v, TRANSMIT)) return;
  receive_buffers = pages_alloc(VIRTQ_SIZE * FRAME_SIZE, PAGE);
  transmit_buffer = pages_alloc(PAGE, PAGE);
  for (u32 i = 0; i < 6; i++) mac[i] = virtio_config8(v, i);
  net = v;
  for (int i = 0; i < RECEIVE_BUFFERS; i++) receive_offer();
  virtio_start(v);
  virtq_kick(v, RECEIVE);
  printf("vioif0: mac %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  if (v->features & VIRTIO_NET_F_STATUS) printf(", link %s", virtio_config16(v, 6) & 1 ? "up" : "down");
  printf("\n");
}
