/*
 * virtio-console: port 0 in both directions; the multiport handshake where it is offered.
 * Spec: virtio 1.2 section 5.3. Missing on purpose: ports other than 0, resize, emergency write.
 */
#include "virtio.h"
#include "x86.h"

#define VIRTIO_CONSOLE_F_MULTIPORT (1UL << 1)
#define RECEIVE_PORT0 0
#define TRANSMIT_PORT0 1
#define RECEIVE_CONTROL 2
#define TRANSMIT_CONTROL 3
#define RECEIVE_BUFFERS 8
#define RECEIVE_SIZE 64

enum {
  VIRTIO_CONSOLE_DEVICE_READY,
  VIRTIO_CONSOLE_PORT_ADD,
  VIRTIO_CONSOLE_PORT_REMOVE,
  VIRTIO_CONSOLE_PORT_READY,
  VIRTIO_CONSOLE_CONSOLE_PORT,
  VIRTIO_CONSOLE_RESIZE,
  VIRTIO_CONSOLE_PORT_OPEN,
};

struct virtio_console_control {
  u32 id;
  u16 event, value;
};

static struct virtio *console;
static bool multiport, port_added, host_open;
static u8 received[VIRTQ_SIZE][RECEIVE_SIZE]; /* by descriptor */
static u8 controls[VIRTQ_SIZE][RECEIVE_SIZE];
static struct virtio_console_control control;
static char transmit[256];

static void offer(u32 queue, u8 (*buffers)[RECEIVE_SIZE]) {
  struct virtq *q = &console->queues[queue];
  struct segment segment = {buffers[q->next_free], RECEIVE_SIZE, true};
  virtq_add(console, queue, &segment, 1);
}

static NOINLINE void control_send(u16 event, u16 value) {
  control = (struct virtio_console_control){event == VIRTIO_CONSOLE_DEVICE_READY ? ~0u : 0, event, value};
  struct segment segment = {&control, sizeof control, false};
  virtq_request(console, TRANSMIT_CONTROL, &segment, 1);
}

/* Runs with interrupts off. */
void virtio_console_interrupt(void) {
  int head;
  u32 length;
  if (!console) return;
  bool any = false;
  while ((head = virtq_pop(console, RECEIVE_PORT0, &length)) >= 0) {
    for (u32 i = 0; i < MIN(length, RECEIVE_SIZE) && console_is_virtio(); i++) console_receive(received[head][i]);
    offer(RECEIVE_PORT0, received);
    any = true;
  }
  if (any) virtq_kick(console, RECEIVE_PORT0);
  any = false;
  while (multiport && (head = virtq_pop(console, RECEIVE_CONTROL, &length)) >= 0) {
    const struct virtio_console_control *c = (const void *)controls[head];
    if (c->id == 0 && c->event == VIRTIO_CONSOLE_PORT_ADD) port_added = true;
    if (c->id == 0 && c->event == VIRTIO_CONSOLE_PORT_OPEN) host_open = c->value;
    offer(RECEIVE_CONTROL, controls);
    any = true;
  }
  if (any) virtq_kick(console, RECEIVE_CONTROL);
}

static bool is_port_added(void *unused) {
  (void)unused;
  return port_added;
}

bool virtio_console_ready(void) { return console != NULL; }

void virtio_console_write(const char *text, size_t size) {
  while (console && size) {
    u32 run = (u32)MIN(size, sizeof transmit);
    memcpy(transmit, text, run);
    struct segment segment = {transmit, run, false};
    if (virtq_request(console, TRANSMIT_PORT0, &segment, 1) < 0) return;
    text += run;
    size -= run;
  }
}

NOINLINE void virtio_console_attach(struct virtio *v) {
  if (console || !virtio_negotiate(v, VIRTIO_CONSOLE_F_MULTIPORT)) return;
  multiport = v->features & VIRTIO_CONSOLE_F_MULTIPORT;
  for (u32 queue = 0; queue < (multiport ? 4 : 2); queue++)
    if (!virtq_setup(v, queue)) return;
  u64 rflags = interrupts_save();
  console = v;
  for (int i = 0; i < RECEIVE_BUFFERS; i++) {
    offer(RECEIVE_PORT0, received);
    if (multiport) offer(RECEIVE_CONTROL, controls);
  }
  virtio_start(v);
  virtq_kick(v, RECEIVE_PORT0);
  if (multiport) virtq_kick(v, RECEIVE_CONTROL);
  interrupts_restore(rflags);
  if (multiport) {
    control_send(VIRTIO_CONSOLE_DEVICE_READY, 1);
    if (wait_for(is_port_added, NULL, 100000)) {
      control_send(VIRTIO_CONSOLE_PORT_READY, 1);
      control_send(VIRTIO_CONSOLE_PORT_OPEN, 1);
    }
    printf("vcons0: port 0 %s, multiport, %u ports at most\n", port_added ? "open" : "not offered",
           virtio_config32(v, 4));
  } else printf("vcons0: port 0\n");
  static const char greeting[] = "NetBSD microVM playground: hello from the virtio console\r\n";
  virtio_console_write(greeting, sizeof greeting - 1);
}
