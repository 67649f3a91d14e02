/*
 * Compiled into libvhost-user.so, beside the library. The library calls back for three things, none
 * of which is worth a way through JavaScript: where the next message comes from (it has been
 * received and checked already), what to watch (nothing, the device polls for itself), and that it
 * gives up (noted, and read after vu_dispatch). So no exception ever crosses a C frame.
 */
#include <stdlib.h>
#include <string.h>

#include "layout.h"

/* Raised with every change of this interface; native-library.ts compares it. */
#define NVU_BRIDGE_VERSION 1

#define DEVICE(address) ((struct nvu_device *)(uintptr_t)(address))

int nvu_bridge_version(void) { return NVU_BRIDGE_VERSION; }

static struct nvu_device *owner(VuDev *dev) {
  return (struct nvu_device *)((char *)dev - offsetof(struct nvu_device, dev));
}

static bool read_staged(VuDev *dev, int sock, VhostUserMsg *message) {
  struct nvu_device *device = owner(dev);
  (void)sock;
  if (!device->is_staged) return false;
  device->is_staged = 0;
  memcpy(message, &device->staged, sizeof *message);
  message->data = NULL;
  return true;
}

static void note_panic(VuDev *dev, const char *text) {
  struct nvu_device *device = owner(dev);
  if (device->panicked) return;
  device->panicked = 1;
  if (text == NULL) text = "out of memory";
  strncpy(device->panic_text, text, sizeof device->panic_text - 1);
}

static void set_no_watch(VuDev *dev, int fd, int condition, vu_watch_cb callback, void *data) {
  (void)dev, (void)fd, (void)condition, (void)callback, (void)data;
}

static void remove_no_watch(VuDev *dev, int fd) { (void)dev, (void)fd; }

/* Owns `fd` from here on. 0: no memory; `fd` is still the caller's. */
uint64_t nvu_device_create(uint32_t queues, int fd) {
  struct nvu_device *device = calloc(1, sizeof *device);
  if (device == NULL) return 0;
  if (!vu_init(&device->dev, (uint16_t)queues, fd, note_panic, read_staged, set_no_watch,
               remove_no_watch, &device->iface)) {
    free(device);
    return 0;
  }
  return (uintptr_t)device;
}

/* Closes the socket and every other file descriptor, unmaps guest memory. */
void nvu_device_destroy(uint64_t device) {
  vu_deinit(&DEVICE(device)->dev);
  free(DEVICE(device));
}

/* Handles the staged message: 1 when it went well. */
int nvu_device_dispatch(uint64_t device) {
  return vu_dispatch(&DEVICE(device)->dev) && !DEVICE(device)->panicked;
}

/* Where the table of regions lies: inside VuDev or outside, depending on the version. */
uint64_t nvu_device_regions(uint64_t device) { return (uintptr_t)&DEVICE(device)->dev.regions[0]; }

static const struct {
  const char *name;
  uint64_t value;
} layout[] = {
#define ROW(name, value) {#name, value},
    NVU_LAYOUT(ROW)
#undef ROW
};

uint32_t nvu_layout_count(void) { return sizeof layout / sizeof layout[0]; }

const char *nvu_layout_name(uint32_t index) { return layout[index].name; }

uint64_t nvu_layout_value(uint32_t index) { return layout[index].value; }
