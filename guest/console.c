/* The console: com0, or virtio-console's port 0 after `console=virtio`. One input ring for both. */
#include "virtio.h"
#include "x86.h"

static u8 input[1024];
static volatile u32 input_head, input_tail;
static volatile bool control_c;
static bool use_virtio;

void console_init(void) { serial_init(); }

void console_use_virtio(void) { use_virtio = true; }
/* For the last words of a crash: com0 needs no interrupts and no queue. */
void console_use_com0(void) { use_virtio = false; }
bool console_is_virtio(void) { return use_virtio; }

/* One buffered write per call: every \n becomes \r\n. */
void console_write(const char *text, size_t size) {
  char buffer[256];
  size_t n = 0;
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\n') buffer[n++] = '\r';
    buffer[n++] = text[i];
    if (n >= sizeof buffer - 2 || i + 1 == size) {
      if (use_virtio) virtio_console_write(buffer, n);
      else serial_write(buffer, n);
      n = 0;
    }
  }
}

/* Called with interrupts off. */
void console_receive(u8 byte) {
  if (byte == 3) control_c = true;
  if (input_head - input_tail < sizeof input) input[input_head++ % sizeof input] = byte;
}

bool console_has_input(void) { return input_head != input_tail; }

static bool has_input(void *unused) {
  (void)unused;
  return console_has_input();
}

int console_getc(void) {
  if (!console_has_input()) wait_for(has_input, NULL, 0);
  control_c = false;
  return input[input_tail++ % sizeof input];
}

/* True when ctrl-C came since the last byte was read: long output stops. */
bool console_interrupted(void) { return control_c; }
